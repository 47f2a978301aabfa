//! Fetch sessions (KIP-227).

use super::batches::batch;
use super::fetch::{filled, partition, request, topic};
use super::produce::{request as produce, to};
use super::{Story, Talk, story};
use kafka_protocol::messages::FetchRequest;
use kafka_protocol::messages::fetch_request::ForgottenTopic;
use uuid::Uuid;

pub(super) const STORIES: &[Story] = &[story("sessions", 7..=18, sessions), story("session errors", 7..=18, errors)];

fn next(session: i32, epoch: i32) -> FetchRequest {
    request(Vec::new()).with_session_id(session).with_session_epoch(epoch)
}

fn sessions(talk: &mut Talk) {
    let (name, id) = filled(talk, "one");
    let asked = request(vec![topic(talk, &name, id, vec![partition(0, 0), partition(1, 0)])]).with_session_epoch(0);
    let session = talk.ask("a new session", &asked).session_id;
    let asked = next(session, 1).with_topics(vec![topic(talk, &name, id, vec![partition(0, 6)])]);
    talk.ask("on from 6", &asked);
    talk.ask("nothing new", &next(session, 2));
    let version = talk.version;
    talk.version = 12;
    let records = to(talk, &name, id, vec![(1, Some(batch(&["new"])))]);
    talk.version = version;
    talk.quietly(12, &produce(vec![records]));
    talk.ask("something new", &next(session, 3));
    talk.ask("the same, not yet fetched further", &next(session, 4));
    let forgotten = ForgottenTopic::default().with_partitions(vec![1]);
    let forgotten = if talk.version >= 13 { forgotten.with_topic_id(id) } else { forgotten.with_topic(name.clone()) };
    talk.ask("without partition 1", &next(session, 5).with_forgotten_topics_data(vec![forgotten]));
    let nowhere = talk.name("nowhere");
    let unknown = topic(talk, &nowhere, Uuid::from_u128(0xfeed), vec![partition(0, 0)]);
    talk.ask("and an unknown topic", &next(session, 6).with_topics(vec![unknown]));
    talk.ask("the unknown topic is told again", &next(session, 7));
    talk.ask("a leap", &next(session, 20));
    talk.ask("an old epoch", &next(session, 3));
    talk.ask("the session goes on", &next(session, 8));
    talk.ask("the end of the session", &next(session, -1));
    talk.ask("after the end", &next(session, 9));
}

fn errors(talk: &mut Talk) {
    let (name, id) = filled(talk, "one");
    talk.ask("a session that never was", &next(123_456, 1));
    talk.ask("session 0 with an epoch", &next(0, 1));
    talk.ask("a new session of nothing", &next(0, 0));
    let asked = next(123_456, 0).with_topics(vec![topic(talk, &name, id, vec![partition(0, 3)])]);
    talk.ask("a new session instead of one that never was", &asked);
    let asked = next(0, 0).with_topics(vec![topic(talk, &name, id, vec![partition(7, 0)])]);
    let session = talk.ask("a new session with an error", &asked).session_id;
    talk.ask("the error again", &next(session, 1));
}
