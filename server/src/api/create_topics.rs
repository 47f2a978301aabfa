//! CreateTopics (key 19), v2-7.
//!
//! v4 defaults for partitions and replication factor (-1) · v5 flexible, configs in the answer (KIP-525) · v6 quota error · v7 topic ids.
//! The rules are in the coordinator; a topic is led and ready when the answer leaves.
//! Not done: create.topic.policy.class.name; controller mutation quotas.

use super::{Api, RequestContext};
use crate::auth::{Authorizer, Operation, Resource};
use crate::net::ConnectionInfo;
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
        let access = Access::of(&ctx);
        match ctx.node.controller.create_topics(&ctx.node, access, request).await {
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
}

impl Access {
    pub(crate) fn of(ctx: &RequestContext) -> Self {
        Self { authorizer: Arc::clone(&ctx.node.authorizer), connection: Arc::clone(&ctx.connection) }
    }

    fn allows(&self, operation: Operation, topic: &str) -> bool {
        self.authorizer.allows(&self.connection, operation, Resource::Topic(topic))
    }
}

impl TopicAccess for Access {
    fn may_create(&self, topic: &str) -> bool {
        self.authorizer.allows(&self.connection, Operation::Create, Resource::Cluster) || self.allows(Operation::Create, topic)
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
