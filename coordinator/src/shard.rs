//! The contract every shard keeps with the shell that runs it; the reasons are in this crate's DESIGN.md.

use crate::effects::Effects;
use crate::timers::Millis;

/// A replicated state machine over one log.
pub trait Shard {
    /// One record of the shard's log.
    type Record;
    /// An answer to a client.
    type Reply;
    /// Something for the world to do after commit; safe to repeat.
    type Command;

    /// Applies a committed record. The only writer of hard state.
    fn replay(&mut self, record: &Self::Record);
    /// Called once after the whole log was replayed: asks again for what was decided and may not have been carried out.
    fn on_loaded(&mut self, now: Millis) -> Effects<Self::Record, Self::Reply, Self::Command>;
    /// The earliest instant at which `handle_timeout` has work.
    fn next_deadline(&self) -> Option<Millis>;
    /// The clock was set by this much while no time passed: deadlines move along. Only soft state has any.
    fn shift_deadlines(&mut self, by_ms: i64);
    /// Handles the earliest deadline that is not after `now`. Call again while there is one: the next may depend on what this one writes.
    fn handle_timeout(&mut self, now: Millis) -> Effects<Self::Record, Self::Reply, Self::Command>;
}
