//! Metadata (key 3), v0-13.
//!
//! v1 null list = all topics, empty list = none (v0: empty = all) · v4 allow_auto_topic_creation · v5 offline replicas · v7 leader epoch ·
//! v8 authorized operations (cluster: v8-10 only) · v9 flexible · v10 topic ids (KIP-516) · v12 topics by id · v13 top-level error.
//! A topic that is created on the way is ready in the same answer.

use super::create_topics::OnlyQuota;
use super::{Api, CLUSTER_OPERATIONS, NOT_ASKED, RequestContext, TOPIC_OPERATIONS, is_internal_topic};
use crate::auth::{Operation, Resource};
use crate::coordinators::group::OFFSETS_TOPIC;
use foldhash::{HashSet, HashSetExt};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic};
use kafka_protocol::messages::{ApiKey, BrokerId, MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use ottla_coordinator::metadata::image::{MetadataImage, TopicImage};
use ottla_coordinator::metadata::{self as meta, TopicId, TopicName as ValidName};
use std::ops::RangeInclusive;
use uuid::Uuid;

pub(crate) enum Metadata {}

impl Api for Metadata {
    type Request = MetadataRequest;
    type Response = MetadataResponse;
    const KEY: ApiKey = ApiKey::Metadata;
    const VERSIONS: RangeInclusive<i16> = 0..=13;

    async fn handle(ctx: RequestContext, request: MetadataRequest) -> MetadataResponse {
        let version = ctx.api_version;
        let all = match &request.topics {
            None => true,
            Some(topics) => topics.is_empty() && version == 0,
        };
        let with_operations = request.include_topic_authorized_operations;
        let topics = if all {
            every_topic(&ctx, with_operations)
        } else {
            let asked = request.topics.unwrap_or_default();
            if let Some(error) = refuse(version, &asked) {
                return refused(version, asked, error);
            }
            let asked = each_once(asked);
            if version < 4 || request.allow_auto_topic_creation {
                create_missing(&ctx, &asked).await;
            }
            let image = ctx.node.image();
            asked.into_iter().map(|topic| named(&ctx, &image, topic, with_operations)).collect()
        };
        let operations = if request.include_cluster_authorized_operations { CLUSTER_OPERATIONS } else { NOT_ASKED };
        MetadataResponse::default()
            .with_brokers(brokers(&ctx))
            .with_cluster_id(Some(StrBytes::from_string(ctx.node.cluster_id.clone())))
            .with_controller_id(BrokerId(ctx.node.node_id))
            .with_topics(topics)
            .with_cluster_authorized_operations(if (8..=10).contains(&version) { operations } else { NOT_ASKED })
    }
}

fn brokers(ctx: &RequestContext) -> Vec<MetadataResponseBroker> {
    ctx.node
        .endpoints(&ctx.connection)
        .into_iter()
        .filter(|endpoint| !endpoint.fenced)
        .map(|endpoint| {
            MetadataResponseBroker::default()
                .with_node_id(BrokerId(endpoint.node_id))
                .with_host(StrBytes::from_string(endpoint.host))
                .with_port(endpoint.port)
                .with_rack(endpoint.rack.map(StrBytes::from_string))
        })
        .collect()
}

/// A topic needs a name below v10; an id may stand for the name from v12 on, when Kafka's clients began to send it.
fn refuse(version: i16, asked: &[MetadataRequestTopic]) -> Option<ResponseError> {
    let nameless = asked.iter().any(|topic| topic.name.is_none() && topic.topic_id.is_nil());
    let early = version < 12 && asked.iter().any(|topic| topic.name.is_none() || !topic.topic_id.is_nil());
    (nameless || early).then_some(ResponseError::InvalidRequest)
}

/// Kafka's answer to a request that it refuses as a whole: not even the brokers.
fn refused(version: i16, asked: Vec<MetadataRequestTopic>, error: ResponseError) -> MetadataResponse {
    let topic = |topic: MetadataRequestTopic| {
        MetadataResponseTopic::default()
            .with_error_code(error.code())
            .with_name(Some(topic.name.unwrap_or_default()))
            .with_topic_id(topic.topic_id)
    };
    MetadataResponse::default()
        .with_controller_id(BrokerId(-1))
        .with_topics(asked.into_iter().map(topic).collect())
        .with_error_code(if version >= 13 { error.code() } else { 0 })
}

/// Every topic once; where one is asked by its id, those without an id are not looked at.
fn each_once(asked: Vec<MetadataRequestTopic>) -> Vec<MetadataRequestTopic> {
    let by_id = asked.iter().any(|topic| !topic.topic_id.is_nil());
    let mut seen = HashSet::with_capacity(asked.len());
    let mut asked: Vec<_> = asked.into_iter().filter(|topic| !by_id || !topic.topic_id.is_nil()).collect();
    asked.retain(|topic| seen.insert(if by_id { (None, topic.topic_id) } else { (topic.name.clone(), Uuid::nil()) }));
    asked
}

fn every_topic(ctx: &RequestContext, with_operations: bool) -> Vec<MetadataResponseTopic> {
    let image = ctx.node.image();
    image
        .topics()
        .iter()
        .filter(|topic| ctx.allows(Operation::Describe, Resource::Topic(&topic.name)))
        .map(|topic| known(&image, topic, with_operations))
        .collect()
}

fn named(ctx: &RequestContext, image: &MetadataImage, asked: MetadataRequestTopic, with_operations: bool) -> MetadataResponseTopic {
    if !asked.topic_id.is_nil() {
        return match image.topics().by_id(TopicId(asked.topic_id)) {
            Some(topic) if ctx.allows(Operation::Describe, Resource::Topic(&topic.name)) => known(image, topic, with_operations),
            Some(_) => unknown(None, asked.topic_id, ResponseError::TopicAuthorizationFailed, false),
            None => unknown(None, asked.topic_id, ResponseError::UnknownTopicId, false),
        };
    }
    let name = asked.name.unwrap_or_default();
    if !ctx.allows(Operation::Describe, Resource::Topic(&name)) {
        return unknown(Some(name), Uuid::nil(), ResponseError::TopicAuthorizationFailed, false);
    }
    match image.topics().by_name(&name) {
        Some(topic) => known(image, topic, with_operations),
        None => {
            let valid = ValidName::parse(&name).is_ok();
            let error = if valid { ResponseError::UnknownTopicOrPartition } else { ResponseError::InvalidTopicException };
            unknown(Some(name), Uuid::nil(), error, with_operations)
        }
    }
}

fn unknown(name: Option<TopicName>, topic_id: Uuid, error: ResponseError, with_operations: bool) -> MetadataResponseTopic {
    MetadataResponseTopic::default()
        .with_error_code(error.code())
        .with_is_internal(name.as_ref().is_some_and(|name| is_internal_topic(name)))
        .with_name(name)
        .with_topic_id(topic_id)
        .with_topic_authorized_operations(if with_operations { TOPIC_OPERATIONS } else { NOT_ASKED })
}

fn known(image: &MetadataImage, topic: &TopicImage, with_operations: bool) -> MetadataResponseTopic {
    let partitions = topic
        .partitions
        .iter()
        .map(|(&index, registration)| {
            let alive = |id: &meta::BrokerId| image.cluster().is_active(*id);
            let leader = registration.leader.filter(alive);
            let offline = registration.replicas.iter().filter(|id| !image.cluster().serves(**id, registration));
            let error = if leader.is_some() { 0 } else { ResponseError::LeaderNotAvailable.code() };
            MetadataResponsePartition::default()
                .with_error_code(error)
                .with_partition_index(index)
                .with_leader_id(BrokerId(leader.map_or(-1, |id| id.0)))
                .with_leader_epoch(registration.leader_epoch.0)
                .with_replica_nodes(registration.replicas.iter().map(|id| BrokerId(id.0)).collect())
                .with_isr_nodes(registration.isr.iter().map(|id| BrokerId(id.0)).collect())
                .with_offline_replicas(offline.map(|id| BrokerId(id.0)).collect())
        })
        .collect();
    MetadataResponseTopic::default()
        .with_name(Some(TopicName(StrBytes::from_string(topic.name.to_string()))))
        .with_topic_id(topic.id.0)
        .with_is_internal(is_internal_topic(&topic.name))
        .with_partitions(partitions)
        .with_topic_authorized_operations(if with_operations { TOPIC_OPERATIONS } else { NOT_ASKED })
}

/// `auto.create.topics.enable`: creates what was named, does not exist and may be called so. An error shows in the answer as "unknown".
async fn create_missing(ctx: &RequestContext, asked: &[MetadataRequestTopic]) {
    if !ctx.node.config.auto_create_topics_enable() {
        return;
    }
    let image = ctx.node.image();
    let mut missing: Vec<TopicName> = asked
        .iter()
        .filter(|topic| topic.topic_id.is_nil())
        .filter_map(|topic| topic.name.clone())
        .filter(|name| image.topics().by_name(name).is_none() && ValidName::parse(name).is_ok())
        .filter(|name| ctx.allows(Operation::Create, Resource::Cluster) || ctx.allows(Operation::Create, Resource::Topic(name)))
        .collect();
    if missing.iter().any(|name| **name == *OFFSETS_TOPIC) {
        // With settings of its own; what refuses it is logged.
        let _ = ctx.node.groups.ensure_topic(&ctx.node).await;
    }
    missing.retain(|name| !is_internal_topic(name));
    if !missing.is_empty()
        && let Err(error) = ctx.node.controller.auto_create(&ctx.node, OnlyQuota(ctx.mutations(i16::MIN)), missing).await
    {
        tracing::warn!(%error, "cannot create topics on first use");
    }
}
