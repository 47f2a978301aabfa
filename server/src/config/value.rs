//! Text to value and back, under the rules of a key.
//!
//! `Value::parse` is the only door: after it, values have the right type and range. Reasons are worded as Kafka words them, because
//! AlterConfigs and CreateTopics hand them to clients.

use super::key::{KeyDef, Kind, Valid};
use std::borrow::Cow;
use std::fmt;

/// A value that fits its key.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// Nothing set and no default.
    Null,
    /// Of a BOOLEAN.
    Bool(bool),
    /// Of an INT, SHORT or LONG.
    Number(i64),
    /// Of a DOUBLE.
    Real(f64),
    /// Of a STRING, CLASS or LIST (items joined by a comma, no spaces).
    Text(Cow<'static, str>),
    /// Of a PASSWORD; not shown.
    Secret(Box<str>),
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Secret(_) => f.write_str("[hidden]"),
            other => f.write_str(&other.text().unwrap_or_default()),
        }
    }
}

/// Why a text is no value of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The value is wrong, for this reason.
    Value(String),
    /// A whole sentence that already names the key.
    Sentence(String),
}

impl Problem {
    /// The text Kafka gives a client.
    #[must_use]
    pub fn message(&self, key: &KeyDef, given: &str) -> String {
        match self {
            Self::Sentence(sentence) => sentence.clone(),
            Self::Value(reason) => {
                let shown = if key.is_sensitive() { "[hidden]" } else { given };
                format!("Invalid value {shown} for configuration {}: {reason}", key.name)
            }
        }
    }

    /// The reason alone.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Value(reason) | Self::Sentence(reason) => reason,
        }
    }
}

impl Value {
    /// Reads `text` as a value of `key`.
    pub fn parse(key: &KeyDef, text: &str) -> Result<Self, Problem> {
        let text = text.trim();
        match key.kind {
            Kind::Bool => match text {
                _ if text.eq_ignore_ascii_case("true") => Ok(Self::Bool(true)),
                _ if text.eq_ignore_ascii_case("false") => Ok(Self::Bool(false)),
                _ => Err(Problem::Value("Expected value to be either true or false".into())),
            },
            Kind::Int => number(key, text.parse::<i32>().map(i64::from).ok()),
            Kind::Short => number(key, text.parse::<i16>().map(i64::from).ok()),
            Kind::Long => number(key, text.parse::<i64>().ok()),
            Kind::Double => real(key, text),
            Kind::Text | Kind::Class => word(key, text),
            Kind::Password => Ok(Self::Secret(text.into())),
            Kind::List => list(key, text),
        }
    }

    /// The default of `key`, without copying it.
    #[must_use]
    pub fn default_of(key: &'static KeyDef) -> Self {
        match (key.default, key.kind) {
            (None, _) => Self::Null,
            (Some(text), Kind::Text | Kind::Class | Kind::List) => Self::Text(Cow::Borrowed(text)),
            // A test parses every default of the tables.
            (Some(text), _) => Self::parse(key, text).unwrap_or(Self::Null),
        }
    }

    /// The value in Kafka's spelling; none for null and for secrets.
    #[must_use]
    pub fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Null | Self::Secret(_) => None,
            Self::Bool(true) => Some(Cow::Borrowed("true")),
            Self::Bool(false) => Some(Cow::Borrowed("false")),
            Self::Number(number) => Some(Cow::Owned(number.to_string())),
            Self::Real(real) => Some(Cow::Owned(java_double(*real))),
            Self::Text(text) => Some(Cow::Borrowed(text)),
        }
    }

    /// The items of a list, in order.
    pub fn items(&self) -> impl Iterator<Item = &str> {
        let text = if let Self::Text(text) = self { text.as_ref() } else { "" };
        text.split(',').filter(|item| !item.is_empty())
    }
}

fn number(key: &KeyDef, parsed: Option<i64>) -> Result<Value, Problem> {
    let Some(number) = parsed else {
        return Err(Problem::Value(format!("Not a number of type {}", key.kind.name())));
    };
    let (least, most) = match key.valid {
        Valid::AtLeast(least) => (least, i64::MAX),
        Valid::Between(least, most) => (least, most),
        Valid::GzipLevel if number != -1 && !(1..=9).contains(&number) => {
            return Err(Problem::Value("Value must be between 1 and 9 or equal to -1".into()));
        }
        _ => (i64::MIN, i64::MAX),
    };
    if number < least {
        return Err(Problem::Value(format!("Value must be at least {least}")));
    }
    if number > most {
        return Err(Problem::Value(format!("Value must be no more than {most}")));
    }
    Ok(Value::Number(number))
}

fn real(key: &KeyDef, text: &str) -> Result<Value, Problem> {
    let Some(real) = text.parse::<f64>().ok().filter(|real| real.is_finite()) else {
        return Err(Problem::Value("Not a number of type DOUBLE".into()));
    };
    if let Valid::BetweenReal(least, most) = key.valid {
        if real < least {
            return Err(Problem::Value(format!("Value must be at least {least}")));
        }
        if real > most {
            return Err(Problem::Value(format!("Value must be no more than {most}")));
        }
    }
    Ok(Value::Real(real))
}

fn word(key: &KeyDef, text: &str) -> Result<Value, Problem> {
    match key.valid {
        Valid::OneOf(words) if !words.contains(&text) => {
            return Err(Problem::Value(format!("String must be one of: {}", words.join(", "))));
        }
        Valid::OneOfAnyCase(words) if !words.iter().any(|word| word.eq_ignore_ascii_case(text)) => {
            return Err(Problem::Value(format!("String must be one of (case insensitive): {}", words.join(", "))));
        }
        Valid::NotEmpty if text.is_empty() => return Err(Problem::Value("String must be non-empty".into())),
        Valid::AutoOffsetReset if !is_auto_offset_reset(text) => {
            return Err(Problem::Value(format!(
                "Invalid value `{text}` for configuration {}. The value must be either 'earliest', 'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'.",
                key.name
            )));
        }
        _ => {}
    }
    Ok(Value::Text(Cow::Owned(text.to_owned())))
}

fn list(key: &KeyDef, text: &str) -> Result<Value, Problem> {
    let mut items: Vec<&str> = Vec::new();
    if !text.is_empty() {
        for item in text.split(',').map(str::trim) {
            if item.is_empty() && key.valid != Valid::ThrottledReplicas {
                return Err(Problem::Sentence(format!("Configuration '{}' values must not be empty.", key.name)));
            }
            if !items.contains(&item) {
                items.push(item);
            }
        }
    }
    let (words, may_be_empty): (&[&str], bool) = match key.valid {
        Valid::ItemsOf(words) => (words, true),
        Valid::SomeItemsOf(words) => (words, false),
        Valid::NotEmpty => (&[], false),
        _ => (&[], true),
    };
    if items.is_empty() && !may_be_empty {
        let which = if words.is_empty() { "any non-empty value".to_owned() } else { format!("[{}]", words.join(", ")) };
        return Err(Problem::Sentence(format!("Configuration '{}' must not be empty. Valid values include: {which}", key.name)));
    }
    if let Some(stranger) = items.iter().find(|item| !words.is_empty() && !words.contains(item)) {
        return Err(Problem::Sentence(format!(
            "Invalid value {stranger} for configuration {}: String must be one of: {}",
            key.name,
            words.join(", ")
        )));
    }
    if key.valid == Valid::ThrottledReplicas && items != ["*"] && !items.iter().all(|item| is_replica(item)) {
        return Err(Problem::Sentence(format!(
            "Invalid value [{}] for configuration {name}: {name} must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...",
            items.join(", "),
            name = key.name
        )));
    }
    Ok(Value::Text(Cow::Owned(items.join(","))))
}

/// `partition:broker`; Kafka lets an empty item pass.
fn is_replica(item: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    item.is_empty() || item.split_once(':').is_some_and(|(partition, broker)| digits(partition) && digits(broker))
}

fn is_auto_offset_reset(text: &str) -> bool {
    match text.strip_prefix("by_duration:") {
        Some(duration) => is_duration(duration),
        None => text == "latest" || text == "earliest",
    }
}

/// A non-negative ISO 8601 duration of days, hours, minutes and seconds: `P1DT2H`, `PT0.5S`.
fn is_duration(text: &str) -> bool {
    let Some(text) = text.strip_prefix(['P', 'p']) else { return false };
    let (days, time) = match text.split_once(['T', 't']) {
        Some((days, time)) => (days, Some(time)),
        None => (text, None),
    };
    let days_fit = days.is_empty() || is_amount(days, 'D', false).is_some_and(str::is_empty);
    let Some(mut rest) = time else { return days_fit && !days.is_empty() };
    if rest.is_empty() {
        return false;
    }
    for (unit, fraction) in [('H', false), ('M', false), ('S', true)] {
        rest = is_amount(rest, unit, fraction).unwrap_or(rest);
    }
    days_fit && rest.is_empty()
}

/// What follows a number and its unit, if `text` begins with them.
fn is_amount(text: &str, unit: char, fraction: bool) -> Option<&str> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || (fraction && c == '.')))?;
    let (amount, rest) = text.split_at(end);
    let mut parts = amount.splitn(2, '.');
    let whole = parts.next()?;
    let parts_fit = !whole.is_empty() && whole.len() <= 18 && parts.next().is_none_or(|part| part.len() <= 9 && !part.contains('.'));
    let rest = rest.strip_prefix([unit, unit.to_ascii_lowercase()])?;
    parts_fit.then_some(rest)
}

/// A double as Java prints it: plain from a thousandth to ten million, else `d.dE±x`.
fn java_double(real: f64) -> String {
    let size = real.abs();
    if real == 0.0 || (1e-3..1e7).contains(&size) {
        return format!("{real:?}");
    }
    let text = format!("{real:E}");
    match text.split_once('E') {
        Some((digits, exponent)) if !digits.contains('.') => format!("{digits}.0E{exponent}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys::{broker_key, group_key, topic_key};
    use super::*;

    fn topic(name: &str, text: &str) -> Result<String, String> {
        let key = topic_key(name).expect("a topic key");
        Value::parse(key, text).map(|value| value.text().unwrap_or_default().into_owned()).map_err(|problem| problem.message(key, text))
    }

    #[test]
    fn values_are_spelled_as_kafka_spells_them() {
        for (name, text, spelled) in [
            ("segment.bytes", " 2000000 ", "2000000"),
            ("segment.bytes", "+2000000", "2000000"),
            ("preallocate", "TRUE", "true"),
            ("cleanup.policy", "delete,delete", "delete"),
            ("cleanup.policy", "", ""),
            ("cleanup.policy", " compact , delete ", "compact,delete"),
            ("compression.type", " gzip ", "gzip"),
            ("min.cleanable.dirty.ratio", "0.50", "0.5"),
            ("min.cleanable.dirty.ratio", "1", "1.0"),
            ("min.cleanable.dirty.ratio", "1e-5", "1.0E-5"),
            ("leader.replication.throttled.replicas", "0:1,1:2", "0:1,1:2"),
            ("leader.replication.throttled.replicas", "*", "*"),
            ("leader.replication.throttled.replicas", "1:2,", "1:2,"),
        ] {
            assert_eq!(topic(name, text).as_deref(), Ok(spelled), "{name}={text}");
        }
        assert_eq!(java_double(f64::MAX), "1.7976931348623157E308");
        assert_eq!(java_double(12_345_678.5), "1.23456785E7");
    }

    #[test]
    fn refusals_are_worded_as_kafka_words_them() {
        for (name, text, message) in [
            ("segment.bytes", "abc", "Invalid value abc for configuration segment.bytes: Not a number of type INT"),
            ("segment.bytes", "1", "Invalid value 1 for configuration segment.bytes: Value must be at least 1048576"),
            ("segment.bytes", "", "Invalid value  for configuration segment.bytes: Not a number of type INT"),
            ("segment.bytes", "99999999999", "Invalid value 99999999999 for configuration segment.bytes: Not a number of type INT"),
            ("retention.ms", "-2", "Invalid value -2 for configuration retention.ms: Value must be at least -1"),
            ("preallocate", "yes", "Invalid value yes for configuration preallocate: Expected value to be either true or false"),
            ("cleanup.policy", "foo", "Invalid value foo for configuration cleanup.policy: String must be one of: compact, delete"),
            ("cleanup.policy", "compact,,delete", "Configuration 'cleanup.policy' values must not be empty."),
            (
                "compression.type",
                "brotli",
                "Invalid value brotli for configuration compression.type: String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer",
            ),
            (
                "min.cleanable.dirty.ratio",
                "1.5",
                "Invalid value 1.5 for configuration min.cleanable.dirty.ratio: Value must be no more than 1",
            ),
            (
                "compression.gzip.level",
                "0",
                "Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1",
            ),
            ("compression.lz4.level", "18", "Invalid value 18 for configuration compression.lz4.level: Value must be no more than 17"),
            (
                "leader.replication.throttled.replicas",
                "abc",
                "Invalid value [abc] for configuration leader.replication.throttled.replicas: leader.replication.throttled.replicas must be the literal '*' or a list of replicas in the following format: [partitionId]:[brokerId],[partitionId]:[brokerId],...",
            ),
        ] {
            assert_eq!(topic(name, text), Err(message.to_owned()), "{name}={text}");
        }
    }

    #[test]
    fn broker_lists_that_must_not_be_empty_say_so() {
        let key = broker_key("listeners").expect("known").1;
        let problem = Value::parse(key, "").expect_err("empty");
        assert_eq!(problem.message(key, ""), "Configuration 'listeners' must not be empty. Valid values include: any non-empty value");
        let key = broker_key("group.consumer.migration.policy").expect("known").1;
        assert_eq!(Value::parse(key, "UPGRADE"), Ok(Value::Text("UPGRADE".into())));
        let problem = Value::parse(key, "sideways").expect_err("no such policy");
        assert_eq!(problem.reason(), "String must be one of (case insensitive): DISABLED, DOWNGRADE, UPGRADE, BIDIRECTIONAL");
    }

    #[test]
    fn share_groups_start_at_latest_earliest_or_a_duration_ago() {
        let key = group_key("share.auto.offset.reset").expect("known");
        for good in ["latest", "earliest", "by_duration:PT1H", "by_duration:P2DT3H4M5.678S", "by_duration:P1D", "by_duration:pt0.5s"] {
            assert!(Value::parse(key, good).is_ok(), "{good}");
        }
        for bad in [
            "LATEST",
            "foo",
            "",
            "by_duration:x",
            "by_duration:",
            "by_duration:P",
            "by_duration:PT",
            "by_duration:-PT1H",
            "by_duration:P1H",
        ] {
            assert!(Value::parse(key, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_secret_is_never_printed() {
        let key = broker_key("ssl.key.password").expect("known").1;
        let value = Value::parse(key, "hunter2").expect("any text");
        assert_eq!(format!("{value:?}"), "[hidden]");
        assert_eq!(value.text(), None);
        assert_eq!(Problem::Value("no".into()).message(key, "hunter2"), "Invalid value [hidden] for configuration ssl.key.password: no");
    }
}
