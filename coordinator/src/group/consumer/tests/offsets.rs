//! Who may commit and fetch.

use super::super::commit::{CommitCheck, Committer};
use super::*;
use kafka_protocol::ResponseError;

fn committer(member_id: &str, epoch: i32) -> Committer<'_> {
    Committer { member_id, instance_id: None, epoch, transactional: false, api_version: 9 }
}

/// Two members; m1 is at epoch 3, has had orders-0 since 2 and gave up the other one.
fn bed() -> (Bed, i32) {
    let mut bed = Bed::new();
    bed.create_topic("orders", 2);
    bed.accepted(&join("m1", &["orders"]));
    bed.sleep(1_000);
    bed.accepted(&join("m2", &["orders"]));
    bed.accepted(&beat("m1", 2));
    let kept = bed.group().member("m1").expect("m1").assigned.iter().next().expect("one").1;
    (bed, kept)
}

fn commit(bed: &Bed, committer: &Committer<'_>, partition: i32) -> Result<(), (ResponseError, String)> {
    let check = bed.group().validate_offset_commit(GROUP, committer);
    let outcome = check.and_then(|check| check.partition("orders", topic_id("orders"), partition));
    outcome.map_err(|error| (error.error, error.message.unwrap_or_default()))
}

#[test]
fn only_members_commit_while_there_are_members() {
    let (bed, _) = bed();
    let unknown = |member: &str| Err((ResponseError::UnknownMemberId, format!("Member {member} is not a member of group group.")));
    assert_eq!(commit(&bed, &committer("", -1), 0), unknown(""));
    assert_eq!(commit(&bed, &committer("m9", 2), 0), unknown("m9"));
    assert_eq!(commit(&bed, &committer("m1", 2), 0), Ok(()));
    assert!(ConsumerGroup::default().validate_offset_commit(GROUP, &committer("", -1)).is_ok_and(|check| check.is_any()));
}

#[test]
fn a_transaction_that_does_not_say_who_it_is_is_believed() {
    let (bed, _) = bed();
    assert_eq!(commit(&bed, &Committer { transactional: true, ..committer("", -1) }, 0), Ok(()));
    let with_instance = Committer { transactional: true, instance_id: Some("i"), ..committer("", -1) };
    assert_eq!(commit(&bed, &with_instance, 0).map_err(|error| error.0), Err(ResponseError::UnknownMemberId));
}

#[test]
fn members_of_the_new_protocol_need_version_9() {
    let (bed, _) = bed();
    let old = Committer { api_version: 8, ..committer("m1", 2) };
    assert_eq!(commit(&bed, &old, 0).map_err(|error| error.0), Err(ResponseError::UnsupportedVersion));
    assert_eq!(commit(&bed, &Committer { transactional: true, ..old }, 0), Ok(()));
}

#[test]
fn a_member_that_is_behind_commits_what_it_has_had_since_then() {
    let (mut bed, kept) = bed();
    assert_eq!(commit(&bed, &committer("m1", 1), kept).map_err(|error| error.0), Err(ResponseError::StaleMemberEpoch));
    bed.accepted(&owning("m1", 2, &[("orders", &[kept])]));
    bed.accepted(&beat("m2", 3));
    assert_eq!(commit(&bed, &committer("m1", 2), kept), Ok(()), "its own since epoch 2");
    let not_its_own = format!("Partition orders-{} is not assigned or pending revocation for member.", 1 - kept);
    assert_eq!(commit(&bed, &committer("m1", 2), 1 - kept), Err((ResponseError::StaleMemberEpoch, not_its_own)));
    let too_old = format!("Received member epoch 2 is older than assignment epoch 3 for partition orders-{}.", 1 - kept);
    assert_eq!(commit(&bed, &committer("m2", 2), 1 - kept), Err((ResponseError::StaleMemberEpoch, too_old)));
    let newer = "Received member epoch 4 is newer than current member epoch 3.".to_owned();
    assert_eq!(commit(&bed, &committer("m1", 4), kept), Err((ResponseError::StaleMemberEpoch, newer)));
}

#[test]
fn a_partition_that_is_being_given_up_may_still_be_committed() {
    let (bed, kept) = bed();
    let member = bed.group().member("m1").expect("m1");
    let check = CommitCheck::HeldSince { member, epoch: 2 };
    assert!(check.partition("orders", topic_id("orders"), 1 - kept).is_ok());
    assert!(!check.is_any());
}

#[test]
fn a_classic_member_hears_of_generations() {
    let (mut bed, kept) = bed();
    let mut value = ConsumerGroupMemberMetadataValue::clone(&bed.group().member("m1").expect("m1").metadata);
    value.classic = Some(ClassicMemberMetadata::default());
    bed.append(&GroupRecord::ConsumerGroupMemberMetadata { group: GROUP.into(), member: "m1".into(), value: Some(value) });
    let old_client = |epoch| Committer { api_version: 2, ..committer("m1", epoch) };
    assert_eq!(commit(&bed, &old_client(2), kept), Ok(()));
    let newer = "Received generation id 3 is newer than current member epoch 2.".to_owned();
    assert_eq!(commit(&bed, &old_client(3), kept), Err((ResponseError::IllegalGeneration, newer)));
    let older = format!("Received generation id 1 is older than assignment epoch 2 for partition orders-{kept}.");
    assert_eq!(commit(&bed, &old_client(1), kept), Err((ResponseError::IllegalGeneration, older)));
    let fetch = bed.group().validate_offset_fetch(GROUP, Some("m1"), 1).map_err(|error| error.error);
    assert_eq!(fetch, Err(ResponseError::IllegalGeneration));
}

#[test]
fn a_fetch_must_be_at_the_members_epoch() {
    let (bed, _) = bed();
    let fetch = |member, epoch| bed.group().validate_offset_fetch(GROUP, member, epoch).map_err(|error| error.error);
    assert_eq!(fetch(None, -1), Ok(()));
    assert_eq!(fetch(Some("m1"), 2), Ok(()));
    assert_eq!(fetch(Some("m1"), 1), Err(ResponseError::StaleMemberEpoch));
    assert_eq!(fetch(Some("m9"), 2), Err(ResponseError::UnknownMemberId));
    assert_eq!(fetch(Some(""), -1), Err(ResponseError::UnknownMemberId), "an empty id is an id");
    assert_eq!(fetch(None, 2), Err(ResponseError::UnknownMemberId));
}
