//! OffsetDelete (key 47), v0.
//!
//! KIP-496. Partitions that do not exist or may not be read are answered here, the others by the group's shard. An error of the group
//! stands alone at the top.

use super::by_topic::{by_topic, keep_known};
use super::{Api, RequestContext, no_answer};
use crate::auth::{Operation, Resource};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use kafka_protocol::messages::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use kafka_protocol::messages::{ApiKey, OffsetDeleteRequest, OffsetDeleteResponse, TopicName};
use ottla_coordinator::group::GroupReply;
use std::ops::RangeInclusive;

pub(crate) enum OffsetDelete {}

by_topic!(OffsetDeleteRequestTopic, OffsetDeleteRequestPartition => OffsetDeleteResponseTopic, OffsetDeleteResponsePartition);

impl Api for OffsetDelete {
    type Request = OffsetDeleteRequest;
    type Response = OffsetDeleteResponse;
    const KEY: ApiKey = ApiKey::OffsetDelete;
    const VERSIONS: RangeInclusive<i16> = 0..=0;

    async fn handle(ctx: RequestContext, mut request: OffsetDeleteRequest) -> OffsetDeleteResponse {
        let failed = |error: ResponseError| OffsetDeleteResponse::default().with_error_code(error.code());
        if !ctx.allows(Operation::Delete, Resource::Group(&request.group_id)) {
            return failed(ResponseError::GroupAuthorizationFailed);
        }
        if request.group_id.is_empty() {
            return failed(ResponseError::InvalidGroupId);
        }
        let (known, answer) = keep_known(&ctx, request.topics, |_, _| ());
        request.topics = known;
        let deleted =
            ctx.node.groups.run(&ctx.node, &request.group_id, |shard, now, ticket| shard.offset_delete(now, ticket, &request)).await;
        match deleted {
            Ok(GroupReply::OffsetDelete(response)) if response.error_code != 0 => response,
            Ok(GroupReply::OffsetDelete(response)) => OffsetDeleteResponse::default().with_topics(answer.with(response.topics)),
            other => failed(no_answer(other)),
        }
    }
}
