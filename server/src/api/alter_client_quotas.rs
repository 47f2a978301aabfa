//! AlterClientQuotas (key 49), v0-1.
//!
//! v1 flexible. The rules are in the coordinator (KIP-546). An `ip` entity may be a host name, as in Kafka: it is looked up before the
//! controller is asked, so that a slow name server holds up nobody else.

use super::{Api, RequestContext};
use crate::auth::{Operation, Resource};
use crate::limits::{QUOTA_HOST_NAME_WITHIN, QUOTA_HOST_NAMES_MAX};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{AlterClientQuotasRequest, AlterClientQuotasResponse, ApiKey};
use ottla_coordinator::metadata::client_quotas::{IP, refuse_alterations};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::RangeInclusive;

pub(crate) enum AlterClientQuotas {}

impl Api for AlterClientQuotas {
    type Request = AlterClientQuotasRequest;
    type Response = AlterClientQuotasResponse;
    const KEY: ApiKey = ApiKey::AlterClientQuotas;
    const VERSIONS: RangeInclusive<i16> = 0..=1;

    async fn handle(ctx: RequestContext, request: AlterClientQuotasRequest) -> AlterClientQuotasResponse {
        if !ctx.allows(Operation::AlterConfigs, Resource::Cluster) {
            return refuse_alterations(&request, ResponseError::ClusterAuthorizationFailed);
        }
        let hosts = hosts_with_address(&request).await;
        let names = AlterClientQuotasRequest::default().with_entries(request.entries.clone());
        match ctx.node.controller.alter_client_quotas(request, hosts).await {
            Ok(response) => response,
            Err(error) => refuse_alterations(&names, error),
        }
    }
}

/// The host names of the request that have an address. Names beyond the limit are taken to have none.
async fn hosts_with_address(request: &AlterClientQuotasRequest) -> BTreeSet<String> {
    let parts = request.entries.iter().flat_map(|entry| &entry.entity).filter(|part| part.entity_type.as_str() == IP);
    let names: BTreeSet<&str> = parts.filter_map(|part| part.entity_name.as_deref()).filter(|name| !name.is_empty()).collect();
    let mut found = BTreeSet::new();
    let mut looked_up = 0;
    for name in names {
        if name.parse::<IpAddr>().is_err() {
            looked_up += 1;
            let known = looked_up <= QUOTA_HOST_NAMES_MAX
                && matches!(tokio::time::timeout(QUOTA_HOST_NAME_WITHIN, tokio::net::lookup_host((name, 0))).await, Ok(Ok(_)));
            if !known {
                continue;
            }
        }
        found.insert(name.to_owned());
    }
    found
}
