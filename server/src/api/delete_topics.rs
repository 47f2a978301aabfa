//! DeleteTopics (key 20), v1-6.
//!
//! v4 flexible · v5 error messages · v6 by topic id (KIP-516).

use super::create_topics::Access;
use super::{Api, RequestContext};
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{ApiKey, DeleteTopicsRequest, DeleteTopicsResponse};
use std::ops::RangeInclusive;

pub(crate) enum DeleteTopics {}

impl Api for DeleteTopics {
    type Request = DeleteTopicsRequest;
    type Response = DeleteTopicsResponse;
    const KEY: ApiKey = ApiKey::DeleteTopics;
    const VERSIONS: RangeInclusive<i16> = 1..=6;

    async fn handle(ctx: RequestContext, request: DeleteTopicsRequest) -> DeleteTopicsResponse {
        let by_name = request.topic_names.iter().map(|name| DeletableTopicResult::default().with_name(Some(name.clone())));
        let by_state =
            request.topics.iter().map(|topic| DeletableTopicResult::default().with_name(topic.name.clone()).with_topic_id(topic.topic_id));
        let asked: Vec<_> = by_name.chain(by_state).collect();
        let (access, mutations) = Access::within_quota(&ctx, 5);
        let outcome = ctx.node.controller.delete_topics(&ctx.node, access, ctx.api_version, request).await;
        ctx.throttle_at_least(mutations.throttle_ms());
        match outcome {
            Ok(response) => response,
            Err(error) => DeleteTopicsResponse::default()
                .with_responses(asked.into_iter().map(|result| result.with_error_code(error.code())).collect()),
        }
    }
}
