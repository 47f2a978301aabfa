//! The controller request about client quotas.

use super::Controller;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{AlterClientQuotasRequest, AlterClientQuotasResponse};
use ottla_coordinator::metadata::MetadataReply;
use std::collections::BTreeSet;

impl Controller {
    /// AlterClientQuotas by the coordinator's rules; `hosts` are the addresses and the host names that have one.
    pub(crate) async fn alter_client_quotas(
        &self,
        request: AlterClientQuotasRequest,
        hosts: BTreeSet<String>,
    ) -> Result<AlterClientQuotasResponse, ResponseError> {
        let reply = self
            .submit(move |runtime| {
                runtime.run(|shard, ticket, _| shard.alter_client_quotas(ticket, &request, &|host| hosts.contains(host)))
            })
            .await?;
        match reply {
            Some(MetadataReply::AlterClientQuotas(response)) => Ok(response),
            _ => Err(ResponseError::UnknownServerError),
        }
    }
}
