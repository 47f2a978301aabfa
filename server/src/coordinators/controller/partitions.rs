//! The controller requests about partitions.

use super::Controller;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{CreatePartitionsRequest, CreatePartitionsResponse};
use ottla_coordinator::metadata::{CreatePartitionsContext, MetadataReply, TopicAccess, TopicLimits};

impl Controller {
    /// CreatePartitions by the coordinator's rules.
    pub(crate) async fn create_partitions(
        &self,
        access: impl TopicAccess + Send + 'static,
        request: CreatePartitionsRequest,
    ) -> Result<CreatePartitionsResponse, ResponseError> {
        let reply = self
            .submit(move |runtime| {
                let context = CreatePartitionsContext { limits: TopicLimits::default(), access: &access };
                runtime.run(|shard, ticket, _| shard.create_partitions(ticket, &request, &context))
            })
            .await?;
        match reply {
            Some(MetadataReply::CreatePartitions(response)) => Ok(response),
            _ => Err(ResponseError::UnknownServerError),
        }
    }
}
