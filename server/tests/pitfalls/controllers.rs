//! Rows 75, 77 and 78: partitions that are added, ACLs of a broker without an authorizer, elections and moves on one node.

use crate::kit::Kit;
use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::delete_acls_request::DeleteAclsFilter;
use kafka_protocol::messages::{CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest};

/// SECURITY_DISABLED.
const DISABLED: i16 = 54;

#[test]
fn row_77_acls_are_security_disabled_for_each_entry_while_there_is_no_authorizer() {
    let kit = Kit::start();
    let mut client = kit.connect();
    let any =
        DescribeAclsRequest::default().with_resource_type_filter(1).with_pattern_type_filter(1).with_operation(1).with_permission_type(1);
    assert_eq!(client.ask(3, &any).error_code, DISABLED);
    let acl = AclCreation::default().with_resource_type(2).with_resource_pattern_type(3).with_operation(3).with_permission_type(3);
    let answer = client.ask(3, &CreateAclsRequest::default().with_creations(vec![acl; 3]));
    assert_eq!(answer.results.iter().map(|result| result.error_code).collect::<Vec<_>>(), [DISABLED; 3]);
    let filter =
        DeleteAclsFilter::default().with_resource_type_filter(1).with_pattern_type_filter(1).with_operation(1).with_permission_type(1);
    let answer = client.ask(3, &DeleteAclsRequest::default().with_filters(vec![filter; 2]));
    assert_eq!(answer.filter_results.iter().map(|result| result.error_code).collect::<Vec<_>>(), [DISABLED; 2]);
}
