//! What is wrong with a configuration, in one line that names key, value, what is allowed, and where it was set.

use super::key::{KeyDef, Kind, Valid};
use super::value::Problem;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// Where a setting came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// Ottla's own choice for a single node, where Kafka's default would not work on one.
    SingleNode,
    /// A properties file.
    File {
        /// As given.
        path: Arc<str>,
        /// Counted from 1.
        line: usize,
    },
    /// An environment variable.
    Environment(Arc<str>),
    /// An argument, such as `--port`.
    CommandLine(Arc<str>),
    /// A dynamic setting for all brokers.
    DynamicDefault,
    /// A dynamic setting for this broker.
    DynamicBroker,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("built-in default"),
            Self::SingleNode => f.write_str("built-in default of a single node"),
            Self::File { path, line } => write!(f, "{path}:{line}"),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::CommandLine(flag) => write!(f, "command line {flag}"),
            Self::DynamicDefault => f.write_str("dynamic setting of all brokers"),
            Self::DynamicBroker => f.write_str("dynamic setting of this broker"),
        }
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is not there or cannot be read.
    #[error("cannot read configuration file {}: {error}", path.display())]
    Read {
        /// As given.
        path: PathBuf,
        /// The system's reason.
        error: std::io::Error,
    },
    /// The file is no properties file.
    #[error("configuration file {path}: {error}")]
    Syntax {
        /// As given.
        path: Arc<str>,
        /// What is wrong.
        error: super::properties::MalformedEscape,
    },
    /// A key nobody knows.
    #[error("unknown configuration key {key} ({origin}){hint}", hint = suggestion.as_ref().map(|name| format!("; did you mean {name}?")).unwrap_or_default())]
    Unknown {
        /// As given.
        key: String,
        /// A known one close by.
        suggestion: Option<String>,
        /// Where it was set.
        origin: Origin,
    },
    /// A value that does not fit.
    #[error(transparent)]
    Value(Box<RefusedValue>),
    /// An argument that is not `key=value`.
    #[error("--override {0}: expected key=value")]
    Override(String),
}

/// A value that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key} = {value} ({origin}): {reason}; allowed: {allowed}")]
pub struct RefusedValue {
    /// The key.
    pub key: String,
    /// As given; `[hidden]` for secrets.
    pub value: String,
    /// Why not.
    pub reason: String,
    /// What would fit.
    pub allowed: String,
    /// Where it was set.
    pub origin: Origin,
}

impl ConfigError {
    pub(super) fn value(key: &KeyDef, given: &str, problem: &Problem, origin: Origin) -> Self {
        let value = if key.is_sensitive() { "[hidden]" } else { given };
        Self::refused(key.name, value, problem.reason().to_owned(), &allowed(key), origin)
    }

    /// Why, without where.
    pub(super) fn reason(&self) -> String {
        match self {
            Self::Value(refused) => refused.reason.clone(),
            other => other.to_string(),
        }
    }

    /// A value that its own key allows but another setting does not.
    pub(super) fn refused(key: &str, given: &str, reason: String, allowed: &str, origin: Origin) -> Self {
        Self::Value(Box::new(RefusedValue { key: key.to_owned(), value: given.to_owned(), reason, allowed: allowed.to_owned(), origin }))
    }
}

/// What a key allows, for people.
#[must_use]
pub(super) fn allowed(key: &KeyDef) -> String {
    match key.valid {
        Valid::AtLeast(least) => format!("{} of {least} or more", noun(key.kind)),
        Valid::Between(least, most) => format!("{} from {least} to {most}", noun(key.kind)),
        Valid::BetweenReal(least, most) => format!("a fraction from {least} to {most}"),
        Valid::GzipLevel => "-1 or a whole number from 1 to 9".into(),
        Valid::OneOf(words) => format!("one of {}", words.join(", ")),
        Valid::OneOfAnyCase(words) => format!("one of {} in any case", words.join(", ")),
        Valid::ItemsOf(words) => format!("a comma-separated list of {}", words.join(", ")),
        Valid::SomeItemsOf(words) => format!("a comma-separated list of at least one of {}", words.join(", ")),
        Valid::NotEmpty if key.kind == Kind::List => "a comma-separated list of at least one item".into(),
        Valid::NotEmpty => "a text that is not empty".into(),
        Valid::ThrottledReplicas => "* or partition:broker,...".into(),
        Valid::AutoOffsetReset => "latest, earliest or by_duration:<ISO 8601 duration>".into(),
        Valid::Any => noun(key.kind).to_owned(),
    }
}

fn noun(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "true or false",
        Kind::Text => "any text",
        Kind::Class => "the name of a Java class",
        Kind::Password => "any secret",
        Kind::Short => "a whole number of 16 bits",
        Kind::Int => "a whole number of 32 bits",
        Kind::Long => "a whole number of 64 bits",
        Kind::Double => "a fraction",
        Kind::List => "a comma-separated list",
    }
}
