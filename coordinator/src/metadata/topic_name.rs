//! A topic name that has passed Kafka's rules; the parse-at-the-door type for names.
//!
//! A `TopicName` is safe as part of a directory name: no separators, never `.` or `..`, at most 249 bytes.

use std::borrow::Borrow;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// The longest name: a directory name of 255 bytes less `-` and the longest partition number Kafka allows for.
pub const MAX_TOPIC_NAME_BYTES: usize = 249;

/// A valid topic name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName(Arc<str>);

/// Why a topic name was refused, in the words clients see.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidTopicName(pub String);

impl TopicName {
    /// Takes a name that keeps Kafka's rules.
    ///
    /// # Errors
    /// The name is empty, `.` or `..`, longer than 249 bytes, or has a character outside `[a-zA-Z0-9._-]`.
    pub fn parse(name: &str) -> Result<Self, InvalidTopicName> {
        let refuse = |why: String| Err(InvalidTopicName(format!("Topic name is invalid: {why}")));
        if name.is_empty() {
            return refuse("the empty string is not allowed".to_owned());
        }
        if name == "." || name == ".." {
            return refuse(format!("'{name}' is not allowed"));
        }
        // Java counts UTF-16 units; a name with any non-ASCII character is refused either way.
        if name.encode_utf16().count() > MAX_TOPIC_NAME_BYTES {
            return refuse(format!("the length of '{name}' is longer than the max allowed length {MAX_TOPIC_NAME_BYTES}"));
        }
        if !name.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-')) {
            return refuse(format!("'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"));
        }
        Ok(Self(Arc::from(name)))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the name has a character that metric names fold: `.` becomes `_` there.
    #[must_use]
    pub fn has_collision_chars(&self) -> bool {
        self.0.bytes().any(|c| matches!(c, b'.' | b'_'))
    }

    /// The name with `.` folded to `_`; two topics must not share it.
    #[must_use]
    pub fn collision_key(&self) -> String {
        self.0.replace('.', "_")
    }

    /// Whether this is one of the topics that coordinators keep their state in.
    #[must_use]
    pub fn is_internal(&self) -> bool {
        matches!(self.as_str(), "__consumer_offsets" | "__transaction_state" | "__share_group_state")
    }
}

impl Deref for TopicName {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for TopicName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}
