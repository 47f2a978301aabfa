//! The controller requests about dynamic configuration.

use super::Controller;
use crate::broker::Node;
use crate::dynamic_config::Rules;
use kafka_protocol::ResponseError;
use ottla_coordinator::metadata::{ApiError, ConfigChange, ConfigScope, MetadataReply};
use std::sync::Arc;

impl Controller {
    /// AlterConfigs and IncrementalAlterConfigs by the coordinator's rules; one outcome per change.
    pub(crate) async fn alter_configs(
        &self,
        node: &Arc<Node>,
        changes: Vec<ConfigChange>,
        scope: ConfigScope,
        validate_only: bool,
    ) -> Result<Vec<Result<(), ApiError>>, ResponseError> {
        let node = Arc::clone(node);
        let reply = self
            .submit(move |runtime| {
                let rules = Rules(node.dynamic.kept());
                runtime.run(|shard, ticket, _| shard.alter_configs(ticket, &changes, scope, validate_only, &rules))
            })
            .await?;
        match reply {
            Some(MetadataReply::Configs(outcomes)) => Ok(outcomes),
            _ => Err(ResponseError::UnknownServerError),
        }
    }
}
