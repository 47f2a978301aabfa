//! What must hold for any bytes that stand where records are expected. Called by property tests and by the fuzzer.
#![allow(dead_code)] // Each caller has one log in mind.

use ottla_coordinator::effects::Ticket;
use ottla_coordinator::group::{GroupRecord, GroupSettings, GroupShard};
use ottla_coordinator::metadata::records::control::ControlRecord;
use ottla_coordinator::metadata::{BrokerId, MetadataDelta, MetadataImage, MetadataRecord, MetadataShard, image_records};
use ottla_coordinator::shard::Shard;
use ottla_coordinator::timers::Millis;
use ottla_coordinator::txn::{TransactionRecord, TxnCommand, TxnEffects, TxnSettings, TxnShard};
use std::sync::Arc;

/// Takes `data` as a log: one length byte, then a record's bytes, again and again. What decodes is replayed.
pub(crate) fn metadata_log(data: &[u8]) {
    let mut shard = MetadataShard::new();
    let mut rest = data;
    let mut offset = 0;
    while let Some((length, behind)) = rest.split_first() {
        let (value, behind) = behind.split_at(behind.len().min(usize::from(*length)));
        rest = behind;
        let _ = ControlRecord::decode(value.get(..4).unwrap_or_default(), value.get(4..).unwrap_or_default());
        let Ok(record) = MetadataRecord::decode(value) else { continue };
        written_and_read_again(&record);
        shard.replay(&record);
        if shard.publish(offset, 1).is_err() {
            return;
        }
        offset += 1;
    }
    derived(shard.published());
}

/// A record says the same when it is written at the version that can say all of it. Compared as bytes: a quota may be NaN.
fn written_and_read_again(record: &MetadataRecord) {
    let newest = match record {
        MetadataRecord::RegisterBroker(_) => 4,
        MetadataRecord::BrokerRegistrationChange(_) => 3,
        MetadataRecord::Partition(_) | MetadataRecord::PartitionChange(_) => 2,
        _ => 0,
    };
    let bytes = record.encode_at(newest);
    let again = MetadataRecord::decode(&bytes).expect("our own bytes");
    assert_eq!(again.encode_at(newest), bytes);
}

/// Everything that is made from an image can be made from this one.
fn derived(image: &Arc<MetadataImage>) {
    let empty = MetadataImage::default();
    for broker in [-1, 0, 1] {
        let _ = MetadataDelta::between(&empty, image).local_changes(BrokerId(broker));
        let _ = MetadataDelta::between(image, &empty).local_changes(BrokerId(broker));
    }
    let mut loaded = MetadataShard::new();
    for record in image_records(image) {
        loaded.replay(&record);
    }
    assert!(loaded.publish(0, 0).is_ok(), "a snapshot of what was replayed can be replayed");
}

/// Takes `data` as a log: one length byte and a record's key, one length byte and its value (255: none), again and again. What
/// decodes is replayed; then the shard starts and lives through its first deadlines.
pub(crate) fn group_log(data: &[u8]) {
    let mut shard = GroupShard::new(Arc::new(GroupSettings::default()), Arc::new(MetadataImage::default()));
    let mut rest = data;
    while let Some((key_length, behind)) = rest.split_first() {
        let (key, behind) = behind.split_at(behind.len().min(usize::from(*key_length)));
        let Some((value_length, behind)) = behind.split_first() else { break };
        let value_size = if *value_length == 255 { 0 } else { usize::from(*value_length) };
        let (value, behind) = behind.split_at(behind.len().min(value_size));
        rest = behind;
        let Ok(record) = GroupRecord::decode(key, (*value_length != 255).then_some(value)) else { continue };
        let (key, value) = record.encode().expect("nothing grows by being read");
        let again = GroupRecord::decode(&key, value.as_deref()).expect("our own bytes");
        assert_eq!(again, record, "written and read again");
        shard.replay(&record);
    }
    let mut effects = shard.on_loaded(Millis(0));
    for _ in 0..100 {
        effects.records.iter().for_each(|record| shard.replay(record));
        let Some(deadline) = shard.next_deadline() else { break };
        effects = shard.handle_timeout(deadline);
    }
}

/// Takes `data` as a log like `group_log`'s. What decodes is replayed; then the shard starts, everything it decides is carried out, and it
/// lives through its first deadlines.
pub(crate) fn transaction_log(data: &[u8]) {
    let mut shard = TxnShard::new(Arc::new(TxnSettings::default()), Arc::new(MetadataImage::default()));
    let mut rest = data;
    while let Some((key_length, behind)) = rest.split_first() {
        let (key, behind) = behind.split_at(behind.len().min(usize::from(*key_length)));
        let Some((value_length, behind)) = behind.split_first() else { break };
        let value_size = if *value_length == 255 { 0 } else { usize::from(*value_length) };
        let (value, behind) = behind.split_at(behind.len().min(value_size));
        rest = behind;
        let Ok(Some(record)) = TransactionRecord::decode(key, (*value_length != 255).then_some(value)) else { continue };
        let (key, value) = record.encode().expect("nothing grows by being read");
        let again = TransactionRecord::decode(&key, value.as_deref()).expect("our own bytes");
        assert_eq!(again, Some(record.clone()), "written and read again");
        shard.replay(&record);
    }
    let now = Millis(1_000_000);
    let mut effects = shard.on_loaded(now);
    for _ in 0..100 {
        carry_out(&mut shard, now, effects);
        let Some(deadline) = shard.next_deadline() else { break };
        effects = shard.handle_timeout(deadline);
    }
}

fn carry_out(shard: &mut TxnShard, now: Millis, effects: TxnEffects) {
    effects.records.iter().for_each(|record| shard.replay(record));
    for command in effects.commands {
        let done = match command {
            TxnCommand::WriteMarkers(markers) => shard.markers_written(now, Ticket(0), &markers),
            TxnCommand::AbortExpired(id) => shard.abort_expired(now, Ticket(0), &id, Some(1)),
        };
        carry_out(shard, now, done);
    }
}
