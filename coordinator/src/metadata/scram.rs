//! DescribeUserScramCredentials and AlterUserScramCredentials (KIP-554): who may log in with SCRAM, kept as records.
//!
//! A client sends salt, iterations and the salted password; what is kept are the two keys of RFC 5802 that a server needs and that do not
//! give the password away. A user may be changed once per request, whatever the mechanism. Answers are sorted by user: first deletions,
//! then upsertions, then errors; Kafka's order is a hash map's.

use super::image::MetadataImage;
use super::records::{MetadataRecord, RemoveUserScramCredentialRecord, UserScramCredentialRecord};
use super::{ApiError, MetadataEffects, MetadataReply, MetadataShard};
use crate::effects::Ticket;
use hmac::digest::{Digest, KeyInit};
use hmac::{Hmac, Mac};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::alter_user_scram_credentials_request::{ScramCredentialDeletion, ScramCredentialUpsertion};
use kafka_protocol::messages::alter_user_scram_credentials_response::AlterUserScramCredentialsResult;
use kafka_protocol::messages::describe_user_scram_credentials_response::{CredentialInfo, DescribeUserScramCredentialsResult};
use kafka_protocol::messages::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, DescribeUserScramCredentialsRequest,
    DescribeUserScramCredentialsResponse,
};
use kafka_protocol::protocol::StrBytes;
use sha2::{Sha256, Sha512};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// What a credential may ask of a login.
const ITERATIONS: RangeInclusive<i32> = 4_096..=16_384;

/// A SCRAM mechanism by Kafka's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mechanism {
    Sha256 = 1,
    Sha512 = 2,
}

impl Mechanism {
    fn from_wire(mechanism: i8) -> Option<Self> {
        match mechanism {
            1 => Some(Self::Sha256),
            2 => Some(Self::Sha512),
            _ => None,
        }
    }

    /// Stored key and server key; `None` if the salted password is no key.
    fn keys(self, salted_password: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
        match self {
            _ if salted_password.is_empty() => None,
            Self::Sha256 => {
                let sign =
                    |text: &[u8]| Some(Hmac::<Sha256>::new_from_slice(salted_password).ok()?.chain_update(text).finalize().into_bytes());
                Some((Sha256::digest(sign(b"Client Key")?).to_vec(), sign(b"Server Key")?.to_vec()))
            }
            Self::Sha512 => {
                let sign =
                    |text: &[u8]| Some(Hmac::<Sha512>::new_from_slice(salted_password).ok()?.chain_update(text).finalize().into_bytes());
                Some((Sha512::digest(sign(b"Client Key")?).to_vec(), sign(b"Server Key")?.to_vec()))
            }
        }
    }
}

impl MetadataShard {
    /// AlterUserScramCredentials (key 51), v0.
    pub fn alter_user_scram_credentials(&self, ticket: Ticket, request: &AlterUserScramCredentialsRequest) -> MetadataEffects {
        let (records, response) = alter(self.image(), request);
        MetadataEffects { records, ..MetadataEffects::reply(ticket, MetadataReply::AlterUserScramCredentials(response)) }
    }
}

/// What is to happen to a user.
#[derive(Clone, Copy)]
enum Change<'a> {
    Delete(&'a ScramCredentialDeletion),
    Upsert(&'a ScramCredentialUpsertion),
}

fn alter(image: &MetadataImage, request: &AlterUserScramCredentialsRequest) -> (Vec<MetadataRecord>, AlterUserScramCredentialsResponse) {
    let changes = request.deletions.iter().map(Change::Delete).chain(request.upsertions.iter().map(Change::Upsert));
    let mut by_user: BTreeMap<&str, Result<Change<'_>, ApiError>> = BTreeMap::new();
    for change in changes {
        let (Change::Delete(ScramCredentialDeletion { name, .. }) | Change::Upsert(ScramCredentialUpsertion { name, .. })) = &change;
        let outcome = match by_user.get(name.as_str()) {
            Some(Err(_)) => continue,
            Some(Ok(_)) => {
                let text = "A user credential cannot be altered twice in the same request";
                Err(ApiError::new(ResponseError::DuplicateResource, text))
            }
            None => check(image, change).map(|()| change),
        };
        by_user.insert(name.as_str(), outcome);
    }
    let mut records = Vec::new();
    let mut results: [Vec<AlterUserScramCredentialsResult>; 3] = Default::default();
    for (user, outcome) in by_user {
        let (group, outcome) = match outcome {
            Ok(Change::Delete(deletion)) => (
                0,
                Ok(MetadataRecord::RemoveUserScramCredential(RemoveUserScramCredentialRecord {
                    name: user.to_owned(),
                    mechanism: deletion.mechanism,
                })),
            ),
            Ok(Change::Upsert(upsertion)) => (1, credential(upsertion)),
            Err(error) => (2, Err(error)),
        };
        let group = if outcome.is_err() { 2 } else { group };
        results[group].push(result(user, outcome.as_ref().err()));
        records.extend(outcome);
    }
    (records, AlterUserScramCredentialsResponse::default().with_results(results.concat()))
}

fn check(image: &MetadataImage, change: Change<'_>) -> Result<(), ApiError> {
    let (Change::Delete(ScramCredentialDeletion { name, mechanism, .. })
    | Change::Upsert(ScramCredentialUpsertion { name, mechanism, .. })) = change;
    let unacceptable = |text: &str| Err(ApiError::new(ResponseError::UnacceptableCredential, text));
    if name.is_empty() {
        return unacceptable("Username must not be empty");
    }
    if Mechanism::from_wire(*mechanism).is_none() {
        return Err(ApiError::new(ResponseError::UnsupportedSaslMechanism, "Unknown SCRAM mechanism"));
    }
    match change {
        Change::Delete(_) if image.scram().credential(*mechanism, name).is_none() => {
            Err(ApiError::new(ResponseError::ResourceNotFound, "Attempt to delete a user credential that does not exist"))
        }
        Change::Upsert(upsertion) if upsertion.iterations < *ITERATIONS.start() => unacceptable("Too few iterations"),
        Change::Upsert(upsertion) if upsertion.iterations > *ITERATIONS.end() => unacceptable("Too many iterations"),
        _ => Ok(()),
    }
}

fn credential(upsertion: &ScramCredentialUpsertion) -> Result<MetadataRecord, ApiError> {
    let keys = Mechanism::from_wire(upsertion.mechanism).and_then(|mechanism| mechanism.keys(&upsertion.salted_password));
    // Java's own refusal of an empty key.
    let (stored_key, server_key) = keys.ok_or(ApiError { error: ResponseError::UnknownServerError, message: None })?;
    Ok(MetadataRecord::UserScramCredential(UserScramCredentialRecord {
        name: upsertion.name.to_string(),
        mechanism: upsertion.mechanism,
        salt: upsertion.salt.to_vec(),
        stored_key,
        server_key,
        iterations: upsertion.iterations,
    }))
}

fn result(user: &str, error: Option<&ApiError>) -> AlterUserScramCredentialsResult {
    AlterUserScramCredentialsResult::default()
        .with_user(StrBytes::from_string(user.to_owned()))
        .with_error_code(error.map_or(0, |error| error.error.code()))
        .with_error_message(error.and_then(|error| error.message.clone()).map(StrBytes::from_string))
}

/// Mechanisms and iterations of the users that are named, or of all when none is: one row per user.
#[must_use]
pub fn describe_user_scram_credentials(
    image: &MetadataImage,
    request: &DescribeUserScramCredentialsRequest,
) -> DescribeUserScramCredentialsResponse {
    // How often each user was asked for.
    let mut asked: BTreeMap<&str, usize> = BTreeMap::new();
    match request.users.as_deref() {
        None | Some([]) => asked.extend(image.scram().iter().map(|credential| (credential.name.as_str(), 1))),
        Some(users) => users.iter().for_each(|user| *asked.entry(user.name.as_str()).or_default() += 1),
    }
    let describe = |(user, times): (&str, usize)| {
        let held =
            [Mechanism::Sha256, Mechanism::Sha512].into_iter().filter_map(|mechanism| image.scram().credential(mechanism as i8, user));
        let infos: Vec<_> = held
            .map(|credential| CredentialInfo::default().with_mechanism(credential.mechanism).with_iterations(credential.iterations))
            .collect();
        let row = DescribeUserScramCredentialsResult::default().with_user(StrBytes::from_string(user.to_owned()));
        let refused = |error: ResponseError, text: String| {
            row.clone().with_error_code(error.code()).with_error_message(Some(StrBytes::from_string(text)))
        };
        if times > 1 {
            let text = format!("Cannot describe SCRAM credentials for the same user twice in a single request: {user}");
            refused(ResponseError::DuplicateResource, text)
        } else if infos.is_empty() {
            refused(ResponseError::ResourceNotFound, format!("Attempt to describe a user credential that does not exist: {user}"))
        } else {
            row.clone().with_credential_infos(infos)
        }
    };
    // Texts that say nothing are empty, not null, as Kafka has them.
    DescribeUserScramCredentialsResponse::default().with_results(asked.into_iter().map(describe).collect())
}
