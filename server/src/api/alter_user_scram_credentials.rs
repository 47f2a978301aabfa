//! AlterUserScramCredentials (key 51), v0.
//!
//! Credentials are kept from now on; logging in with them comes with SASL. Not done: refusal for clients that logged in with a delegation
//! token.

use super::{Api, RequestContext};
use crate::auth::{Operation, Resource};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::alter_user_scram_credentials_response::AlterUserScramCredentialsResult;
use kafka_protocol::messages::{AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, ApiKey};
use kafka_protocol::protocol::StrBytes;
use ottla_coordinator::metadata::ApiError;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

pub(crate) enum AlterUserScramCredentials {}

impl Api for AlterUserScramCredentials {
    type Request = AlterUserScramCredentialsRequest;
    type Response = AlterUserScramCredentialsResponse;
    const KEY: ApiKey = ApiKey::AlterUserScramCredentials;
    const VERSIONS: RangeInclusive<i16> = 0..=0;

    async fn handle(ctx: RequestContext, request: AlterUserScramCredentialsRequest) -> AlterUserScramCredentialsResponse {
        let deleted = request.deletions.iter().map(|deletion| deletion.name.clone());
        let users: BTreeSet<StrBytes> = deleted.chain(request.upsertions.iter().map(|upsertion| upsertion.name.clone())).collect();
        let outcome = if ctx.allows(Operation::Alter, Resource::Cluster) {
            ctx.node.controller.alter_user_scram_credentials(request).await
        } else {
            Err(ApiError { error: ResponseError::ClusterAuthorizationFailed, message: None })
        };
        outcome.unwrap_or_else(|ApiError { error, message }| {
            let row = |user| {
                AlterUserScramCredentialsResult::default()
                    .with_user(user)
                    .with_error_code(error.code())
                    .with_error_message(message.clone().map(StrBytes::from_string))
            };
            AlterUserScramCredentialsResponse::default().with_results(users.into_iter().map(row).collect())
        })
    }
}
