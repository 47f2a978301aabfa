//! Rows 16, 17, 19: leader epochs, and topics that come again.

use crate::kit::{BASE_MS, Batch, Client, FetchOne, Kit};
use kafka_protocol::messages::FetchRequest;
use kafka_protocol::messages::fetch_request::FetchTopic;
use kafka_protocol::messages::fetch_response::PartitionData;
use uuid::Uuid;

const FENCED: i16 = 74;
const UNKNOWN_EPOCH: i16 = 75;

#[test]
fn row_16_the_leader_epoch_rises_with_every_start_and_never_falls() {
    let mut kit = Kit::start();
    kit.connect().create("t", 2, &[]);
    let mut last = kit.connect().leader_epoch("t", 0);
    for kill in [false, true, false, true] {
        if kill {
            kit.kill_and_restart()
        } else {
            kit.restart()
        }
        let mut client = kit.connect();
        let epoch = client.leader_epoch("t", 0);
        assert!(epoch > last, "{epoch} after {last}");
        assert_eq!(client.leader_epoch("t", 1), epoch);
        last = epoch;
    }
}

#[test]
fn row_17_stale_and_future_epochs_are_told_apart_everywhere() {
    let mut kit = Kit::start();
    kit.connect().create("t", 1, &[]);
    kit.connect().produce("t", 0, &Batch::of(&["a"]));
    kit.restart();
    let mut client = kit.connect();
    let epoch = client.leader_epoch("t", 0);
    for (known, error) in [(epoch - 1, FENCED), (epoch, 0), (epoch + 1, UNKNOWN_EPOCH), (-1, 0)] {
        let fetch = FetchOne { leader_epoch: known, max_wait_ms: 600_000, ..FetchOne::from(0) };
        assert_eq!(client.fetch("t", 0, &fetch).error_code, error, "Fetch, epoch {known}");
        assert_eq!(client.list_at_epoch(8, "t", 0, -1, known).error_code, error, "ListOffsets, epoch {known}");
        assert_eq!(client.end_of_epoch("t", 0, known, 0).error_code, error, "OffsetForLeaderEpoch, epoch {known}");
    }
    let fenced = client.fetch("t", 0, &FetchOne { leader_epoch: epoch - 1, ..FetchOne::from(0) });
    assert_eq!(
        (fenced.current_leader.leader_id.0, fenced.current_leader.leader_epoch),
        (client.describe("t").partitions[0].leader_id.0, epoch)
    );
}

#[test]
fn row_17_offsets_carry_the_epoch_under_which_their_record_was_written() {
    let mut kit = Kit::start();
    kit.connect().create("t", 1, &[]);
    let mut written = Vec::new();
    for (round, kill) in [false, true, false].into_iter().enumerate() {
        let mut client = kit.connect();
        let at = round as i64 * 1000;
        assert_eq!(client.produce("t", 0, &Batch::of(&["a", "b"]).at(&[at, at + 1])), round as i64 * 2);
        written.push((client.leader_epoch("t", 0), round as i64 * 2));
        if kill { kit.kill_and_restart() } else { kit.restart() }
    }
    let mut client = kit.connect();
    let current = client.leader_epoch("t", 0);
    for (epoch, first) in &written {
        let found = client.list(8, "t", 0, BASE_MS + first / 2 * 1000 + 1);
        assert_eq!((found.offset, found.timestamp, found.leader_epoch), (first + 1, BASE_MS + first / 2 * 1000 + 1, *epoch));
        let end = client.end_of_epoch("t", 0, -1, *epoch);
        assert_eq!((end.leader_epoch, end.end_offset), (*epoch, first + 2));
        let batch = client.read("t", 0).into_iter().find(|seen| seen.offset == *first).expect("still there");
        assert_eq!(batch.batch.partition_leader_epoch().0, *epoch);
    }
    assert_eq!(client.list(8, "t", 0, -2).leader_epoch, written[0].0, "earliest");
    assert_eq!(client.list(8, "t", 0, -1).leader_epoch, current, "latest");
    let end = client.end_of_epoch("t", 0, -1, current);
    assert_eq!((end.leader_epoch, end.end_offset), (current, 6), "an epoch without records ends where the log does");
    let unknown = client.end_of_epoch("t", 0, -1, current + 7);
    assert_eq!((unknown.error_code, unknown.leader_epoch, unknown.end_offset), (0, -1, -1));
}

#[test]
fn row_17_a_consumer_beyond_the_end_of_its_epoch_is_told_where_it_ended() {
    let mut kit = Kit::start();
    kit.connect().create("t", 1, &[]);
    kit.connect().produce("t", 0, &Batch::of(&["a", "b"]));
    let before = kit.connect().leader_epoch("t", 0);
    kit.restart();
    let mut client = kit.connect();
    client.produce("t", 0, &Batch::of(&["c", "d"]));
    let current = client.leader_epoch("t", 0);
    let astray = FetchOne { leader_epoch: current, last_fetched_epoch: before, max_wait_ms: 600_000, ..FetchOne::from(3) };
    let answer = client.fetch("t", 0, &astray);
    assert_eq!((answer.error_code, answer.diverging_epoch.epoch, answer.diverging_epoch.end_offset), (0, before, 2));
    assert_eq!(answer.records.as_deref(), Some(&[][..]));
    let right = client.fetch("t", 0, &FetchOne { last_fetched_epoch: before, ..FetchOne::from(2) });
    assert_eq!(right.diverging_epoch.epoch, -1);
    assert!(!right.records.expect("never null").is_empty());
}

fn by_id(id: Uuid, session: (i32, i32)) -> FetchRequest {
    let fetch = FetchOne { max_wait_ms: 600_000, ..FetchOne::from(0) };
    let topic = FetchTopic::default().with_topic_id(id).with_partitions(vec![fetch.partition(0)]);
    fetch.request(topic).with_session_id(session.0).with_session_epoch(session.1)
}

fn only(client: &mut Client, request: &FetchRequest) -> (i32, Uuid, PartitionData) {
    let mut answer = client.ask(13, request);
    assert_eq!((answer.error_code, answer.responses.len()), (0, 1));
    let mut topic = answer.responses.remove(0);
    (answer.session_id, topic.topic_id, topic.partitions.remove(0))
}

#[test]
fn row_19_a_topic_that_came_again_is_another_topic_to_who_fetches_by_id() {
    let kit = Kit::start();
    let mut client = kit.connect();
    let old = client.create("t", 1, &[]);
    client.produce("t", 0, &Batch::of(&["old"]));
    let (session, _, first) = only(&mut client, &by_id(old, (0, 0)));
    assert!(session != 0 && first.error_code == 0);
    client.delete("t");
    let new = client.create("t", 1, &[]);
    client.produce("t", 0, &Batch::of(&["new"]));
    let (_, id, in_session) =
        only(&mut client, &FetchRequest::default().with_session_id(session).with_session_epoch(1).with_max_wait_ms(600_000));
    assert_eq!((id, in_session.error_code), (old, 103), "INCONSISTENT_TOPIC_ID");
    let (_, id, full) = only(&mut client, &by_id(old, (0, -1)));
    assert_eq!((id, full.error_code), (old, 100), "UNKNOWN_TOPIC_ID");
    let (_, id, fresh) = only(&mut client, &by_id(new, (0, -1)));
    assert_eq!((id, fresh.error_code, fresh.high_watermark), (new, 0, 1));
    assert_eq!(client.values("t", 0), ["new"]);
}

#[test]
fn row_19_a_session_is_told_when_its_topic_is_gone() {
    let kit = Kit::start();
    let mut client = kit.connect();
    let id = client.create("t", 1, &[]);
    client.produce("t", 0, &Batch::of(&["a"]));
    let (session, ..) = only(&mut client, &by_id(id, (0, 0)));
    client.delete("t");
    let next = FetchRequest::default().with_session_id(session).with_session_epoch(1).with_max_wait_ms(600_000);
    let (_, told, gone) = only(&mut client, &next);
    assert_eq!((told, gone.error_code), (id, 3));
}

#[test]
fn row_19_a_fetch_that_waits_is_told_when_its_topic_goes() {
    let kit = Kit::start();
    let mut waiting = kit.connect();
    let id = waiting.create("t", 1, &[]);
    let sent = waiting.send(13, &by_id(id, (0, -1)));
    kit.connect().delete("t");
    let answer = waiting.receive::<FetchRequest>(13, sent);
    assert_eq!(answer.responses[0].partitions[0].error_code, 6, "NOT_LEADER_OR_FOLLOWER: look again");
    assert_eq!(only(&mut waiting, &by_id(id, (0, -1))).2.error_code, 100);
}

#[test]
fn row_19_the_state_of_producers_dies_with_the_topic() {
    let mut kit = Kit::start();
    let mut client = kit.connect();
    client.create("t", 1, &[]);
    let pid = client.producer_id();
    for sequence in 0..3 {
        client.produce("t", 0, &Batch::of(&["old"]).by(pid, 0, sequence));
    }
    client.delete("t");
    client.create("t", 1, &[]);
    // Not a duplicate of the old topic's first batch, and not out of order after its third.
    assert_eq!(client.produce("t", 0, &Batch::of(&["new"]).by(pid, 0, 0)), 0);
    kit.kill_and_restart();
    let mut client = kit.connect();
    assert_eq!(client.values("t", 0), ["new"]);
    assert_eq!(client.try_produce("t", 0, &Batch::of(&["x"]).by(pid, 0, 3)).error_code, 45);
    assert_eq!(client.list(8, "t", 0, -1).offset, 1);
}
