//! The inodes of the simulated disk, and the numbered operations on them.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use super::image::{Random, Survival, apply, surviving_bytes, surviving_names};
use super::{Entry, Fault};

/// Slot of a node in [`World::nodes`]; never used twice.
pub(super) type NodeId = usize;

const ROOT: NodeId = 0;
const EIO: i32 = 5;
const ENOSPC: i32 = 28;
const EROFS: i32 = 30;

/// A change of a file's bytes.
#[derive(Clone, Debug)]
pub(super) enum DataOp {
    Write { position: u64, bytes: Vec<u8> },
    SetLen(u64),
}

/// A change of a directory's names; what it says is done whole or not at all.
#[derive(Clone, Debug)]
pub(super) enum DirOp {
    Link { name: String, node: NodeId },
    Unlink { name: String },
    Rename { from: String, to: String, node: NodeId },
}

impl DirOp {
    pub(super) fn apply(&self, names: &mut BTreeMap<String, NodeId>) {
        match self {
            Self::Link { name, node } => {
                names.insert(name.clone(), *node);
            }
            Self::Unlink { name } => {
                names.remove(name);
            }
            Self::Rename { from, to, node } => {
                names.remove(from);
                names.insert(to.clone(), *node);
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Node {
    File { live: Vec<u8>, durable: Vec<u8>, pending: Vec<DataOp> },
    Dir { live: BTreeMap<String, NodeId>, durable: BTreeMap<String, NodeId>, pending: Vec<DirOp> },
}

#[derive(Debug)]
pub(super) struct World {
    nodes: Vec<Node>,
    random: Random,
    powered_off: bool,
    /// How often the power has gone.
    pub(super) cache_life: u64,
    pub(super) operations: u64,
    pub(super) reads: u64,
    pub(super) faults: Vec<(Range<u64>, Fault)>,
    pub(super) read_faults: Vec<u64>,
    pub(super) space_bytes_max: Option<u64>,
    pub(super) read_only: bool,
    pub(super) locks: Vec<PathBuf>,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            nodes: vec![empty_dir()],
            random: Random::new(seed),
            powered_off: false,
            cache_life: 0,
            operations: 0,
            reads: 0,
            faults: Vec::new(),
            read_faults: Vec::new(),
            space_bytes_max: None,
            read_only: false,
            locks: Vec::new(),
        }
    }

    pub(super) fn after_power_loss(&self, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut after = Self::new(seed);
        let survival = |random: &mut Random| match seed {
            0 => Survival::Nothing,
            1 => Survival::All,
            _ => Survival::pick(random),
        };
        after.nodes = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let survival = survival(&mut random);
            after.nodes.push(match node {
                Node::File { durable, pending, .. } => file(surviving_bytes(durable, pending, survival, &mut random)),
                Node::Dir { durable, pending, .. } => {
                    let names = surviving_names(durable, pending, survival, &mut random);
                    Node::Dir { live: names.clone(), durable: names, pending: Vec::new() }
                }
            });
        }
        after.space_bytes_max = self.space_bytes_max;
        after.cache_life = self.cache_life + 1;
        after
    }

    pub(super) fn after_process_kill(&self) -> Self {
        let mut after = Self::new(0);
        after.nodes = self.nodes.clone();
        after.cache_life = self.cache_life;
        after.space_bytes_max = self.space_bytes_max;
        after
    }

    // Files.

    pub(super) fn file_to_read(&mut self, path: &Path) -> io::Result<NodeId> {
        self.count_read()?;
        match self.find(path)? {
            node if self.is_dir(node) => Err(io::ErrorKind::IsADirectory.into()),
            node => Ok(node),
        }
    }

    /// The file at `path`, made when it is missing; only the making is a changing operation.
    pub(super) fn create_file(&mut self, path: &Path) -> io::Result<NodeId> {
        match self.find(path) {
            Ok(_) => self.file_to_read(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let (dir, name) = self.parent(path)?;
                self.count_change()?;
                let node = self.add(file(Vec::new()));
                self.change_names(dir, DirOp::Link { name, node });
                Ok(node)
            }
            Err(error) => Err(error),
        }
    }

    pub(super) fn size_bytes(&self, node: NodeId) -> u64 {
        match &self.nodes[node] {
            Node::File { live, .. } => live.len() as u64,
            Node::Dir { .. } => 0,
        }
    }

    pub(super) fn read_at(&mut self, node: NodeId, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.count_read()?;
        let Node::File { live, .. } = &self.nodes[node] else { return Err(io::ErrorKind::IsADirectory.into()) };
        let rest = live.get(position as usize..).unwrap_or_default();
        let read = rest.len().min(buffer.len());
        buffer[..read].copy_from_slice(&rest[..read]);
        Ok(read)
    }

    /// Changes a file's bytes; a failing write is done in part.
    pub(super) fn change(&mut self, node: NodeId, mut op: DataOp) -> io::Result<()> {
        if self.read_only {
            return self.count_change();
        }
        let mut result = self.count_change();
        if result.is_err() {
            let DataOp::Write { bytes, .. } = &mut op else { return result };
            let kept = self.random.below(bytes.len() as u64 + 1) as usize;
            bytes.truncate(kept);
        }
        let end = match &op {
            DataOp::Write { position, bytes } => position + bytes.len() as u64,
            DataOp::SetLen(size_bytes) => *size_bytes,
        };
        let room = self.space_bytes_max.map_or(u64::MAX, |max| max.saturating_sub(self.used_bytes()));
        let missing = end.saturating_sub(self.size_bytes(node)).saturating_sub(room) as usize;
        if missing > 0 {
            let DataOp::Write { bytes, .. } = &mut op else { return Err(no_space()) };
            bytes.truncate(bytes.len().saturating_sub(missing));
            result = result.and(Err(no_space()));
        }
        if let Node::File { live, pending, .. } = &mut self.nodes[node] {
            apply(live, &op);
            pending.push(op);
        }
        result
    }

    pub(super) fn sync_file(&mut self, node: NodeId) -> io::Result<()> {
        let result = self.count_operation();
        let Node::File { durable, pending, .. } = &mut self.nodes[node] else { return Err(io::ErrorKind::IsADirectory.into()) };
        match &result {
            Ok(()) => {
                // Not `live`: what an earlier, failed sync forgot stays forgotten.
                std::mem::take(pending).iter().for_each(|op| apply(durable, op));
            }
            // The machine stopped: what is pending is still anyone's guess.
            Err(_) if self.powered_off => {}
            Err(_) => *durable = surviving_bytes(durable, &std::mem::take(pending), Survival::Some, &mut self.random),
        }
        result
    }

    // Directories.

    pub(super) fn list(&mut self, dir: &Path) -> io::Result<Vec<Entry>> {
        self.count_read()?;
        let node = self.find(dir)?;
        let entry =
            |(name, node): (&String, &NodeId)| Entry { name: name.clone(), is_dir: self.is_dir(*node), size_bytes: self.size_bytes(*node) };
        Ok(self.names(node)?.iter().map(entry).collect())
    }

    pub(super) fn exists(&mut self, path: &Path) -> io::Result<bool> {
        self.count_read()?;
        match self.find(path) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(super) fn create_dir_all(&mut self, dir: &Path) -> io::Result<()> {
        let mut at = ROOT;
        for name in components(dir)? {
            at = match self.names(at)?.get(&name) {
                Some(node) => *node,
                None => {
                    self.count_change()?;
                    let node = self.add(empty_dir());
                    self.change_names(at, DirOp::Link { name, node });
                    node
                }
            };
        }
        self.names(at).map(|_| ())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let node = self.find(from)?;
        let (dir, from_name) = self.parent(from)?;
        let (to_dir, to_name) = self.parent(to)?;
        if dir != to_dir {
            // The vault never does it, and to model it would mean a journal over two directories.
            return Err(io::ErrorKind::Unsupported.into());
        }
        if let Some(replaced) = self.names(dir)?.get(&to_name)
            && (self.is_dir(*replaced) || self.is_dir(node))
        {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.count_change()?;
        self.change_names(dir, DirOp::Rename { from: from_name, to: to_name, node });
        Ok(())
    }

    pub(super) fn remove_file(&mut self, path: &Path) -> io::Result<()> {
        let node = self.find(path)?;
        if self.is_dir(node) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let (dir, name) = self.parent(path)?;
        self.count_change()?;
        self.change_names(dir, DirOp::Unlink { name });
        Ok(())
    }

    /// One operation for each file and directory in it.
    pub(super) fn remove_dir_all(&mut self, path: &Path) -> io::Result<()> {
        let node = self.find(path)?;
        let names: Vec<String> = self.names(node)?.keys().cloned().collect();
        for name in names {
            let child = path.join(name);
            if self.is_dir(self.find(&child)?) {
                self.remove_dir_all(&child)?;
            } else {
                self.remove_file(&child)?;
            }
        }
        let (dir, name) = self.parent(path)?;
        self.count_change()?;
        self.change_names(dir, DirOp::Unlink { name });
        Ok(())
    }

    pub(super) fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        let node = self.find(dir)?;
        let result = self.count_operation();
        let Node::Dir { durable, pending, .. } = &mut self.nodes[node] else { return Err(io::ErrorKind::NotADirectory.into()) };
        match &result {
            Ok(()) => std::mem::take(pending).iter().for_each(|op| op.apply(durable)),
            Err(_) if self.powered_off => {}
            Err(_) => *durable = surviving_names(durable, &std::mem::take(pending), Survival::Some, &mut self.random),
        }
        result
    }

    /// All files and directories, as one operation. A failed one has done its work for some of each.
    pub(super) fn sync_all(&mut self) -> io::Result<()> {
        let result = self.count_operation();
        if result.is_err() && self.powered_off {
            return result;
        }
        let Self { nodes, random, .. } = self;
        for node in nodes {
            match (node, &result) {
                (Node::File { durable, pending, .. }, Ok(())) => std::mem::take(pending).iter().for_each(|op| apply(durable, op)),
                (Node::File { durable, pending, .. }, Err(_)) => {
                    *durable = surviving_bytes(durable, &std::mem::take(pending), Survival::Some, random);
                }
                (Node::Dir { durable, pending, .. }, Ok(())) => std::mem::take(pending).iter().for_each(|op| op.apply(durable)),
                (Node::Dir { durable, pending, .. }, Err(_)) => {
                    *durable = surviving_names(durable, &std::mem::take(pending), Survival::Some, random);
                }
            }
        }
        result
    }

    // Past all counts.

    pub(super) fn used_bytes(&self) -> u64 {
        self.used_bytes_in(ROOT)
    }

    fn used_bytes_in(&self, node: NodeId) -> u64 {
        match &self.nodes[node] {
            Node::File { live, .. } => live.len() as u64,
            Node::Dir { live, .. } => live.values().map(|child| self.used_bytes_in(*child)).sum(),
        }
    }

    pub(super) fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        self.collect_files(ROOT, &PathBuf::from("/"), &mut files);
        files
    }

    pub(super) fn plant(&mut self, path: &Path, bytes: &[u8]) {
        let mut at = ROOT;
        let names = components(path).unwrap_or_default();
        let Some((name, dirs)) = names.split_last() else { return };
        for dir in dirs {
            at = match self.names(at).ok().and_then(|names| names.get(dir)) {
                Some(node) => *node,
                None => {
                    let node = self.add(empty_dir());
                    self.link_durably(at, dir, node);
                    node
                }
            };
        }
        let node = self.add(file(bytes.to_vec()));
        self.link_durably(at, name, node);
    }

    fn link_durably(&mut self, dir: NodeId, name: &str, node: NodeId) {
        if let Node::Dir { live, durable, .. } = &mut self.nodes[dir] {
            live.insert(name.to_owned(), node);
            durable.insert(name.to_owned(), node);
        }
    }

    fn collect_files(&self, node: NodeId, path: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
        match &self.nodes[node] {
            Node::File { live, .. } => files.push((path.to_owned(), live.clone())),
            Node::Dir { live, .. } => live.iter().for_each(|(name, child)| self.collect_files(*child, &path.join(name), files)),
        }
    }

    /// A change, as opposed to a sync.
    fn count_change(&mut self) -> io::Result<()> {
        if self.read_only {
            return Err(io::Error::from_raw_os_error(EROFS));
        }
        self.count_operation()
    }

    fn count_operation(&mut self) -> io::Result<()> {
        if self.powered_off {
            return Err(io::Error::from_raw_os_error(EIO));
        }
        let operation = self.operations;
        self.operations += 1;
        match self.faults.iter().find(|(range, _)| range.contains(&operation)) {
            None => Ok(()),
            Some((_, Fault::Io)) => Err(io::Error::from_raw_os_error(EIO)),
            Some((_, Fault::NoSpace)) => Err(no_space()),
            Some((_, Fault::PowerOff)) => {
                self.powered_off = true;
                Err(io::Error::from_raw_os_error(EIO))
            }
        }
    }

    fn count_read(&mut self) -> io::Result<()> {
        let read = self.reads;
        self.reads += 1;
        if self.powered_off || self.read_faults.contains(&read) {
            return Err(io::Error::from_raw_os_error(EIO));
        }
        Ok(())
    }

    fn find(&self, path: &Path) -> io::Result<NodeId> {
        components(path)?.iter().try_fold(ROOT, |at, name| self.names(at)?.get(name).copied().ok_or(io::ErrorKind::NotFound.into()))
    }

    fn parent(&self, path: &Path) -> io::Result<(NodeId, String)> {
        let mut names = components(path)?;
        let name = names.pop().ok_or(io::Error::from(io::ErrorKind::InvalidInput))?;
        let dir = self.find(&names.iter().collect::<PathBuf>())?;
        self.names(dir)?;
        Ok((dir, name))
    }

    fn names(&self, node: NodeId) -> io::Result<&BTreeMap<String, NodeId>> {
        match &self.nodes[node] {
            Node::Dir { live, .. } => Ok(live),
            Node::File { .. } => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn is_dir(&self, node: NodeId) -> bool {
        matches!(self.nodes[node], Node::Dir { .. })
    }

    fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn change_names(&mut self, dir: NodeId, op: DirOp) {
        if let Node::Dir { live, pending, .. } = &mut self.nodes[dir] {
            op.apply(live);
            pending.push(op);
        }
    }
}

fn file(bytes: Vec<u8>) -> Node {
    Node::File { live: bytes.clone(), durable: bytes, pending: Vec::new() }
}

fn empty_dir() -> Node {
    Node::Dir { live: BTreeMap::new(), durable: BTreeMap::new(), pending: Vec::new() }
}

fn no_space() -> io::Error {
    io::Error::from_raw_os_error(ENOSPC)
}

/// The names on the way from the root; relative paths begin there too.
fn components(path: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::RootDir | Component::CurDir => {}
            Component::Normal(name) => names.push(name.to_str().ok_or(io::Error::from(io::ErrorKind::InvalidInput))?.to_owned()),
            Component::ParentDir | Component::Prefix(_) => return Err(io::ErrorKind::InvalidInput.into()),
        }
    }
    Ok(names)
}
