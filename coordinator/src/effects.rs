//! What a shard asks the shell to do.

/// Names one parked client request; the shell maps it back to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// The outcome of a handler: nothing here has happened yet.
#[derive(Debug)]
pub struct Effects<Record, Reply, Command = ()> {
    /// Appended as one atomic batch, then replayed.
    pub records: Vec<Record>,
    /// Sent once `records` are below the high watermark.
    pub replies: Vec<(Ticket, Reply)>,
    /// Things for the world to do after commit. Safe to repeat.
    pub commands: Vec<Command>,
}

impl<Record, Reply, Command> Default for Effects<Record, Reply, Command> {
    fn default() -> Self {
        Self { records: Vec::new(), replies: Vec::new(), commands: Vec::new() }
    }
}

impl<Record, Reply, Command> Effects<Record, Reply, Command> {
    /// An answer that changes nothing.
    pub fn reply(ticket: Ticket, reply: Reply) -> Self {
        Self { replies: vec![(ticket, reply)], ..Self::default() }
    }

    /// Takes over another handler's effects, after one's own.
    pub fn append(&mut self, mut other: Self) {
        self.records.append(&mut other.records);
        self.replies.append(&mut other.replies);
        self.commands.append(&mut other.commands);
    }
}
