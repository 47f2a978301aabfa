//! Requests of the group APIs as bytes, and their answers: the `kafka-protocol` crate does the work.

use anyhow::{Context, Result, bail, ensure};
use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::{ApiVersionsRequest, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Request, StrBytes};
use std::collections::BTreeMap;

/// A string as the crate keeps it.
pub fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// A whole request, size prefix and header included, with the correlation id where [`crate::wire::set_correlation_id`] writes it.
pub fn encode<R: Request>(version: i16, request: &R) -> Result<Vec<u8>> {
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_client_id(Some(StrBytes::from_static_str("ottla-load")));
    let mut out = BytesMut::with_capacity(256);
    out.extend_from_slice(&[0; 4]);
    header.encode(&mut out, R::header_version(version))?;
    request.encode(&mut out, version).with_context(|| format!("encode API {} version {version}", R::KEY))?;
    let size = i32::try_from(out.len() - 4)?;
    out[..4].copy_from_slice(&size.to_be_bytes());
    Ok(out.to_vec())
}

/// An answer, its header included. Every byte must be used.
pub fn decode<R: Request>(version: i16, answer: &[u8]) -> Result<R::Response> {
    let mut bytes = Bytes::copy_from_slice(answer);
    ResponseHeader::decode(&mut bytes, R::Response::header_version(version))?;
    let response =
        R::Response::decode(&mut bytes, version).with_context(|| format!("decode answer of API {} version {version}", R::KEY))?;
    ensure!(bytes.is_empty(), "{} bytes left over in an answer of API {} version {version}", bytes.len(), R::KEY);
    Ok(response)
}

/// The versions a broker offers.
#[derive(Clone, Debug)]
pub struct Offered(BTreeMap<i16, (i16, i16)>);

impl Offered {
    /// Reads the answer to [`crate::wire::api_versions`].
    pub fn read(answer: &[u8]) -> Result<Self> {
        let offered = decode::<ApiVersionsRequest>(0, answer)?;
        if offered.error_code != 0 {
            bail!("ApiVersions failed with error {}", offered.error_code);
        }
        Ok(Self(offered.api_keys.iter().map(|api| (api.api_key, (api.min_version, api.max_version))).collect()))
    }

    /// The highest common version of an API, at most `highest`: all systems should speak the same one.
    pub fn choose<R: Request>(&self, highest: i16) -> Result<i16> {
        let &(from, to) = self.0.get(&R::KEY).with_context(|| format!("the broker does not know API {}", R::KEY))?;
        let version = to.min(highest).min(R::VERSIONS.max);
        ensure!(version >= from.max(R::VERSIONS.min), "no common version of API {}", R::KEY);
        Ok(version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire;
    use kafka_protocol::messages::{ApiVersionsResponse, HeartbeatRequest, HeartbeatResponse};

    #[test]
    fn a_request_has_its_size_in_front_and_its_correlation_id_in_place() {
        for version in [2, 4] {
            let mut request = encode(version, &HeartbeatRequest::default().with_member_id(text("m"))).unwrap();
            wire::set_correlation_id(&mut request, 77);
            let mut bytes = Bytes::from(request);
            let size = i32::from_be_bytes(bytes.split_to(4)[..].try_into().unwrap());
            assert_eq!(size as usize, bytes.len());
            let header = RequestHeader::decode(&mut bytes, HeartbeatRequest::header_version(version)).unwrap();
            assert_eq!((header.request_api_key, header.request_api_version, header.correlation_id), (12, version, 77));
            assert_eq!(HeartbeatRequest::decode(&mut bytes, version).unwrap().member_id.as_str(), "m");
            assert!(bytes.is_empty());
        }
    }

    #[test]
    fn answers_with_bytes_to_spare_are_refused() {
        let mut answer = BytesMut::new();
        ResponseHeader::default().encode(&mut answer, 1).unwrap();
        HeartbeatResponse::default().with_error_code(27).encode(&mut answer, 4).unwrap();
        assert_eq!(decode::<HeartbeatRequest>(4, &answer).unwrap().error_code, 27);
        answer.extend_from_slice(b"x");
        assert!(decode::<HeartbeatRequest>(4, &answer).is_err());
    }

    #[test]
    fn versions_are_chosen_among_the_common_ones() {
        use kafka_protocol::messages::api_versions_response::ApiVersion;
        let mut answer = BytesMut::new();
        ResponseHeader::default().encode(&mut answer, 0).unwrap();
        let heartbeat = ApiVersion::default().with_api_key(12).with_min_version(0).with_max_version(3);
        ApiVersionsResponse::default().with_api_keys(vec![heartbeat]).encode(&mut answer, 0).unwrap();
        let offered = Offered::read(&answer).unwrap();
        assert_eq!(offered.choose::<HeartbeatRequest>(4).unwrap(), 3);
        assert_eq!(offered.choose::<HeartbeatRequest>(2).unwrap(), 2);
        assert!(offered.choose::<ApiVersionsRequest>(4).is_err());
    }
}
