//! DescribeCluster (key 60), v0-2.
//!
//! v1 endpoint type (KIP-919) · v2 fenced brokers (KIP-1073). Brokers are asked for brokers only: endpoint type 2 (controllers) is
//! MISMATCHED_ENDPOINT_TYPE on a broker listener, as in Kafka.

use super::{Api, CLUSTER_OPERATIONS, NOT_ASKED, RequestContext};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_cluster_response::DescribeClusterBroker;
use kafka_protocol::messages::{ApiKey, BrokerId, DescribeClusterRequest, DescribeClusterResponse};
use kafka_protocol::protocol::StrBytes;
use std::ops::RangeInclusive;

const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

pub(crate) enum DescribeCluster {}

impl Api for DescribeCluster {
    type Request = DescribeClusterRequest;
    type Response = DescribeClusterResponse;
    const KEY: ApiKey = ApiKey::DescribeCluster;
    const VERSIONS: RangeInclusive<i16> = 0..=2;

    async fn handle(ctx: RequestContext, request: DescribeClusterRequest) -> DescribeClusterResponse {
        let asked = if ctx.api_version == 0 { BROKERS } else { request.endpoint_type };
        let refused = |error: ResponseError, message: String| {
            DescribeClusterResponse::default()
                .with_error_code(error.code())
                .with_error_message(Some(StrBytes::from_string(message)))
                .with_endpoint_type(BROKERS)
        };
        match asked {
            BROKERS => {}
            CONTROLLERS => {
                let message = "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER";
                return refused(ResponseError::MismatchedEndpointType, message.to_owned());
            }
            other => return refused(ResponseError::UnsupportedEndpointType, format!("Unsupported endpoint type {other}")),
        }
        let brokers = ctx
            .node
            .endpoints(&ctx.connection)
            .into_iter()
            .filter(|endpoint| !endpoint.fenced || request.include_fenced_brokers)
            .map(|endpoint| {
                DescribeClusterBroker::default()
                    .with_broker_id(BrokerId(endpoint.node_id))
                    .with_host(StrBytes::from_string(endpoint.host))
                    .with_port(endpoint.port)
                    .with_rack(endpoint.rack.map(StrBytes::from_string))
                    .with_is_fenced(endpoint.fenced)
            })
            .collect();
        let operations = if request.include_cluster_authorized_operations { CLUSTER_OPERATIONS } else { NOT_ASKED };
        DescribeClusterResponse::default()
            .with_endpoint_type(BROKERS)
            .with_cluster_id(StrBytes::from_string(ctx.node.cluster_id.clone()))
            .with_controller_id(BrokerId(ctx.node.node_id))
            .with_brokers(brokers)
            .with_cluster_authorized_operations(operations)
    }
}
