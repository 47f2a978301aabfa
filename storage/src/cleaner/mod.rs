//! Compaction: of each key only the newest record stays, as Kafka's log cleaner does it.
//!
//! A pass over one log is [`clean`]. First all that was appended is synced. Then, in three beats: under the log's lock it is told what to read
//! (`PartitionLog::prepare_cleaning`); without it the keys of the dirty part go into a map of bounded size and groups of old segments are copied into `.cleaned` files;
//! under the lock again each group takes the place of its sources (`PartitionLog::install_cleaned`). Called by whoever decides which
//! log is the filthiest (`PartitionLog::cleanable` tells how filthy); one pass at a time on one log.
//!
//! Promises: the last record of each key below the end of the pass survives, with its offset, timestamp and leader epoch; nothing
//! from the first uncleanable offset on is touched; what a read_committed reader sees of the surviving records never changes; the last
//! batch of every producer stays, empty if need be; a crash at any point leaves the sources or the result, and opening the log tidies
//! up. Knows no clock and no threads: `now` is passed in, and `pace` is called between batches.

mod filter;
mod map;
mod pass;
mod plan;
mod transactions;
mod types;

pub use types::{Cleanable, CleanerBuffers, CleanerConfig, CleaningDone, CleaningError, CleaningStats, Pace, WithLog};

pub(crate) use plan::{CleanedGroup, CleaningPlan, Lease, ProducersLast, Source};

use crate::Millis;
use pass::Pass;

/// Runs one pass over a log.
///
/// `with_log` calls its argument under the log's lock and says false when there is no log any more; it is called a few times, each for
/// the time of a few system calls. `pace` hears of every piece of bytes read or written, may sleep, and stops the pass by answering
/// [`Pace::Stop`].
///
/// When this succeeds, [`CleaningDone::first_dirty`] belongs into the cleaner checkpoint (`LogManager::set_cleaner_checkpoint`). After an
/// error the checkpoint stays; groups that were installed before it stay installed. After a failed sync the log is offline.
pub fn clean(
    cleanable: &Cleanable,
    now: Millis,
    buffers: &mut CleanerBuffers,
    with_log: &mut WithLog<'_>,
    pace: &mut dyn FnMut(u64) -> Pace,
) -> Result<CleaningDone, CleaningError> {
    make_durable(with_log)?;
    let mut prepared = Err(CleaningError::Changed);
    with_log(&mut |log| prepared = log.prepare_cleaning(cleanable, now));
    let mut pass = Pass::new(prepared?, buffers, pace);
    pass.fill_map().map_err(|error| pass.explained(error))?;
    while let Some(group) = pass.next_group().map_err(|error| pass.explained(error))? {
        let mut waiting = Some(group);
        let mut installed = Err(CleaningError::Changed);
        with_log(&mut |log| {
            if let Some(group) = waiting.take() {
                installed = log.install_cleaned(group);
            }
        });
        if let Some(group) = waiting {
            // There is no log any more.
            pass::discard(&pass.plan.place.in_phase(crate::segment::Phase::Cleaned), group.segment.base_offset());
        }
        installed?;
    }
    Ok(CleaningDone { first_dirty: pass.end(), stats: pass.stats })
}

/// Whatever decides that a record may go, a newer one or a marker, must not be lost to a power loss when the record is gone. So all that
/// was appended is synced before a pass begins. The recovery point is left to whoever flushes.
fn make_durable(with_log: &mut WithLog<'_>) -> Result<(), CleaningError> {
    let mut plan = None;
    with_log(&mut |log| plan = Some(log.prepare_flush()));
    let synced = plan.ok_or(CleaningError::Changed)?.sync_records();
    // A failed sync is final; a file that could not be opened is only that.
    if let Err(error @ crate::StorageError::Io { .. }) = &synced {
        with_log(&mut |log| log.fail(&error.to_string()));
    }
    Ok(synced?)
}
