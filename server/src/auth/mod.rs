//! Who may do what. Everybody may do everything until the security issue; the questions are asked from the right places already.

use crate::net::ConnectionInfo;
use std::fmt::Debug;

/// Kafka's ACL operations, as far as handlers ask for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Consume from a topic; be a member of a group.
    Read,
    /// Produce to a topic.
    Write,
    /// Change configurations and quotas.
    AlterConfigs,
    /// Create topics.
    Create,
    /// Delete topics, groups, offsets of groups.
    Delete,
    /// Change the cluster.
    Alter,
    /// See that a resource exists.
    Describe,
    /// Read configurations.
    DescribeConfigs,
    /// Produce with idempotence without write access to a topic.
    IdempotentWrite,
    /// Act as a broker of the cluster.
    ClusterAction,
}

/// What is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource<'a> {
    /// The cluster itself.
    Cluster,
    /// A topic by name.
    Topic(&'a str),
    /// A transactional id.
    TransactionalId(&'a str),
    /// A group by id.
    Group(&'a str),
}

/// Answers the question.
pub trait Authorizer: Send + Sync + Debug {
    /// True when the connection's principal may do this.
    fn allows(&self, connection: &ConnectionInfo, operation: Operation, resource: Resource<'_>) -> bool;
}

/// No authorizer configured.
#[derive(Debug)]
pub struct AllowAll;

impl Authorizer for AllowAll {
    fn allows(&self, _connection: &ConnectionInfo, _operation: Operation, _resource: Resource<'_>) -> bool {
        true
    }
}
