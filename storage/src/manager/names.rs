//! What the name of a directory inside a data directory says: a log, or one on its way out or in.

use uuid::Uuid;

/// Names of directories are at most this long on every file system we know.
const NAME_SIZE_BYTES_MAX: usize = 255;
/// Kafka's limit for a topic's name, chosen so that `<topic>-<partition>` fits a directory's name.
const TOPIC_SIZE_BYTES_MAX: usize = 249;

/// What becomes of a log that has such a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogState {
    /// In use.
    Current,
    /// Deleted; the files only wait to be removed.
    Deleted,
    /// Belongs to no topic this broker knows; kept for the operator.
    Stray,
    /// A copy in the making, for a move between data directories.
    Future,
}

impl LogState {
    fn suffix(self) -> &'static str {
        match self {
            Self::Current => "",
            Self::Deleted => "-delete",
            Self::Stray => "-stray",
            Self::Future => "-future",
        }
    }
}

/// A directory's name, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogDirectoryName {
    /// The topic; cut short in the name of a deleted log when it was very long.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// What becomes of it.
    pub state: LogState,
}

impl LogDirectoryName {
    /// Takes a name apart; `None` when it is not the name of a log's directory.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let (state, name) = [LogState::Deleted, LogState::Stray, LogState::Future]
            .into_iter()
            .find_map(|state| name.strip_suffix(state.suffix()).map(|rest| (state, rest)))
            .map_or(Some((LogState::Current, name)), |(state, rest)| {
                let (name, unique) = rest.rsplit_once('.')?;
                (!unique.is_empty()).then_some((state, name))
            })?;
        let (topic, digits) = name.rsplit_once('-')?;
        let partition: i32 = digits.parse().ok()?;
        let legal = is_topic_name(topic) && partition >= 0 && partition.to_string() == digits;
        legal.then(|| Self { topic: topic.to_owned(), partition, state })
    }
}

/// The name of the directory of a log that leaves: unique, so that a new log of the same name can come at once.
#[must_use]
pub(super) fn leaving_name(topic: &str, partition: i32, unique: Uuid, state: LogState) -> String {
    let tail = format!("-{partition}.{}{}", unique.simple(), state.suffix());
    let kept = topic.len().min(NAME_SIZE_BYTES_MAX - tail.len());
    format!("{}{tail}", &topic[..topic.floor_char_boundary(kept)])
}

fn is_topic_name(name: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !matches!(name, "" | "." | "..") && name.len() <= TOPIC_SIZE_BYTES_MAX && name.bytes().all(legal)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(name: &str) -> Option<(String, i32, LogState)> {
        LogDirectoryName::parse(name).map(|name| (name.topic, name.partition, name.state))
    }

    #[test]
    fn the_last_dash_parts_topic_and_partition() {
        assert_eq!(parse("foo-0"), Some(("foo".into(), 0, LogState::Current)));
        assert_eq!(parse("with-dashes-3-17"), Some(("with-dashes-3".into(), 17, LogState::Current)));
        assert_eq!(parse("-1-0"), Some(("-1".into(), 0, LogState::Current)));
        assert_eq!(parse("a.b-delete-2"), Some(("a.b-delete".into(), 2, LogState::Current)));
    }

    #[test]
    fn logs_on_their_way_are_told_by_their_suffix() {
        let unique = "8a371ab2070b4f94882b0958fb907a96";
        assert_eq!(parse(&format!("gone-0.{unique}-delete")), Some(("gone".into(), 0, LogState::Deleted)));
        assert_eq!(parse(&format!("a.b-c-1.{unique}-stray")), Some(("a.b-c".into(), 1, LogState::Stray)));
        assert_eq!(parse(&format!("x-12.{unique}-future")), Some(("x".into(), 12, LogState::Future)));
        let leaving = leaving_name("a.b-c", 1, Uuid::from_u128(0x8a37_1ab2_070b_4f94_882b_0958_fb90_7a96), LogState::Stray);
        assert_eq!(leaving, format!("a.b-c-1.{unique}-stray"));
    }

    #[test]
    fn the_longest_topic_can_be_deleted_too() {
        let topic = "x".repeat(TOPIC_SIZE_BYTES_MAX);
        let name = leaving_name(&topic, i32::MAX, Uuid::max(), LogState::Deleted);
        assert_eq!(name.len(), NAME_SIZE_BYTES_MAX);
        assert!(matches!(parse(&name), Some((_, i32::MAX, LogState::Deleted))));
    }

    #[test]
    fn other_names_are_no_logs() {
        let long = format!("{}-0", "x".repeat(TOPIC_SIZE_BYTES_MAX + 1));
        for name in [
            "",
            "foo",
            "foo-",
            "-0",
            ".-0",
            "..-0",
            "foo-00",
            "foo-+1",
            "foo-2147483648",
            "foo-0-delete",
            "foo-0.-delete",
            "a b-0",
            "ä-0",
            "lost+found",
            &long,
        ] {
            assert_eq!(parse(name), None, "{name:?}");
        }
    }
}
