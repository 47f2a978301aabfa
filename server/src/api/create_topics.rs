//! CreateTopics (key 19), v2-7.
//!
//! v4 defaults for partitions and replication factor (-1) · v5 flexible, configs in the answer (KIP-525) · v6 quota error · v7 topic ids.
//! The rules are in the coordinator; a topic is led and ready when the answer leaves.
//! Not done: create.topic.policy.class.name.

use super::{Api, RequestContext};
use crate::auth::{Authorizer, Operation, Resource};
use crate::net::ConnectionInfo;
use crate::quota::Mutations;
use kafka_protocol::messages::create_topics_response::CreatableTopicResult;
use kafka_protocol::messages::{ApiKey, CreateTopicsRequest, CreateTopicsResponse};
use ottla_coordinator::metadata::TopicAccess;
use std::ops::RangeInclusive;
use std::sync::Arc;

pub(crate) enum CreateTopics {}

impl Api for CreateTopics {
    type Request = CreateTopicsRequest;
    type Response = CreateTopicsResponse;
    const KEY: ApiKey = ApiKey::CreateTopics;
    const VERSIONS: RangeInclusive<i16> = 2..=7;

    async fn handle(ctx: RequestContext, request: CreateTopicsRequest) -> CreateTopicsResponse {
        let names: Vec<_> = request.topics.iter().map(|topic| topic.name.clone()).collect();
        let (access, mutations) = Access::within_quota(&ctx, 6);
        let outcome = ctx.node.controller.create_topics(&ctx.node, access, request).await;
        ctx.throttle_at_least(mutations.throttle_ms());
        match outcome {
            Ok(response) => response,
            Err(error) => {
                let failed = |name| CreatableTopicResult::default().with_name(name).with_error_code(error.code());
                CreateTopicsResponse::default().with_topics(names.into_iter().map(failed).collect())
            }
        }
    }
}

/// The authorizer's word, carried into the coordinator.
pub(crate) struct Access {
    authorizer: Arc<dyn Authorizer>,
    connection: Arc<ConnectionInfo>,
    mutations: Arc<Mutations>,
}

impl Access {
    /// And how many partitions may be created or deleted now; clients know the error of that since version `strict_since`.
    pub(crate) fn within_quota(ctx: &RequestContext, strict_since: i16) -> (Self, Arc<Mutations>) {
        let mutations = Arc::new(ctx.mutations(strict_since));
        let (authorizer, connection) = (Arc::clone(&ctx.node.authorizer), Arc::clone(&ctx.connection));
        (Self { authorizer, connection, mutations: Arc::clone(&mutations) }, mutations)
    }

    fn allows(&self, operation: Operation, topic: &str) -> bool {
        self.authorizer.allows(&self.connection, operation, Resource::Topic(topic))
    }
}

impl TopicAccess for Access {
    fn may_create(&self, topic: &str) -> bool {
        self.authorizer.allows(&self.connection, Operation::Create, Resource::Cluster) || self.allows(Operation::Create, topic)
    }

    fn may_change_partitions(&self, count: usize) -> bool {
        self.mutations.take(count)
    }

    fn may_describe_configs(&self, topic: &str) -> bool {
        self.allows(Operation::DescribeConfigs, topic)
    }

    fn may_describe(&self, topic: &str) -> bool {
        self.allows(Operation::Describe, topic)
    }

    fn may_alter(&self, topic: &str) -> bool {
        self.allows(Operation::Alter, topic)
    }

    fn may_delete(&self, topic: &str) -> bool {
        self.authorizer.allows(&self.connection, Operation::Delete, Resource::Cluster) || self.allows(Operation::Delete, topic)
    }
}

/// Everything but what is beyond the client's quota: for topics made on first use, whose client was authorized before.
pub(crate) struct OnlyQuota(pub(crate) Mutations);

impl TopicAccess for OnlyQuota {
    fn may_change_partitions(&self, count: usize) -> bool {
        self.0.take(count)
    }
}
