//! ApiVersions (key 18), v0-4.
//!
//! v3 flexible body, client software name and version, features (KIP-511, KIP-584) · v4 features whose minimum is 0.
//! The response header is v0 at every version. A version above ours is answered in v0 with UNSUPPORTED_VERSION and the connection stays.

use super::{APIS, Api, RequestContext, response_head};
use crate::api::response::Response;
use crate::broker::Node;
use crate::net::Outcome;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::api_versions_response::{ApiVersion, FinalizedFeatureKey, SupportedFeatureKey};
use kafka_protocol::messages::{ApiKey, ApiVersionsRequest, ApiVersionsResponse};
use kafka_protocol::protocol::{Encodable, StrBytes};
use ottla_coordinator::metadata::features;
use std::ops::RangeInclusive;

pub(crate) enum ApiVersions {}

impl Api for ApiVersions {
    type Request = ApiVersionsRequest;
    type Response = ApiVersionsResponse;
    const KEY: ApiKey = ApiKey::ApiVersions;
    const VERSIONS: RangeInclusive<i16> = 0..=4;

    async fn handle(ctx: RequestContext, request: ApiVersionsRequest) -> ApiVersionsResponse {
        if ctx.api_version >= 3 {
            let (name, version) = (&request.client_software_name, &request.client_software_version);
            if !is_software_word(name) || !is_software_word(version) {
                return ApiVersionsResponse::default().with_error_code(ResponseError::InvalidRequest.code());
            }
            // The first answer counts; a client may ask again, before and after authentication.
            let _ = ctx.connection.client_software.set((name.clone(), version.clone()));
        }
        let answer = ApiVersionsResponse::default().with_api_keys(api_keys());
        if ctx.api_version < 3 { answer } else { with_features(answer, &ctx.node, ctx.api_version) }
    }
}

fn api_keys() -> Vec<ApiVersion> {
    let row = |entry: &super::ApiEntry| {
        ApiVersion::default()
            .with_api_key(entry.key as i16)
            .with_min_version(entry.advertised_min_version)
            .with_max_version(entry.max_version)
    };
    APIS.iter().filter(|entry| entry.advertised).map(row).collect()
}

/// Java clients before 4.0 fail on a feature whose minimum is 0, so those are left out below v4.
fn with_features(answer: ApiVersionsResponse, node: &Node, version: i16) -> ApiVersionsResponse {
    let image = node.image();
    let supported = features::supported()
        .into_iter()
        .filter(|feature| version >= 4 || feature.min > 0)
        .map(|feature| {
            SupportedFeatureKey::default()
                .with_name(StrBytes::from_string(feature.name))
                .with_min_version(feature.min)
                .with_max_version(feature.max)
        })
        .collect();
    let finalized = image
        .features()
        .iter()
        .map(|(name, level)| {
            FinalizedFeatureKey::default()
                .with_name(StrBytes::from_string(name.to_owned()))
                .with_max_version_level(level)
                .with_min_version_level(level)
        })
        .collect();
    answer
        .with_supported_features(supported)
        .with_finalized_features_epoch(image.provenance().last_offset)
        .with_finalized_features(finalized)
}

/// KIP-511: letters and digits, with dots and dashes inside.
fn is_software_word(word: &str) -> bool {
    let bytes = word.as_bytes();
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-');
    let ends = bytes.first().is_some_and(u8::is_ascii_alphanumeric) && bytes.last().is_some_and(u8::is_ascii_alphanumeric);
    ends && bytes.iter().all(inner)
}

/// The answer to a version we do not know, in v0: the client asks again with one that it finds in the list. The list holds this API
/// and nothing else (KIP-511): franz-go takes a longer one for the whole answer, and then knows of no features.
pub(super) fn unsupported_version(_node: &Node, correlation_id: i32) -> Outcome {
    let (min, max) = (*ApiVersions::VERSIONS.start(), *ApiVersions::VERSIONS.end());
    let own_key = ApiVersion::default().with_api_key(ApiVersions::KEY as i16).with_min_version(min).with_max_version(max);
    let answer = ApiVersionsResponse::default().with_error_code(ResponseError::UnsupportedVersion.code()).with_api_keys(vec![own_key]);
    let mut out = response_head(ApiKey::ApiVersions, 0, correlation_id);
    match answer.encode(&mut out, 0) {
        Ok(()) => Outcome::Respond(Response::new(out.freeze())),
        Err(error) => super::close(format!("cannot encode ApiVersions v0: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_software_words_follow_kip_511() {
        for good in ["librdkafka", "2.0.2", "apache-kafka-java", "a"] {
            assert!(is_software_word(good), "{good}");
        }
        for bad in ["", "-a", "a-", "a b", "a_b", "ü"] {
            assert!(!is_software_word(bad), "{bad}");
        }
    }
}
