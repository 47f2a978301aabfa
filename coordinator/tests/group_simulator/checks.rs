//! What must hold after every step. Each check panics with what it found; `main.rs` adds the seed.

use super::broker::{Answer, Origin};
use super::client::part;
use kafka_protocol::messages::OffsetCommitRequest;
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use ottla_coordinator::effects::Ticket;
use ottla_coordinator::group::records::{ConsumerGroupCurrentMemberAssignmentValue, GroupMetadataValue};
use ottla_coordinator::group::{GroupEffects, GroupId, GroupRecord, GroupReply, GroupShard, MemberId};
use ottla_coordinator::metadata::TopicId;
use ottla_coordinator::metadata::image::MetadataImage;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A partition as a member of a group sees it.
pub(crate) type Part = (TopicId, i32);
type Committed = BTreeMap<(GroupId, Arc<str>, i32), i64>;

/// What is known of a group from its records.
#[derive(Debug, Default)]
struct Group {
    /// Generation, or group epoch: one number that migration hands on.
    number: Option<i32>,
    /// Members of the last classic record.
    classic: BTreeSet<MemberId>,
    /// Current assignments of a consumer group.
    current: BTreeMap<MemberId, ConsumerGroupCurrentMemberAssignmentValue>,
}

/// The checks and what they remember.
#[derive(Debug)]
pub(crate) struct Checks {
    pub(crate) image: Arc<MetadataImage>,
    groups: BTreeMap<GroupId, Group>,
    /// Who believes to own what, as far as the client is in good standing.
    owners: BTreeMap<(GroupId, Part), usize>,
    /// Clients that are silent for so long that the group may go on without them.
    exempt: BTreeSet<usize>,
    /// What the records say is committed.
    committed: Committed,
    /// The commit being handled; whether a member sent it.
    commit: Option<(OffsetCommitRequest, bool)>,
    /// An administrator is deleting a group or offsets.
    pub(crate) deleting: bool,
    /// Names that have stood for more than one topic: what was committed for one means nothing for the other.
    pub(crate) reused_names: BTreeSet<String>,
    pub(crate) reloads: u64,
    batches: u64,
    /// Reloads and downgrades: what was answered before one vouches for nothing after it.
    pub(crate) upheavals: u64,
    /// Consumer groups that have become classic groups, and whose clients have yet to hear of it.
    pub(crate) downgraded: BTreeSet<GroupId>,
}

impl Checks {
    pub(crate) fn new(image: Arc<MetadataImage>) -> Self {
        Self {
            image,
            groups: BTreeMap::new(),
            owners: BTreeMap::new(),
            exempt: BTreeSet::new(),
            committed: Committed::new(),
            commit: None,
            deleting: false,
            reused_names: BTreeSet::new(),
            reloads: 0,
            batches: 0,
            upheavals: 0,
            downgraded: BTreeSet::new(),
        }
    }

    // Ownership, as clients believe.

    /// A client takes a partition.
    pub(crate) fn gain(&mut self, group: &GroupId, client: usize, part: Part) {
        if self.exempt.contains(&client) {
            return;
        }
        let before = self.owners.insert((group.clone(), part), client);
        assert!(before.is_none_or(|other| other == client), "{group}: {part:?} is owned by client {before:?} and by client {client}");
    }

    /// A client has given a partition up.
    pub(crate) fn lose(&mut self, group: &GroupId, client: usize, part: Part) {
        let key = (group.clone(), part);
        if self.owners.get(&key) == Some(&client) {
            self.owners.remove(&key);
        }
    }

    /// A client falls silent: the others may take what it believes to own.
    pub(crate) fn excuse(&mut self, client: usize) {
        self.owners.retain(|_, owner| *owner != client);
        self.exempt.insert(client);
    }

    pub(crate) fn is_excused(&self, client: usize) -> bool {
        self.exempt.contains(&client)
    }

    /// The coordinator has accepted a client that had been silent; or the client knows that it has lost all.
    pub(crate) fn welcome_back(&mut self, group: &GroupId, client: usize, owned: &BTreeSet<Part>) {
        if self.exempt.remove(&client) {
            owned.iter().for_each(|part| self.gain(group, client, *part));
        }
    }

    /// Owners of a group's partitions.
    pub(crate) fn owned(&self, group: &GroupId) -> BTreeMap<Part, usize> {
        self.owners.iter().filter(|((of, _), _)| of == group).map(|((_, part), client)| (*part, *client)).collect()
    }

    /// Whether the group's records know this member of the classic protocol.
    pub(crate) fn remembers(&self, group: &GroupId, member: &str) -> bool {
        self.groups.get(group).is_some_and(|group| group.classic.contains(member) || group.current.contains_key(member))
    }

    // Records.

    /// A batch was appended and replayed.
    pub(crate) fn appended(&mut self, records: &[GroupRecord], shard: &GroupShard) {
        let mut touched = BTreeSet::new();
        // A group without members may begin anew under the other protocol.
        for record in records {
            if let GroupRecord::GroupMetadata { group, value: None } | GroupRecord::ConsumerGroupMetadata { group, value: None } = record
                && let Some(held) = self.groups.get_mut(group)
                && held.classic.is_empty()
                && held.current.is_empty()
            {
                held.number = None;
            }
        }
        for record in records {
            match record {
                GroupRecord::OffsetCommit { group, topic, partition, value } => {
                    self.offset_record((group.clone(), Arc::clone(topic), *partition), value.as_ref().map(|value| value.offset));
                }
                GroupRecord::GroupMetadata { group, value } => self.classic_record(group, value.as_ref()),
                GroupRecord::ConsumerGroupMetadata { group, value: Some(value) } => self.rise(group, value.epoch, "group epoch"),
                GroupRecord::ConsumerGroupCurrentMemberAssignment { group, member, value } => {
                    self.member_record(group, member, value.as_ref(), records);
                    touched.insert(group.clone());
                }
                _ => {}
            }
        }
        self.forget_deleted(records);
        touched.iter().for_each(|group| self.no_partition_twice(group));
        // All of it takes long, and a reload will look again.
        self.batches += 1;
        if self.deleting || self.batches.is_multiple_of(32) {
            self.compare_committed(shard);
        }
    }

    /// A group that is gone begins anew; one that changes its protocol goes on.
    fn forget_deleted(&mut self, records: &[GroupRecord]) {
        let gone = records.iter().filter_map(|record| match record {
            GroupRecord::GroupMetadata { group, value: None } | GroupRecord::ConsumerGroupMetadata { group, value: None } => Some(group),
            _ => None,
        });
        for group in gone.collect::<BTreeSet<_>>() {
            let lives_on = records.iter().any(|record| match record {
                GroupRecord::GroupMetadata { group: of, value } => of == group && value.is_some(),
                GroupRecord::ConsumerGroupMetadata { group: of, value } => of == group && value.is_some(),
                _ => false,
            });
            if let (false, Some(held)) = (lives_on, self.groups.get_mut(group)) {
                held.number = None;
            }
            let is_classic_now =
                records.iter().any(|record| matches!(record, GroupRecord::GroupMetadata { group: of, value: Some(_) } if of == group));
            if is_classic_now {
                self.downgraded.insert(group.clone());
                self.upheavals += 1;
            }
        }
    }

    fn rise(&mut self, group: &GroupId, number: i32, what: &str) {
        let held = self.groups.entry(group.clone()).or_default();
        let before = held.number.replace(number);
        let before = before.filter(|_| !held.classic.is_empty() || !held.current.is_empty());
        assert!(before.is_none_or(|before| before <= number), "{group}: the {what} went back from {before:?} to {number}");
    }

    fn classic_record(&mut self, group: &GroupId, value: Option<&GroupMetadataValue>) {
        let Some(value) = value else {
            self.groups.entry(group.clone()).or_default().classic.clear();
            return;
        };
        self.rise(group, value.generation, "generation");
        self.groups.entry(group.clone()).or_default().classic = value.members.iter().map(|member| member.member_id.clone()).collect();
    }

    fn member_record(
        &mut self,
        group: &GroupId,
        member: &MemberId,
        value: Option<&ConsumerGroupCurrentMemberAssignmentValue>,
        records: &[GroupRecord],
    ) {
        let held = self.groups.entry(group.clone()).or_default();
        let Some(value) = value else {
            held.current.remove(member);
            return;
        };
        // A group begins at 1, and does not write that down.
        assert!(value.member_epoch <= held.number.unwrap_or(1), "{group}: {member} is ahead of its group: {value:?} {records:?}");
        if let Some(before) = held.current.insert(member.clone(), value.clone()) {
            let may_fall = value.member_epoch < 0;
            assert!(
                may_fall || before.member_epoch <= value.member_epoch,
                "{group}: the epoch of {member} went back: {before:?} {value:?}"
            );
        }
    }

    /// In a consumer group nobody is given what another still has.
    fn no_partition_twice(&self, group: &GroupId) {
        let mut seen = BTreeMap::new();
        for (member, value) in &self.groups[group].current {
            for (topic, partitions) in value.assigned.0.iter().chain(&value.pending_revocation.0) {
                for partition in partitions.keys() {
                    let before = seen.insert((topic, partition), member);
                    assert!(before.is_none(), "{group}: {topic}-{partition} was given to {member} while {before:?} has it");
                }
            }
        }
    }

    // Offsets.

    /// A commit was handled: the answer and the records must tell the same.
    pub(crate) fn commit_handled(&mut self, request: &OffsetCommitRequest, effects: &GroupEffects, ticket: Ticket, client: usize) {
        let [(to, GroupReply::OffsetCommit(response))] = &effects.replies[..] else { panic!("a commit is answered at once: {effects:?}") };
        assert_eq!(*to, ticket);
        let accepted = response.topics.iter().flat_map(|topic| {
            topic
                .partitions
                .iter()
                .filter(|partition| partition.error_code == 0)
                .map(|partition| (topic.name.to_string(), partition.partition_index))
        });
        let written = effects.records.iter().filter_map(|record| match record {
            GroupRecord::OffsetCommit { topic, partition, value: Some(_), .. } => Some((topic.to_string(), *partition)),
            _ => None,
        });
        let accepted: BTreeSet<(String, i32)> = accepted.collect();
        assert_eq!(accepted, written.collect(), "what is acknowledged is what is written");
        for (topic, partition) in accepted {
            let Some(part) = part(&self.image, &topic, partition) else { continue };
            let owner = self.owners.get(&(GroupId::from(&*request.group_id.0), part));
            assert!(
                owner.is_none_or(|owner| *owner == client),
                "client {client} committed for {topic}-{partition}, which client {owner:?} owns"
            );
        }
        self.commit = Some((request.clone(), request.generation_id_or_member_epoch >= 0));
    }

    /// The request was carried out, or failed.
    pub(crate) fn commit_done(&mut self) {
        self.commit = None;
    }

    fn offset_record(&mut self, key: (GroupId, Arc<str>, i32), offset: Option<i64>) {
        let (group, topic, partition) = &key;
        let Some(offset) = offset else {
            let gone = self.image.topics().by_name(topic).is_none() || self.reused_names.contains(&**topic);
            assert!(gone || self.deleting, "{group}: the offset of {topic}-{partition} was removed for no reason");
            self.committed.remove(&key);
            return;
        };
        let Some((request, by_member)) = &self.commit else { panic!("{group}: {topic}-{partition} moved to {offset} without a commit") };
        let asked = request.topics.iter().filter(|asked| *asked.name.0 == **topic).flat_map(|topic| &topic.partitions);
        let asked = asked.filter(|asked| asked.partition_index == *partition).any(|asked| asked.committed_offset == offset);
        assert!(asked && *request.group_id.0 == *group.0, "{group}: {topic}-{partition} moved to {offset}, which nobody asked for");
        let before = self.committed.insert(key.clone(), offset).filter(|_| *by_member && !self.reused_names.contains(&*key.1));
        assert!(before.is_none_or(|before| before <= offset), "{}: {}-{} went back from {before:?} to {offset}", key.0, key.1, key.2);
    }

    fn compare_committed(&self, shard: &GroupShard) {
        let held: Committed = shard
            .committed_offsets()
            .map(|(target, value)| ((target.group.clone(), Arc::clone(target.topic), target.partition), value.offset))
            .collect();
        assert_eq!(held, self.committed, "what is committed is what was acknowledged");
    }

    /// A fetch was answered: it must show what is committed.
    pub(crate) fn fetch_answered(&self, request: &OffsetFetchRequestGroup, outbox: &[(Origin, Answer)]) {
        let Some((_, Ok(GroupReply::OffsetFetch(response)))) = outbox.last() else { panic!("a fetch is answered at once") };
        if response.error_code != 0 {
            return;
        }
        let group = GroupId::from(&*request.group_id.0);
        let asked = request.topics.iter().flatten().map(|topic| topic.partition_indexes.len()).sum::<usize>();
        assert_eq!(response.topics.iter().map(|topic| topic.partitions.len()).sum::<usize>(), asked, "every partition is answered");
        for topic in &response.topics {
            for partition in &topic.partitions {
                let key = (group.clone(), Arc::from(&*topic.name.0), partition.partition_index);
                let committed = self.committed.get(&key).copied().unwrap_or(-1);
                assert_eq!((partition.error_code, partition.committed_offset), (0, committed), "{key:?}");
            }
        }
    }

    // Reloads.

    /// A new shard has replayed the log.
    pub(crate) fn reloaded(&mut self, shard: &GroupShard) {
        self.reloads += 1;
        self.upheavals += 1;
        self.compare_committed(shard);
    }
}
