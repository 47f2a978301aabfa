//! ListConfigResources (key 74), v0-1.
//!
//! v0 lists client metrics subscriptions (KIP-1000) · v1 resources of any type; none asked for means all (KIP-1142). Groups and subscriptions
//! are those that something is set for; topics and brokers are all there are.

use super::{Api, RequestContext};
use crate::auth::{Operation, Resource};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::list_config_resources_response::ConfigResource;
use kafka_protocol::messages::{ApiKey, ListConfigResourcesRequest, ListConfigResourcesResponse};
use kafka_protocol::protocol::StrBytes;
use ottla_coordinator::metadata::image::{ConfigResourceType, MetadataImage};
use std::ops::RangeInclusive;

pub(crate) enum ListConfigResources {}

const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const BROKER_LOGGER: i8 = 8;
const CLIENT_METRICS: i8 = 16;
const GROUP: i8 = 32;
/// In the order in which they are answered.
const ALL: [i8; 5] = [GROUP, CLIENT_METRICS, BROKER_LOGGER, BROKER, TOPIC];

impl Api for ListConfigResources {
    type Request = ListConfigResourcesRequest;
    type Response = ListConfigResourcesResponse;
    const KEY: ApiKey = ApiKey::ListConfigResources;
    const VERSIONS: RangeInclusive<i16> = 0..=1;

    async fn handle(ctx: RequestContext, request: ListConfigResourcesRequest) -> ListConfigResourcesResponse {
        let refused = |error: ResponseError| ListConfigResourcesResponse::default().with_error_code(error.code());
        if !ctx.allows(Operation::DescribeConfigs, Resource::Cluster) {
            return refused(ResponseError::ClusterAuthorizationFailed);
        }
        let known: &[i8] = if ctx.api_version == 0 { &[CLIENT_METRICS] } else { &ALL };
        let asked = &request.resource_types;
        if asked.iter().any(|resource_type| !known.contains(resource_type)) {
            return refused(ResponseError::UnsupportedVersion);
        }
        let image = ctx.node.image();
        let wanted = known.iter().filter(|resource_type| asked.is_empty() || asked.contains(resource_type));
        let rows = wanted.flat_map(|resource_type| {
            let row =
                |name: String| ConfigResource::default().with_resource_type(*resource_type).with_resource_name(StrBytes::from_string(name));
            names(&ctx, &image, *resource_type).into_iter().map(row)
        });
        ListConfigResourcesResponse::default().with_config_resources(rows.collect())
    }
}

fn names(ctx: &RequestContext, image: &MetadataImage, resource_type: i8) -> Vec<String> {
    match resource_type {
        TOPIC => image.topics().iter().map(|topic| topic.name.to_string()).collect(),
        BROKER | BROKER_LOGGER => ctx.node.endpoints(&ctx.connection).iter().map(|broker| broker.node_id.to_string()).collect(),
        _ => {
            let kind = ConfigResourceType::from_id(resource_type);
            image
                .configs()
                .iter()
                .filter(|(resource, _)| resource.resource_type == kind)
                .map(|(resource, _)| resource.name.clone())
                .collect()
        }
    }
}
