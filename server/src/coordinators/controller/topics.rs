//! The controller requests about topics.

use super::Controller;
use crate::broker::Node;
use crate::dynamic_config::Rules;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::{CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest, DeleteTopicsResponse, TopicName};
use ottla_coordinator::metadata::{
    CreateTopicsContext, DeleteTopicsContext, MetadataReply, TopicAccess, TopicId, TopicLimits, Unrestricted,
};
use std::sync::Arc;
use uuid::Uuid;

impl Controller {
    /// CreateTopics by the coordinator's rules.
    pub(crate) async fn create_topics(
        &self,
        node: &Arc<Node>,
        access: impl TopicAccess + Send + 'static,
        request: CreateTopicsRequest,
    ) -> Result<CreateTopicsResponse, ResponseError> {
        let node = Arc::clone(node);
        let reply = self
            .submit(move |runtime| {
                let config = node.dynamic.kept();
                let (default_num_partitions, default_replication_factor) = (config.num_partitions(), config.default_replication_factor());
                let rules = Rules(config);
                runtime.run(|shard, ticket, _| {
                    let context = CreateTopicsContext {
                        default_num_partitions,
                        default_replication_factor,
                        limits: TopicLimits::default(),
                        configs: &rules,
                        access: &access,
                        new_topic_id: &mut || TopicId(Uuid::new_v4()),
                    };
                    shard.create_topics(ticket, &request, context)
                })
            })
            .await?;
        match reply {
            Some(MetadataReply::CreateTopics(response)) => Ok(response),
            _ => Err(ResponseError::UnknownServerError),
        }
    }

    /// Topics made on first use, with the broker's defaults.
    pub(crate) async fn auto_create(
        &self,
        node: &Arc<Node>,
        access: impl TopicAccess + Send + 'static,
        names: Vec<TopicName>,
    ) -> Result<(), ResponseError> {
        let topic = |name| CreatableTopic::default().with_name(name).with_num_partitions(-1).with_replication_factor(-1);
        let request = CreateTopicsRequest::default().with_topics(names.into_iter().map(topic).collect());
        self.create_topics(node, access, request).await.map(drop)
    }

    /// A topic that a coordinator keeps its log in.
    pub(crate) async fn create_internal_topic(
        &self,
        node: &Arc<Node>,
        topic: CreatableTopic,
    ) -> Result<CreateTopicsResponse, ResponseError> {
        self.create_topics(node, Unrestricted, CreateTopicsRequest::default().with_topics(vec![topic])).await
    }

    /// DeleteTopics by the coordinator's rules.
    pub(crate) async fn delete_topics(
        &self,
        node: &Arc<Node>,
        access: impl TopicAccess + Send + 'static,
        api_version: i16,
        request: DeleteTopicsRequest,
    ) -> Result<DeleteTopicsResponse, ResponseError> {
        let node = Arc::clone(node);
        let reply = self
            .submit(move |runtime| {
                let deletion_enabled = node.dynamic.current().delete_topic_enable();
                let context = DeleteTopicsContext { api_version, deletion_enabled, access: &access };
                runtime.run(|shard, ticket, _| shard.delete_topics(ticket, &request, &context))
            })
            .await?;
        match reply {
            Some(MetadataReply::DeleteTopics(response)) => Ok(response),
            _ => Err(ResponseError::UnknownServerError),
        }
    }
}
