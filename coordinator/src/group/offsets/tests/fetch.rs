//! OffsetFetch.

use super::*;

#[test]
fn no_commit_is_minus_one_without_an_error_for_an_unknown_group_too() {
    let mut shard = shard();
    let nothing = (0, vec![("orders".to_owned(), 3, -1, 0)]);
    assert_eq!(fetched(&mut shard, &fetch("unknown", &[("orders", 3)]), false), nothing);
    commit_errors(&mut shard, &CLIENT, &commit("known", &[("orders", 0, 42)]));
    assert_eq!(fetched(&mut shard, &fetch("known", &[("orders", 3)]), true), nothing);
    let all = fetch("unknown", &[]).with_topics(None);
    assert_eq!(fetched(&mut shard, &all, false), (0, vec![]));
}

#[test]
fn all_topics_are_answered_in_order_when_none_is_named() {
    let mut shard = shard();
    commit_errors(&mut shard, &CLIENT, &commit("all", &[("b", 1, 1), ("b", 0, 2), ("a", 5, 3)]));
    let expected = [("a", 5, 3), ("b", 0, 2), ("b", 1, 1)].map(|(topic, partition, offset)| (topic.to_owned(), partition, offset, 0));
    assert_eq!(fetched(&mut shard, &fetch("all", &[]).with_topics(None), false), (0, expected.to_vec()));
    assert_eq!(fetched(&mut shard, &fetch("all", &[]), false), (0, vec![]), "no topics is not all topics");
}

#[test]
fn a_member_of_a_consumer_group_fetches_at_its_epoch_only() {
    let mut shard = shard();
    consumer_group(&mut shard, "consumer");
    commit_errors(&mut shard, &CLIENT, &by(commit("consumer", &[("orders", 0, 42)]), "member", 5));
    let mut error = |member_id: Option<&str>, epoch| {
        let request = fetch("consumer", &[("orders", 0)]).with_member_id(member_id.map(text)).with_member_epoch(epoch);
        fetched(&mut shard, &request, true)
    };
    let found = (0, vec![("orders".to_owned(), 0, 42, 0)]);
    assert_eq!(error(Some("member"), 5), found);
    assert_eq!(error(None, -1), found, "a tool");
    assert_eq!(error(Some("member"), 4), (113, vec![]), "STALE_MEMBER_EPOCH of the group, not a list without offsets");
    assert_eq!(error(Some("stranger"), 5), (UNKNOWN_MEMBER_ID, vec![]));
    assert_eq!(error(None, 5), (UNKNOWN_MEMBER_ID, vec![]));
}

#[test]
fn a_classic_group_shows_its_offsets_to_anybody() {
    let mut shard = shard();
    stable_group(&mut shard, "classic", "consumer", subscription(&["orders"]));
    commit_errors(&mut shard, &CLIENT, &by(commit("classic", &[("orders", 0, 42)]), "member", 5));
    let request = fetch("classic", &[("orders", 0)]).with_member_id(Some(text("stranger"))).with_member_epoch(99);
    assert_eq!(fetched(&mut shard, &request, false).1[0].2, 42);
}

#[test]
fn an_offset_of_another_topic_with_the_same_name_is_none_where_the_ids_are_known() {
    let mut shard = shard();
    commit_errors(&mut shard, &CLIENT, &commit("ids", &[("orders", 0, 42)]));
    let mut offset = |topic_id| {
        let mut request = fetch("ids", &[("orders", 0)]);
        request.topics.as_mut().expect("topics")[0].topic_id = topic_id;
        fetched(&mut shard, &request, false).1[0].2
    };
    assert_eq!([offset(Uuid::nil()), offset(ORDERS), offset(Uuid::from_u128(0x0b))], [42, 42, -1]);
}
