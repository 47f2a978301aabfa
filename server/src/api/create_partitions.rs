//! CreatePartitions (key 37), v0-3.
//!
//! v2 flexible · v3 quota error. The rules are in the coordinator; the new partitions are led and ready when the answer leaves.
//! Not done: controller mutation quotas.

use super::create_topics::Access;
use super::{Api, RequestContext};
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::{ApiKey, CreatePartitionsRequest, CreatePartitionsResponse};
use std::ops::RangeInclusive;

pub(crate) enum CreatePartitions {}

impl Api for CreatePartitions {
    type Request = CreatePartitionsRequest;
    type Response = CreatePartitionsResponse;
    const KEY: ApiKey = ApiKey::CreatePartitions;
    const VERSIONS: RangeInclusive<i16> = 0..=3;

    async fn handle(ctx: RequestContext, request: CreatePartitionsRequest) -> CreatePartitionsResponse {
        let names: Vec<_> = request.topics.iter().map(|topic| topic.name.clone()).collect();
        let (access, mutations) = Access::within_quota(&ctx, 3);
        let outcome = ctx.node.controller.create_partitions(access, request).await;
        ctx.throttle_at_least(mutations.throttle_ms());
        match outcome {
            Ok(response) => response,
            Err(error) => {
                let failed = |name| CreatePartitionsTopicResult::default().with_name(name).with_error_code(error.code());
                CreatePartitionsResponse::default().with_results(names.into_iter().map(failed).collect())
            }
        }
    }
}
