//! DescribeAcls, CreateAcls and DeleteAcls of a broker without an authorizer.

use super::{Story, Talk, story};
use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::delete_acls_request::DeleteAclsFilter;
use kafka_protocol::messages::{CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest};
use kafka_protocol::protocol::StrBytes;

pub(super) const STORIES: &[Story] =
    &[story("acls described", 1..=3, described), story("acls created", 1..=3, created), story("acls deleted", 1..=3, deleted)];

/// Kafka's numbers of "unknown" and "any".
const UNKNOWN: i8 = 0;
const ANY: i8 = 1;

fn described(talk: &mut Talk) {
    let all = DescribeAclsRequest::default()
        .with_resource_type_filter(ANY)
        .with_pattern_type_filter(ANY)
        .with_operation(ANY)
        .with_permission_type(ANY)
        .with_resource_name_filter(None)
        .with_principal_filter(None)
        .with_host_filter(None);
    talk.ask("all", &all);
    talk.ask("an unknown resource type", &all.clone().with_resource_type_filter(UNKNOWN));
    talk.ask("an unknown pattern type", &all.clone().with_pattern_type_filter(UNKNOWN));
    talk.ask("an unknown operation", &all.clone().with_operation(UNKNOWN));
    talk.ask("an unknown permission", &all.clone().with_permission_type(UNKNOWN));
    talk.ask("a resource type from tomorrow", &all.with_resource_type_filter(99));
}

fn created(talk: &mut Talk) {
    let word = StrBytes::from_static_str;
    let acl = AclCreation::default()
        .with_resource_type(2)
        .with_resource_name(word("orders"))
        .with_resource_pattern_type(3)
        .with_principal(word("User:ann"))
        .with_host(word("*"))
        .with_operation(3)
        .with_permission_type(3);
    let ask = |talk: &mut Talk, question: &str, acls: Vec<AclCreation>| {
        talk.ask(question, &CreateAclsRequest::default().with_creations(acls));
    };
    ask(talk, "none", Vec::new());
    ask(talk, "two", vec![acl.clone(), acl.clone().with_operation(4)]);
    ask(talk, "without a name", vec![acl.clone().with_resource_name(word(""))]);
    ask(talk, "one is unknown", vec![acl.clone(), acl.with_permission_type(UNKNOWN)]);
}

fn deleted(talk: &mut Talk) {
    let filter = DeleteAclsFilter::default()
        .with_resource_type_filter(ANY)
        .with_pattern_type_filter(ANY)
        .with_operation(ANY)
        .with_permission_type(ANY)
        .with_resource_name_filter(None)
        .with_principal_filter(None)
        .with_host_filter(None);
    let ask = |talk: &mut Talk, question: &str, filters: Vec<DeleteAclsFilter>| {
        talk.ask(question, &DeleteAclsRequest::default().with_filters(filters));
    };
    ask(talk, "none", Vec::new());
    ask(talk, "two", vec![filter.clone(), filter.clone().with_operation(4)]);
    ask(talk, "one is unknown", vec![filter.clone(), filter.with_operation(UNKNOWN)]);
}
