//! Regular expressions over topic names, with the syntax and the meaning of RE2J, which Kafka uses.
//!
//! A pattern must match the whole name. Internal topics match like any other, as in Kafka. Matching takes time in proportion to the
//! name, whatever the pattern.

use regex::bytes::{Regex, RegexBuilder};

/// A pattern that passed.
#[derive(Clone, Debug)]
pub(in super::super) struct TopicRegex(Regex);

/// Why a pattern did not pass; prints as Kafka's message for `INVALID_REGULAR_EXPRESSION`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("SubscribedTopicRegex `{pattern}` is not a valid regular expression: {description}.")]
pub(in super::super) struct InvalidRegex {
    pattern: String,
    description: &'static str,
}

impl TopicRegex {
    /// Checks and compiles a pattern.
    #[allow(dead_code, reason = "called once consumer heartbeats resolve patterns")]
    pub(in super::super) fn compile(pattern: &str) -> Result<Self, InvalidRegex> {
        let whole = format!(r"\A(?:{pattern})\z");
        match RegexBuilder::new(&whole).unicode(false).build() {
            Ok(regex) => Ok(Self(regex)),
            Err(_) => Err(InvalidRegex { pattern: pattern.to_owned(), description: "invalid escape sequence" }),
        }
    }

    /// Whether the whole name matches.
    #[allow(dead_code, reason = "called once consumer heartbeats resolve patterns")]
    pub(in super::super) fn matches(&self, topic_name: &str) -> bool {
        self.0.is_match(topic_name.as_bytes())
    }
}
