//! RemoveRaftVoter (key 81), v0.

use super::add_raft_voter::{Asked, refusal};
use super::{Api, RequestContext};
use kafka_protocol::messages::{ApiKey, RemoveRaftVoterRequest, RemoveRaftVoterResponse};
use kafka_protocol::protocol::StrBytes;
use std::ops::RangeInclusive;

pub(crate) enum RemoveRaftVoter {}

impl Api for RemoveRaftVoter {
    type Request = RemoveRaftVoterRequest;
    type Response = RemoveRaftVoterResponse;
    const KEY: ApiKey = ApiKey::RemoveRaftVoter;
    const VERSIONS: RangeInclusive<i16> = 0..=0;

    async fn handle(ctx: RequestContext, request: RemoveRaftVoterRequest) -> RemoveRaftVoterResponse {
        let asked = Asked { cluster_id: request.cluster_id, voter_id: request.voter_id, directory_id: request.voter_directory_id };
        let (error, message) = refusal(&ctx, &asked, ["Remove", "removing"]);
        RemoveRaftVoterResponse::default().with_error_code(error.code()).with_error_message(message.map(StrBytes::from_string))
    }
}
