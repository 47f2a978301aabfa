//! Client quotas: AlterClientQuotas (KIP-546) as records, DescribeClientQuotas from an image.
//!
//! An entity is a user, a client id, both, or an address; a part without a name is the default of its type. Of an entity that is named
//! twice the first alterations stand, and the answer is an error all the same: so it is in Kafka.

use super::ApiError;
use super::image::{MetadataImage, QuotaEntity};
use super::records::{ClientQuotaRecord, MetadataRecord, QuotaEntityPart};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::alter_client_quotas_request as alter;
use kafka_protocol::messages::alter_client_quotas_response as altered;
use kafka_protocol::messages::describe_client_quotas_request::ComponentData;
use kafka_protocol::messages::describe_client_quotas_response as described;
use kafka_protocol::messages::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, DescribeClientQuotasRequest, DescribeClientQuotasResponse,
};
use kafka_protocol::protocol::StrBytes;
use std::collections::{BTreeMap, BTreeSet};

/// Entity type of a principal's name.
pub const USER: &str = "user";
/// Entity type of a client id.
pub const CLIENT_ID: &str = "client-id";
/// Entity type of an address.
pub const IP: &str = "ip";

/// Bytes a second that may be produced.
pub const PRODUCER_BYTE_RATE: &str = "producer_byte_rate";
/// Bytes a second that may be fetched.
pub const CONSUMER_BYTE_RATE: &str = "consumer_byte_rate";
/// Per cent of a thread's time that requests may take.
pub const REQUEST_PERCENTAGE: &str = "request_percentage";
/// Partitions a second that may be created or deleted.
pub const CONTROLLER_MUTATION_RATE: &str = "controller_mutation_rate";
/// New connections a second.
pub const CONNECTION_CREATION_RATE: &str = "connection_creation_rate";

/// Records of one request at most, as in Kafka.
const MAX_RECORDS_PER_OPERATION: usize = 10_000;
const EMPTY_ENTITY: &str = "Invalid empty client quota entity";
/// Match types of a filter's component.
const EXACT: i8 = 0;
const DEFAULT: i8 = 1;
const ANY: i8 = 2;

/// What values a quota key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A whole number up to this.
    Integer {
        max: i64,
        article: &'static str,
        name: &'static str,
    },
    Double,
}

const INT: Kind = Kind::Integer { max: i32::MAX as i64, article: "an", name: "INT" };
const LONG: Kind = Kind::Integer { max: i64::MAX, article: "a", name: "LONG" };

/// The kind of a key, when entities of this sort have it.
fn kind_of(key: &str, of_ip: bool) -> Option<Kind> {
    match key {
        CONNECTION_CREATION_RATE if of_ip => Some(INT),
        PRODUCER_BYTE_RATE | CONSUMER_BYTE_RATE if !of_ip => Some(LONG),
        REQUEST_PERCENTAGE | CONTROLLER_MUTATION_RATE if !of_ip => Some(Kind::Double),
        _ => None,
    }
}

fn invalid(text: impl Into<String>) -> ApiError {
    ApiError::new(ResponseError::InvalidRequest, text)
}

/// `resolves` says whether a text is an address, or a name that has one.
pub(super) fn alter(
    image: &MetadataImage,
    request: &AlterClientQuotasRequest,
    resolves: &dyn Fn(&str) -> bool,
) -> (Vec<MetadataRecord>, AlterClientQuotasResponse) {
    let mut records = Vec::new();
    let mut outcomes: BTreeMap<QuotaEntity, (usize, Result<(), ApiError>)> = BTreeMap::new();
    for entry in &request.entries {
        let entity = entity_of(entry);
        let named = outcomes.len();
        let twice = outcomes.contains_key(&entity) || names_a_key_twice(entry);
        let outcome = if twice {
            Err(invalid(format!("Ignoring duplicate entity {}", text_of(&entity))))
        } else {
            alter_entity(image, &entity, &entry.ops, resolves).map(|mut new| records.append(&mut new))
        };
        let slot = outcomes.entry(entity).or_insert((named, Ok(())));
        slot.1 = outcome;
    }
    if records.len() > MAX_RECORDS_PER_OPERATION {
        return (Vec::new(), refuse_alterations(request, ResponseError::PolicyViolation));
    }
    if request.validate_only {
        records.clear();
    }
    let mut outcomes: Vec<_> = outcomes.into_iter().map(|(entity, (named, outcome))| (named, entity, outcome)).collect();
    outcomes.sort_by_key(|(named, ..)| *named);
    let entries = outcomes.into_iter().map(|(_, entity, outcome)| answer(&entity, outcome)).collect();
    (records, AlterClientQuotasResponse::default().with_entries(entries))
}

/// Of a type that is given twice the last name counts.
fn entity_of(entry: &alter::EntryData) -> QuotaEntity {
    let named: BTreeMap<&str, Option<&str>> =
        entry.entity.iter().map(|part| (part.entity_type.as_str(), part.entity_name.as_deref())).collect();
    let part = |(entity_type, name): (&str, Option<&str>)| QuotaEntityPart {
        entity_type: entity_type.to_owned(),
        entity_name: name.map(str::to_owned),
    };
    QuotaEntity::new(named.into_iter().map(part).collect())
}

fn names_a_key_twice(entry: &alter::EntryData) -> bool {
    let mut keys = BTreeSet::new();
    !entry.ops.iter().all(|op| keys.insert(op.key.as_str()))
}

/// As Java prints it.
fn text_of(entity: &QuotaEntity) -> String {
    let part = |part: &QuotaEntityPart| format!("{}={}", part.entity_type, part.entity_name.as_deref().unwrap_or("null"));
    let parts: Vec<String> = entity.parts().iter().map(part).collect();
    format!("ClientQuotaEntity(entries={{{}}})", parts.join(", "))
}

fn alter_entity(
    image: &MetadataImage,
    entity: &QuotaEntity,
    ops: &[alter::OpData],
    resolves: &dyn Fn(&str) -> bool,
) -> Result<Vec<MetadataRecord>, ApiError> {
    let of_ip = check_entity(entity, resolves)?;
    let held = image.client_quotas().of(entity);
    let held = |key: &str| held.and_then(|quotas| quotas.get(key)).copied();
    let mut records = Vec::new();
    for op in ops {
        if !op.remove {
            check_value(&op.key, op.value, of_ip)?;
        }
        let changes = match held(&op.key) {
            None => !op.remove,
            Some(value) => op.remove || value.total_cmp(&op.value).is_ne(),
        };
        if changes {
            records.push(MetadataRecord::ClientQuota(ClientQuotaRecord {
                entity: entity.parts().to_vec(),
                key: op.key.to_string(),
                value: if op.remove { 0.0 } else { op.value },
                remove: op.remove,
            }));
        }
    }
    Ok(records)
}

/// Whether the entity is an address.
fn check_entity(entity: &QuotaEntity, resolves: &dyn Fn(&str) -> bool) -> Result<bool, ApiError> {
    if entity.parts().is_empty() {
        return Err(invalid(EMPTY_ENTITY));
    }
    for part in entity.parts() {
        if !matches!(part.entity_type.as_str(), USER | CLIENT_ID | IP) {
            return Err(invalid(format!("Unhandled client quota entity type: {}", part.entity_type)));
        }
        if part.entity_name.as_deref() == Some("") {
            return Err(invalid(format!("Empty {} not supported", part.entity_type)));
        }
    }
    let Some(ip) = entity.parts().iter().find(|part| part.entity_type == IP) else { return Ok(false) };
    if entity.parts().len() > 1 {
        return Err(invalid("Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId"));
    }
    match ip.entity_name.as_deref() {
        Some(name) if !resolves(name) => Err(invalid(format!("{name} is not a valid IP or resolvable host."))),
        _ => Ok(true),
    }
}

/// NaN passes, as in Kafka: it is neither too small nor too large.
fn check_value(key: &str, value: f64, of_ip: bool) -> Result<(), ApiError> {
    let kind = kind_of(key, of_ip).ok_or_else(|| invalid(format!("Invalid configuration key {key}")))?;
    if value <= 0.0 {
        return Err(invalid(format!("Quota {key} must be greater than 0")));
    }
    if let Kind::Integer { max, article, name } = kind {
        if value > max as f64 {
            return Err(invalid(format!("Proposed value for {key} is too large for {article} {name}.")));
        }
        if (value % 1.0).abs() > 1e-6 {
            return Err(invalid(format!("{key} cannot be a fractional value.")));
        }
    }
    Ok(())
}

fn answer(entity: &QuotaEntity, outcome: Result<(), ApiError>) -> altered::EntryData {
    let part = |part: &QuotaEntityPart| {
        altered::EntityData::default().with_entity_type(string(&part.entity_type)).with_entity_name(part.entity_name.as_deref().map(string))
    };
    let entry = altered::EntryData::default().with_error_message(None).with_entity(entity.parts().iter().map(part).collect());
    match outcome {
        Ok(()) => entry,
        Err(error) => entry.with_error_code(error.error.code()).with_error_message(error.message.map(StrBytes::from_string)),
    }
}

/// The answer when none of the alterations was looked at, or all were turned down together.
#[must_use]
pub fn refuse_alterations(request: &AlterClientQuotasRequest, error: ResponseError) -> AlterClientQuotasResponse {
    let text = match error {
        ResponseError::PolicyViolation => "Request parameters do not satisfy the configured policy.".to_owned(),
        ResponseError::ClusterAuthorizationFailed => "Cluster authorization failed.".to_owned(),
        other => other.to_string(),
    };
    let entry = |entry: &alter::EntryData| {
        let part = |part: &alter::EntityData| {
            altered::EntityData::default().with_entity_type(part.entity_type.clone()).with_entity_name(part.entity_name.clone())
        };
        altered::EntryData::default()
            .with_error_code(error.code())
            .with_error_message(Some(string(&text)))
            .with_entity(entry.entity.iter().map(part).collect())
    };
    AlterClientQuotasResponse::default().with_entries(request.entries.iter().map(entry).collect())
}

/// DescribeClientQuotas (key 48), v0-1: the entities that a filter names, with their quotas.
#[must_use]
pub fn describe_client_quotas(image: &MetadataImage, request: &DescribeClientQuotasRequest) -> DescribeClientQuotasResponse {
    let filter = match Filter::new(request) {
        Ok(filter) => filter,
        Err(error) => {
            return DescribeClientQuotasResponse::default()
                .with_error_code(error.error.code())
                .with_error_message(error.message.map(StrBytes::from_string))
                .with_entries(None);
        }
    };
    let found = image.client_quotas().iter().filter(|(entity, _)| filter.matches(entity));
    let entries = found.map(|(entity, quotas)| describe_entity(entity, quotas)).collect();
    // Not null: so Kafka says that there is no error.
    DescribeClientQuotasResponse::default().with_error_message(Some(StrBytes::default())).with_entries(Some(entries))
}

/// What each named type's name has to be; `None` where any will do.
struct Filter<'a> {
    wanted: BTreeMap<&'a str, Option<Option<&'a str>>>,
    strict: bool,
}

impl<'a> Filter<'a> {
    fn new(request: &'a DescribeClientQuotasRequest) -> Result<Self, ApiError> {
        let mut wanted = BTreeMap::new();
        for component in &request.components {
            let entity_type = component.entity_type.as_str();
            if entity_type.is_empty() {
                return Err(invalid("Invalid empty entity type."));
            }
            if wanted.contains_key(entity_type) {
                return Err(invalid(format!("Entity type {entity_type} cannot appear more than once in the filter.")));
            }
            if !matches!(entity_type, USER | CLIENT_ID | IP) {
                return Err(ApiError::new(ResponseError::UnsupportedVersion, format!("Unsupported entity type {entity_type}")));
            }
            wanted.insert(entity_type, wanted_name(component)?);
        }
        if wanted.contains_key(IP) && wanted.len() > 1 {
            let text = "Invalid entity filter component combination. IP filter component should not be used with user or clientId filter \
                        component.";
            return Err(invalid(text));
        }
        Ok(Self { wanted, strict: request.strict })
    }

    fn matches(&self, entity: &QuotaEntity) -> bool {
        let parts = entity.parts();
        let fits = |(entity_type, wanted): (&&str, &Option<Option<&str>>)| {
            let part = parts.iter().find(|part| part.entity_type == **entity_type);
            part.is_some_and(|part| wanted.is_none_or(|name| part.entity_name.as_deref() == name))
        };
        (!self.strict || parts.len() == self.wanted.len()) && self.wanted.iter().all(fits)
    }
}

fn wanted_name(component: &ComponentData) -> Result<Option<Option<&str>>, ApiError> {
    let name = component._match.as_deref();
    let without = |label: &str| match name {
        None => Ok(()),
        Some(_) => Err(invalid(format!("Request specified {label}, but also specified a match string."))),
    };
    match component.match_type {
        EXACT if name.is_none() => Err(invalid("Request specified MATCH_TYPE_EXACT, but set match string to null.")),
        EXACT => Ok(Some(name)),
        DEFAULT => without("MATCH_TYPE_DEFAULT").map(|()| Some(None)),
        ANY => without("MATCH_TYPE_SPECIFIED").map(|()| None),
        other => Err(invalid(format!("Unknown match type {other}"))),
    }
}

fn describe_entity(entity: &QuotaEntity, quotas: &BTreeMap<String, f64>) -> described::EntryData {
    let part = |part: &QuotaEntityPart| {
        described::EntityData::default()
            .with_entity_type(string(&part.entity_type))
            .with_entity_name(part.entity_name.as_deref().map(string))
    };
    let value = |(key, value): (&String, &f64)| described::ValueData::default().with_key(string(key)).with_value(*value);
    described::EntryData::default().with_entity(entity.parts().iter().map(part).collect()).with_values(quotas.iter().map(value).collect())
}

fn string(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

#[cfg(test)]
mod tests;
