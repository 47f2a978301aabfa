//! Incremental fetch sessions (KIP-227): the broker remembers a client's partitions, so that a request names only what changed and a
//! response carries only what is new.
//!
//! | request (session id, epoch) | meaning | answer |
//! |---|---|---|
//! | any, -1 | sessionless; ends the named session | all partitions, session id 0 |
//! | any, 0 | full; ends the named session, asks for a new one | all partitions, a new id or 0 when the cache is full |
//! | known id, next epoch | incremental | partitions with news |
//! | unknown id, > 0 | | FETCH_SESSION_ID_NOT_FOUND |
//! | known id, other epoch | | INVALID_FETCH_SESSION_EPOCH |
//! | known id, topic ids where names were used, or the reverse | | FETCH_SESSION_TOPIC_ID_ERROR |
//!
//! Bounded by `max.incremental.fetch.session.cache.slots`; at the bound a session unused for two minutes, or a smaller one, makes room,
//! else the client gets id 0 and goes on with full requests. Bounded too by the partitions of all sessions together
//! (`FETCH_SESSION_PARTITIONS_MAX`): no new session beyond it, and one that grows beyond it ends.
//!
//! Two requests of one session may overlap (a client that gave up on the first); only the later one's answer is remembered.

use crate::limits::FETCH_SESSION_PARTITIONS_MAX;
use foldhash::{HashMap, HashMapExt};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{FetchRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use std::sync::Mutex;
use uuid::Uuid;

/// Sessions unused for this long may be evicted (`FetchSession.DEFAULT_EVICTION_MS` in Kafka).
const EVICTION_MS: i64 = 120_000;
const FINAL_EPOCH: i32 = -1;
const INITIAL_EPOCH: i32 = 0;

/// One partition as a client asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchSpec {
    /// Topic name; with topic ids, empty until the broker resolved the id once. A session keeps it, so that a recreated topic is told apart.
    pub topic: TopicName,
    /// Topic id; nil when the request named the topic by name.
    pub topic_id: Uuid,
    /// Partition number.
    pub partition: i32,
    /// Leader epoch the client knows, -1 for unknown.
    pub current_leader_epoch: i32,
    /// First offset wanted.
    pub fetch_offset: i64,
    /// Epoch of the last record the client has, -1 for unknown (KIP-595).
    pub last_fetched_epoch: i32,
    /// Bytes wanted from this partition at most.
    pub max_bytes: i32,
}

/// What a response said last about a partition; the session compares with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// High watermark in the response.
    pub high_watermark: i64,
    /// Log start offset in the response.
    pub log_start_offset: i64,
    /// The partition's error code.
    pub error_code: i16,
    /// Bytes of records in the response.
    pub record_bytes: u64,
    /// The response carries a diverging epoch.
    pub diverging: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    topic: TopicName,
    topic_id: Uuid,
    partition: i32,
}

impl Key {
    fn of(spec: &FetchSpec) -> Self {
        let topic = if spec.topic_id.is_nil() { spec.topic.clone() } else { TopicName::default() };
        Self { topic, topic_id: spec.topic_id, partition: spec.partition }
    }
}

#[derive(Debug)]
struct Cached {
    spec: FetchSpec,
    high_watermark: i64,
    log_start_offset: i64,
}

#[derive(Debug)]
struct Session {
    uses_topic_ids: bool,
    epoch: i32,
    last_used_ms: i64,
    /// Kept in answering order: a partition that delivered records goes to the end.
    partitions: Vec<Cached>,
}

/// How to answer one request.
#[derive(Debug, PartialEq, Eq)]
pub enum Context {
    /// Answer every partition; no session.
    Sessionless(Vec<FetchSpec>),
    /// Answer every partition, then [`SessionCache::create`].
    Full(Vec<FetchSpec>),
    /// Answer the partitions with news, after [`SessionCache::filter`].
    Incremental {
        /// The session.
        session_id: i32,
        /// The epoch of the session's next request.
        next_epoch: i32,
        /// Every partition of the session, in answering order.
        partitions: Vec<FetchSpec>,
    },
}

/// All sessions of a broker.
#[derive(Debug)]
pub struct SessionCache {
    slots: usize,
    partitions_max: usize,
    sessions: Mutex<HashMap<i32, Session>>,
}

impl SessionCache {
    /// An empty cache of `slots` sessions; 0 turns sessions off.
    #[must_use]
    pub fn new(slots: usize) -> Self {
        Self { slots, partitions_max: FETCH_SESSION_PARTITIONS_MAX, sessions: Mutex::new(HashMap::new()) }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<i32, Session>> {
        self.sessions.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// How many sessions are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// True when no session is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Completes the partition list of a request.
    pub fn begin(&self, now_ms: i64, version: i16, request: &FetchRequest) -> Result<Context, ResponseError> {
        let asked = specs(version, request);
        let (session_id, epoch) = if version < 7 { (0, FINAL_EPOCH) } else { (request.session_id, request.session_epoch) };
        let mut sessions = self.lock();
        if epoch == FINAL_EPOCH || epoch == INITIAL_EPOCH {
            sessions.remove(&session_id);
            return Ok(if epoch == FINAL_EPOCH { Context::Sessionless(asked) } else { Context::Full(asked) });
        }
        let session = sessions.get_mut(&session_id).ok_or(ResponseError::FetchSessionIdNotFound)?;
        if session.epoch != epoch {
            return Err(ResponseError::InvalidFetchSessionEpoch);
        }
        if session.uses_topic_ids != (version >= 13) {
            return Err(ResponseError::FetchSessionTopicIdError);
        }
        session.forget(version, request);
        let grows = session.update(asked);
        if session.partitions.is_empty() {
            sessions.remove(&session_id);
            return Ok(Context::Sessionless(Vec::new()));
        }
        session.epoch = next_epoch(epoch);
        session.last_used_ms = now_ms;
        let next_epoch = session.epoch;
        let partitions = session.partitions.iter().map(|cached| cached.spec.clone()).collect();
        if grows && partitions_of(&sessions) > self.partitions_max {
            sessions.remove(&session_id);
            return Err(ResponseError::FetchSessionIdNotFound);
        }
        Ok(Context::Incremental { session_id, next_epoch, partitions })
    }

    /// Opens a session over the partitions just answered; `fresh_id` draws random candidates. 0 when there is no room.
    pub fn create(&self, now_ms: i64, version: i16, answered: Vec<(FetchSpec, Told)>, mut fresh_id: impl FnMut() -> i32) -> i32 {
        if version < 7 {
            return 0;
        }
        let mut sessions = self.lock();
        if partitions_of(&sessions) + answered.len() > self.partitions_max {
            return 0;
        }
        if sessions.len() >= self.slots && !evict(&mut sessions, now_ms, answered.len()) {
            return 0;
        }
        let id = loop {
            let id = fresh_id() & i32::MAX;
            if id != 0 && !sessions.contains_key(&id) {
                break id;
            }
        };
        let partitions = answered
            .into_iter()
            .map(|(spec, told)| Cached {
                spec,
                high_watermark: if told.error_code == 0 { told.high_watermark } else { -1 },
                log_start_offset: told.log_start_offset,
            })
            .collect();
        sessions.insert(id, Session { uses_topic_ids: version >= 13, epoch: 1, last_used_ms: now_ms, partitions });
        id
    }

    /// Which of the partitions of an incremental answer carry news; `told` is in the order [`SessionCache::begin`] gave, and
    /// `next_epoch` from there too: after a later request of the session everything is news. With `commit` the session remembers what was told and moves partitions that delivered records to the end.
    pub fn filter(&self, session_id: i32, next_epoch: i32, told: &[Told], commit: bool) -> Vec<bool> {
        let mut sessions = self.lock();
        let unchanged = |session: &&mut Session| session.epoch == next_epoch && session.partitions.len() == told.len();
        let Some(session) = sessions.get_mut(&session_id).filter(unchanged) else {
            return vec![true; told.len()];
        };
        let news: Vec<bool> = session.partitions.iter().zip(told).map(|(cached, told)| cached.is_news(*told)).collect();
        if commit {
            session.remember(told);
        }
        news
    }
}

impl Session {
    fn forget(&mut self, version: i16, request: &FetchRequest) {
        for gone in &request.forgotten_topics_data {
            self.partitions.retain(|cached| {
                let same_topic = if version >= 13 { cached.spec.topic_id == gone.topic_id } else { cached.spec.topic == gone.topic };
                !(same_topic && gone.partitions.contains(&cached.spec.partition))
            });
        }
    }

    /// True when the session has more partitions than before.
    fn update(&mut self, asked: Vec<FetchSpec>) -> bool {
        if asked.is_empty() {
            return false;
        }
        let before = self.partitions.len();
        let mut at: HashMap<Key, usize> = self.partitions.iter().enumerate().map(|(i, cached)| (Key::of(&cached.spec), i)).collect();
        for spec in asked {
            match at.get(&Key::of(&spec)) {
                Some(&i) => {
                    let known = std::mem::replace(&mut self.partitions[i].spec, spec);
                    self.partitions[i].spec.topic = known.topic;
                }
                None => {
                    at.insert(Key::of(&spec), self.partitions.len());
                    self.partitions.push(Cached { spec, high_watermark: -1, log_start_offset: -1 });
                }
            }
        }
        self.partitions.len() > before
    }

    fn remember(&mut self, told: &[Told]) {
        let (mut quiet, mut delivered) = (Vec::with_capacity(told.len()), Vec::new());
        for (mut cached, told) in self.partitions.drain(..).zip(told) {
            cached.high_watermark = if told.error_code == 0 { told.high_watermark } else { -1 };
            cached.log_start_offset = told.log_start_offset;
            if told.record_bytes > 0 { delivered.push(cached) } else { quiet.push(cached) }
        }
        quiet.append(&mut delivered);
        self.partitions = quiet;
    }
}

impl Cached {
    fn is_news(&self, told: Told) -> bool {
        told.record_bytes > 0
            || told.error_code != 0
            || told.diverging
            || told.high_watermark != self.high_watermark
            || told.log_start_offset != self.log_start_offset
    }
}

fn next_epoch(epoch: i32) -> i32 {
    if epoch == i32::MAX { 1 } else { epoch + 1 }
}

fn partitions_of(sessions: &HashMap<i32, Session>) -> usize {
    sessions.values().map(|session| session.partitions.len()).sum()
}

fn evict(sessions: &mut HashMap<i32, Session>, now_ms: i64, wanted: usize) -> bool {
    let stale = sessions.iter().min_by_key(|(_, session)| session.last_used_ms).map(|(id, session)| (*id, session.last_used_ms));
    if let Some((id, last_used_ms)) = stale
        && now_ms - last_used_ms > EVICTION_MS
    {
        return sessions.remove(&id).is_some();
    }
    let smallest = sessions.iter().min_by_key(|(_, session)| session.partitions.len()).map(|(id, session)| (*id, session.partitions.len()));
    match smallest {
        Some((id, size)) if size < wanted => sessions.remove(&id).is_some(),
        _ => false,
    }
}

fn specs(version: i16, request: &FetchRequest) -> Vec<FetchSpec> {
    let by_id = version >= 13;
    let count = request.topics.iter().map(|topic| topic.partitions.len()).sum();
    let mut out = Vec::with_capacity(count);
    for topic in &request.topics {
        // A copy: the name in the request keeps the whole receive buffer alive, and a session lives long.
        let name = if by_id { TopicName::default() } else { TopicName(StrBytes::from_string(topic.topic.to_string())) };
        for partition in &topic.partitions {
            out.push(FetchSpec {
                topic: name.clone(),
                topic_id: if by_id { topic.topic_id } else { Uuid::nil() },
                partition: partition.partition,
                current_leader_epoch: partition.current_leader_epoch,
                fetch_offset: partition.fetch_offset,
                last_fetched_epoch: partition.last_fetched_epoch,
                max_bytes: partition.partition_max_bytes,
            });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
    use kafka_protocol::protocol::StrBytes;

    const V: i16 = 12;

    fn name(text: &'static str) -> TopicName {
        TopicName(StrBytes::from_static_str(text))
    }

    fn request(session_id: i32, epoch: i32, partitions: &[(i32, i64)]) -> FetchRequest {
        let parts = partitions
            .iter()
            .map(|(partition, offset)| {
                FetchPartition::default().with_partition(*partition).with_fetch_offset(*offset).with_partition_max_bytes(100)
            })
            .collect();
        let topics = if partitions.is_empty() { vec![] } else { vec![FetchTopic::default().with_topic(name("t")).with_partitions(parts)] };
        FetchRequest::default().with_session_id(session_id).with_session_epoch(epoch).with_topics(topics)
    }

    fn told(high_watermark: i64, record_bytes: u64) -> Told {
        Told { high_watermark, log_start_offset: 0, error_code: 0, record_bytes, diverging: false }
    }

    fn open(cache: &SessionCache, partitions: &[(i32, i64)], id: i32) -> i32 {
        let Ok(Context::Full(specs)) = cache.begin(0, V, &request(0, 0, partitions)) else { panic!("epoch 0 is a full request") };
        cache.create(0, V, specs.into_iter().map(|spec| (spec, told(5, 0))).collect(), || id)
    }

    fn numbers(context: Result<Context, ResponseError>) -> Vec<i32> {
        match context {
            Ok(Context::Incremental { partitions, .. }) => partitions.iter().map(|spec| spec.partition).collect(),
            other => panic!("not incremental: {other:?}"),
        }
    }

    #[test]
    fn an_incremental_request_repeats_the_sessions_partitions_and_only_news_are_answered() {
        let cache = SessionCache::new(10);
        let id = open(&cache, &[(0, 5), (1, 5)], 77);
        assert_eq!(id, 77);
        assert_eq!(numbers(cache.begin(1, V, &request(77, 1, &[]))), [0, 1]);
        assert_eq!(cache.filter(77, 2, &[told(5, 0), told(6, 10)], true), [false, true]);
        assert_eq!(cache.filter(77, 2, &[told(5, 0), told(6, 0)], false), [false, false], "partition 1 was told 6 and is quiet now");
    }

    #[test]
    fn a_partition_that_delivered_records_goes_to_the_end() {
        let cache = SessionCache::new(10);
        open(&cache, &[(0, 5), (1, 5), (2, 5)], 7);
        cache.begin(1, V, &request(7, 1, &[])).unwrap();
        cache.filter(7, 2, &[told(6, 10), told(5, 0), told(5, 0)], true);
        assert_eq!(numbers(cache.begin(1, V, &request(7, 2, &[]))), [1, 2, 0]);
    }

    #[test]
    fn errors_are_always_news_and_so_is_the_recovery_after_them() {
        let cache = SessionCache::new(10);
        open(&cache, &[(0, 5)], 7);
        let broken = Told { error_code: 6, ..told(5, 0) };
        assert_eq!(cache.filter(7, 1, &[broken], true), [true]);
        assert_eq!(cache.filter(7, 1, &[told(5, 0)], true), [true]);
        assert_eq!(cache.filter(7, 1, &[told(5, 0)], true), [false]);
    }

    #[test]
    fn a_wrong_epoch_an_unknown_id_and_a_change_to_topic_ids_are_refused() {
        let cache = SessionCache::new(10);
        open(&cache, &[(0, 5)], 7);
        assert_eq!(cache.begin(1, V, &request(7, 5, &[])), Err(ResponseError::InvalidFetchSessionEpoch));
        assert_eq!(cache.begin(1, V, &request(8, 1, &[])), Err(ResponseError::FetchSessionIdNotFound));
        assert_eq!(cache.begin(1, 13, &request(7, 1, &[])), Err(ResponseError::FetchSessionTopicIdError));
    }

    #[test]
    fn forgotten_partitions_leave_and_the_last_one_ends_the_session() {
        let cache = SessionCache::new(10);
        open(&cache, &[(0, 5), (1, 5)], 7);
        let forget = |p: i32| vec![ForgottenTopic::default().with_topic(name("t")).with_partitions(vec![p])];
        let context = cache.begin(1, V, &request(7, 1, &[]).with_forgotten_topics_data(forget(0)));
        assert_eq!(numbers(context), [1]);
        let context = cache.begin(1, V, &request(7, 2, &[]).with_forgotten_topics_data(forget(1)));
        assert_eq!(context, Ok(Context::Sessionless(vec![])));
        assert!(cache.is_empty());
    }

    #[test]
    fn a_changed_offset_replaces_the_old_one_and_a_new_partition_joins() {
        let cache = SessionCache::new(10);
        open(&cache, &[(0, 5)], 7);
        let Ok(Context::Incremental { partitions, .. }) = cache.begin(1, V, &request(7, 1, &[(0, 9), (3, 1)])) else { panic!() };
        assert_eq!(partitions.iter().map(|spec| (spec.partition, spec.fetch_offset)).collect::<Vec<_>>(), [(0, 9), (3, 1)]);
    }

    #[test]
    fn epoch_minus_one_and_epoch_zero_end_the_named_session() {
        let cache = SessionCache::new(10);
        open(&cache, &[(0, 5)], 7);
        assert!(matches!(cache.begin(1, V, &request(7, -1, &[(0, 5)])), Ok(Context::Sessionless(specs)) if specs.len() == 1));
        assert!(cache.is_empty());
        open(&cache, &[(0, 5)], 8);
        assert!(matches!(cache.begin(1, V, &request(8, 0, &[(0, 5)])), Ok(Context::Full(_))));
        assert!(cache.is_empty());
    }

    #[test]
    fn a_full_cache_gives_way_to_a_larger_request_or_after_two_minutes() {
        let cache = SessionCache::new(1);
        open(&cache, &[(0, 5)], 7);
        assert_eq!(open(&cache, &[(0, 5)], 8), 0, "the same size is not larger");
        assert_eq!(open(&cache, &[(0, 5), (1, 5)], 9), 9);
        let Ok(Context::Full(specs)) = cache.begin(EVICTION_MS + 1, V, &request(0, 0, &[(0, 1)])) else { panic!() };
        assert_eq!(cache.create(EVICTION_MS + 1, V, specs.into_iter().map(|spec| (spec, told(5, 0))).collect(), || 10), 10);
        assert_eq!(cache.len(), 1);
    }

    #[test]
    fn versions_before_7_have_no_sessions() {
        let cache = SessionCache::new(10);
        assert!(matches!(cache.begin(1, 6, &request(0, 0, &[(0, 5)])), Ok(Context::Sessionless(_))));
    }

    #[test]
    fn of_two_requests_at_once_only_the_later_one_is_remembered() {
        let cache = SessionCache::new(10);
        open(&cache, &[(0, 5), (1, 5)], 7);
        cache.begin(1, V, &request(7, 1, &[])).unwrap();
        cache.begin(1, V, &request(7, 2, &[])).unwrap();
        assert_eq!(cache.filter(7, 3, &[told(6, 10), told(5, 0)], true), [true, false], "partition 0 goes to the end");
        assert_eq!(cache.filter(7, 2, &[told(6, 0), told(5, 0)], true), [true, true], "the order is no longer the same");
        cache.begin(1, V, &request(7, 3, &[])).unwrap();
        assert_eq!(cache.filter(7, 4, &[told(5, 0), told(6, 0)], true), [false, false]);
    }

    #[test]
    fn a_session_does_not_keep_the_receive_buffer_its_names_came_in() {
        let cache = SessionCache::new(10);
        let buffer = bytes::Bytes::from(b"a request with the name t in it".to_vec());
        let named = |request: FetchRequest| {
            let mut request = request;
            request.topics[0].topic = TopicName(StrBytes::try_from(buffer.slice(24..25)).unwrap());
            request
        };
        let Ok(Context::Full(specs)) = cache.begin(0, V, &named(request(0, 0, &[(0, 5)]))) else { panic!("a full request") };
        cache.create(0, V, specs.into_iter().map(|spec| (spec, told(5, 0))).collect(), || 7);
        let context = cache.begin(0, V, &named(request(7, 1, &[(1, 5)])));
        assert_eq!(numbers(context), [0, 1]);
        assert!(buffer.is_unique());
    }

    #[test]
    fn all_sessions_together_remember_a_bounded_number_of_partitions() {
        let cache = SessionCache { partitions_max: 100, ..SessionCache::new(10) };
        let ask = |from: i32, count: i32| (from..from + count).map(|partition| (partition, 5)).collect::<Vec<_>>();
        let tenth = 10;
        assert_eq!(open(&cache, &ask(0, 1), 1), 1);
        for round in 0..9 {
            cache.begin(0, V, &request(1, round + 1, &ask(1 + round * tenth, tenth))).unwrap();
        }
        assert_eq!(open(&cache, &ask(0, tenth), 2), 0, "no room for that many");
        assert_eq!(open(&cache, &ask(0, 1), 3), 3);
        assert_eq!(cache.begin(0, V, &request(1, 10, &ask(1 + 9 * tenth, tenth))), Err(ResponseError::FetchSessionIdNotFound));
        assert_eq!(cache.len(), 1, "the one that grew too large is gone");
    }
}
