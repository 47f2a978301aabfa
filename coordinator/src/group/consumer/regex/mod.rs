//! Regular expressions over topic names, with the syntax and the meaning of RE2J, which Kafka uses.
//!
//! A pattern must match the whole name. Internal topics match like any other, as in Kafka. Matching takes time in proportion to the
//! name, whatever the pattern, and a pattern takes a bounded amount of memory: larger ones are refused, which RE2J would take.

mod class;
mod parser;

use regex::bytes::{Regex, RegexBuilder};

const PROGRAM_SIZE_BYTES_MAX: usize = 1 << 20;
const TOO_LARGE: &str = "expression is too large";

/// A pattern that passed.
#[derive(Clone, Debug)]
pub(crate) struct TopicRegex(Regex);

/// Why a pattern did not pass; prints as Kafka's message for `INVALID_REGULAR_EXPRESSION`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("SubscribedTopicRegex `{pattern}` is not a valid regular expression: {description}.")]
pub(crate) struct InvalidRegex {
    pattern: String,
    description: &'static str,
}

impl TopicRegex {
    /// Checks and compiles a pattern.
    pub(crate) fn compile(pattern: &str) -> Result<Self, InvalidRegex> {
        Self::build(pattern).map(Self).map_err(|description| InvalidRegex { pattern: pattern.to_owned(), description })
    }

    fn build(pattern: &str) -> Result<Regex, &'static str> {
        let whole = format!(r"\A(?:{})\z", parser::translate(pattern)?);
        let mut builder = RegexBuilder::new(&whole);
        // A group is up to four levels: its repetition, itself, a choice, a sequence.
        let nest_limit = u32::try_from(4 * parser::DEPTH_MAX + 10).unwrap_or(u32::MAX);
        match builder.unicode(false).size_limit(PROGRAM_SIZE_BYTES_MAX).nest_limit(nest_limit).build() {
            Ok(regex) => Ok(regex),
            Err(regex::Error::CompiledTooBig(_)) => Err(TOO_LARGE),
            Err(_) => Err(parser::NESTS_TOO_DEEPLY),
        }
    }

    /// Whether the whole name matches.
    pub(crate) fn matches(&self, topic_name: &str) -> bool {
        self.0.is_match(topic_name.as_bytes())
    }
}

#[cfg(test)]
mod tests;
