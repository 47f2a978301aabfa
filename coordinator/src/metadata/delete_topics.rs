//! DeleteTopics: by name (v1-5) or by name or id (v6).
//!
//! Kafka shuffles the answers so that their order betrays nothing about topics the caller may not see. Here the order
//! is fixed and equally silent: refused requests, then topics by name, then by id, each sorted.

use super::create_topics::over_quota;
use super::image::MetadataImage;
use super::records::{MetadataRecord, RemoveTopicRecord};
use super::{ApiError, TopicAccess, TopicId};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// What DeleteTopics depends on besides the image.
pub struct DeleteTopicsContext<'a> {
    /// The request's version.
    pub api_version: i16,
    /// `delete.topic.enable`.
    pub deletion_enabled: bool,
    /// What the caller may do.
    pub access: &'a dyn TopicAccess,
}

pub(super) fn handle(
    image: &MetadataImage,
    request: &DeleteTopicsRequest,
    context: &DeleteTopicsContext<'_>,
) -> (Vec<MetadataRecord>, DeleteTopicsResponse) {
    let mut deleter = Deleter { image, context, results: Vec::new(), doomed: BTreeMap::new() };
    if context.deletion_enabled {
        deleter.delete_all(request);
    } else {
        deleter.refuse_all(request);
    }
    let records = deleter.doomed.keys().map(|id| MetadataRecord::RemoveTopic(RemoveTopicRecord { topic_id: *id }));
    (records.collect(), DeleteTopicsResponse::default().with_responses(deleter.results))
}

struct Deleter<'a> {
    image: &'a MetadataImage,
    context: &'a DeleteTopicsContext<'a>,
    results: Vec<DeletableTopicResult>,
    doomed: BTreeMap<TopicId, String>,
}

/// How often each key was given.
fn counts<K: Ord>(keys: impl Iterator<Item = K>) -> BTreeMap<K, usize> {
    let mut counts = BTreeMap::new();
    keys.for_each(|key| *counts.entry(key).or_default() += 1);
    counts
}

impl Deleter<'_> {
    fn answer(&mut self, name: Option<&str>, id: TopicId, error: Option<ApiError>) {
        let mut result = DeletableTopicResult::default()
            .with_name(name.map(|name| TopicName(StrBytes::from_string(name.to_owned()))))
            .with_topic_id(id.0);
        if let Some(error) = error {
            result = result.with_error_code(error.error.code()).with_error_message(error.message.map(StrBytes::from_string));
        }
        self.results.push(result);
    }

    fn refuse_all(&mut self, request: &DeleteTopicsRequest) {
        let error = if self.context.api_version < 3 { ResponseError::InvalidRequest } else { ResponseError::TopicDeletionDisabled };
        for name in &request.topic_names {
            self.answer(Some(&name.0), TopicId::default(), Some(ApiError { error, message: None }));
        }
        for topic in &request.topics {
            let name = topic.name.as_ref().map(|name| name.0.as_str());
            self.answer(name, TopicId(topic.topic_id), Some(ApiError { error, message: None }));
        }
    }

    fn delete_all(&mut self, request: &DeleteTopicsRequest) {
        let invalid = |text: &str| Some(ApiError::new(ResponseError::InvalidRequest, text));
        let mut names: Vec<&str> = request.topic_names.iter().map(|name| name.0.as_str()).collect();
        let mut ids: Vec<TopicId> = Vec::new();
        for topic in &request.topics {
            match (topic.name.as_ref(), TopicId(topic.topic_id)) {
                (None, id) if id.is_zero() => self.answer(None, id, invalid("Neither topic name nor id were specified.")),
                (None, id) => ids.push(id),
                (Some(name), id) if id.is_zero() => names.push(name.0.as_str()),
                (Some(name), id) => self.answer(Some(&name.0), id, invalid("You may not specify both topic name and topic id.")),
            }
        }
        let names = counts(names.into_iter());
        let ids = counts(ids.into_iter());
        for (name, _) in names.iter().filter(|(_, count)| **count > 1) {
            self.answer(Some(name), TopicId::default(), invalid("Duplicate topic name."));
        }
        for (id, _) in ids.iter().filter(|(_, count)| **count > 1) {
            self.answer(None, *id, invalid("Duplicate topic id."));
        }
        let once = |count: &usize| *count == 1;
        for (id, _) in ids.iter().filter(|(_, count)| once(count)) {
            self.by_id(*id);
        }
        let mut claimed: BTreeSet<TopicId> = ids.iter().filter(|(_, count)| !once(count)).map(|(id, _)| *id).collect();
        for (name, _) in names.iter().filter(|(_, count)| once(count)) {
            self.by_name(name, &mut claimed);
        }
        for (id, name) in self.doomed.clone() {
            let partitions = self.image.topics().by_id(id).map_or(0, |topic| topic.partitions.len());
            let within = self.context.access.may_change_partitions(partitions);
            if !within {
                self.doomed.remove(&id);
            }
            self.answer(Some(&name), id, (!within).then(over_quota));
        }
    }

    fn by_id(&mut self, id: TopicId) {
        let Some(topic) = self.image.topics().by_id(id) else {
            self.answer(None, id, Some(ApiError::new(ResponseError::UnknownTopicId, "This server does not host this topic ID.")));
            return;
        };
        if self.context.access.may_delete(&topic.name) {
            self.doomed.insert(id, topic.name.to_string());
        } else {
            let name = Some(topic.name.as_str()).filter(|name| self.context.access.may_describe(name));
            self.answer(name, id, Some(not_authorized()));
        }
    }

    /// `claimed` are the ids that may not be named once more.
    fn by_name(&mut self, name: &str, claimed: &mut BTreeSet<TopicId>) {
        let none = TopicId(Uuid::nil());
        if !self.context.access.may_describe(name) {
            return self.answer(Some(name), none, Some(not_authorized()));
        }
        let Some(topic) = self.image.topics().by_name(name) else {
            let text = "This server does not host this topic-partition.";
            return self.answer(Some(name), none, Some(ApiError::new(ResponseError::UnknownTopicOrPartition, text)));
        };
        if !self.context.access.may_delete(name) {
            return self.answer(Some(name), none, Some(not_authorized()));
        }
        if claimed.contains(&topic.id) || self.doomed.insert(topic.id, name.to_owned()).is_some() {
            claimed.insert(topic.id);
            self.doomed.remove(&topic.id);
            let text = "The provided topic name maps to an ID that was already supplied.";
            self.answer(Some(name), topic.id, Some(ApiError::new(ResponseError::InvalidRequest, text)));
        }
    }
}

fn not_authorized() -> ApiError {
    ApiError::new(ResponseError::TopicAuthorizationFailed, "Topic authorization failed.")
}
