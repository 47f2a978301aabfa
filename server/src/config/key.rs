//! What a configuration key is: one row of the tables in `keys/`.
//!
//! Rows are plain constants built by the `const` functions below; nothing is allocated, hashed or sorted at start. Facts (names, types,
//! defaults, ranges, importance, which may change at run time) are Apache Kafka 4.3.1's; the words are ours.

/// The type of a value, as Kafka's config APIs name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Bool,
    /// Kafka's STRING.
    Text,
    /// 32 bits.
    Int,
    /// 16 bits.
    Short,
    /// 64 bits.
    Long,
    /// A fraction.
    Double,
    /// Comma-separated items.
    List,
    /// The name of a Java class; kept as text, never loaded.
    Class,
    /// A secret: never shown, logged or sent.
    Password,
}

impl Kind {
    /// The code in DescribeConfigs answers from version 3 on (KIP-569).
    #[must_use]
    pub const fn wire_code(self) -> i8 {
        match self {
            Self::Bool => 1,
            Self::Text => 2,
            Self::Int => 3,
            Self::Short => 4,
            Self::Long => 5,
            Self::Double => 6,
            Self::List => 7,
            Self::Class => 8,
            Self::Password => 9,
        }
    }

    /// Kafka's name of the type.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bool => "BOOLEAN",
            Self::Text => "STRING",
            Self::Int => "INT",
            Self::Short => "SHORT",
            Self::Long => "LONG",
            Self::Double => "DOUBLE",
            Self::List => "LIST",
            Self::Class => "CLASS",
            Self::Password => "PASSWORD",
        }
    }
}

/// Which values of the right type are allowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Valid {
    /// All of them.
    Any,
    /// This number or more.
    AtLeast(i64),
    /// From the first to the second number, both included.
    Between(i64, i64),
    /// From the first to the second fraction, both included.
    BetweenReal(f64, f64),
    /// -1 or 1 to 9.
    GzipLevel,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// One of these words in any case.
    OneOfAnyCase(&'static [&'static str]),
    /// A text or list that is not empty.
    NotEmpty,
    /// A list of these words.
    ItemsOf(&'static [&'static str]),
    /// A list of these words that is not empty.
    SomeItemsOf(&'static [&'static str]),
    /// `partition:broker,...` or `*`.
    ThrottledReplicas,
    /// `latest`, `earliest` or `by_duration:<ISO 8601>`.
    AutoOffsetReset,
}

/// How much a key matters, in Kafka's opinion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Importance {
    /// Most installations set it.
    High,
    /// Some do.
    Medium,
    /// Few do.
    Low,
}

/// When a broker key may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateMode {
    /// Only at start.
    ReadOnly,
    /// At run time, for one broker.
    PerBroker,
    /// At run time, for one broker or all.
    ClusterWide,
}

/// Whether setting a key changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It does what its text says.
    Yes,
    /// It will, with a part of Ottla that is not built yet.
    Later,
    /// It never will: the thing it steers does not exist here.
    No,
}

/// How a value of a broker key becomes a value of the topic or group key that falls back to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// As it is.
    Same,
    /// Hours to milliseconds.
    Hours,
    /// Minutes to milliseconds.
    Minutes,
}

impl Unit {
    /// One of this unit in the key's own unit.
    #[must_use]
    pub const fn factor(self) -> i64 {
        match self {
            Self::Same => 1,
            Self::Hours => 3_600_000,
            Self::Minutes => 60_000,
        }
    }
}

/// A broker key that decides a topic or group key nobody set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Synonym {
    /// The broker key.
    pub name: &'static str,
    /// Its unit.
    pub unit: Unit,
}

/// One configuration key.
#[derive(Clone, Copy, Debug)]
pub struct KeyDef {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Its default as text; `None` is null.
    pub default: Option<&'static str>,
    /// What is allowed.
    pub valid: Valid,
    /// How much it matters.
    pub importance: Importance,
    /// When it may change (broker keys).
    pub mode: UpdateMode,
    /// Kafka does not show it in DescribeConfigs unless it is set.
    pub internal: bool,
    /// Broker keys that decide it when it is not set, first one first (topic and group keys).
    pub synonyms: &'static [Synonym],
    /// Whether setting it changes anything.
    pub effect: Effect,
    /// One line; for a key without effect the clause says what Kafka uses it for.
    pub text: &'static str,
}

pub(super) const fn key(name: &'static str, kind: Kind, default: &'static str, importance: Importance) -> KeyDef {
    KeyDef { default: Some(default), ..unset(name, kind, importance) }
}

pub(super) const fn unset(name: &'static str, kind: Kind, importance: Importance) -> KeyDef {
    KeyDef {
        name,
        kind,
        default: None,
        valid: Valid::Any,
        importance,
        mode: UpdateMode::ReadOnly,
        internal: false,
        synonyms: &[],
        effect: Effect::Yes,
        text: "",
    }
}

pub(super) const fn same(name: &'static str) -> Synonym {
    Synonym { name, unit: Unit::Same }
}

pub(super) const fn hours(name: &'static str) -> Synonym {
    Synonym { name, unit: Unit::Hours }
}

pub(super) const fn minutes(name: &'static str) -> Synonym {
    Synonym { name, unit: Unit::Minutes }
}

impl KeyDef {
    /// Whether the value is a secret.
    #[must_use]
    pub const fn is_sensitive(&self) -> bool {
        matches!(self.kind, Kind::Password)
    }

    /// The documentation a user reads, here and through DescribeConfigs.
    #[must_use]
    pub fn documentation(&self) -> String {
        match self.effect {
            Effect::Yes => self.text.to_owned(),
            Effect::Later => format!("{} Accepted; no effect in Ottla yet.", self.text),
            Effect::No => format!("Accepted; no effect in Ottla (in Kafka: {}).", self.text),
        }
    }

    pub(super) const fn valid(self, valid: Valid) -> Self {
        Self { valid, ..self }
    }

    pub(super) const fn at_least(self, least: i64) -> Self {
        self.valid(Valid::AtLeast(least))
    }

    pub(super) const fn between(self, least: i64, most: i64) -> Self {
        self.valid(Valid::Between(least, most))
    }

    pub(super) const fn between_real(self, least: f64, most: f64) -> Self {
        self.valid(Valid::BetweenReal(least, most))
    }

    pub(super) const fn gzip_level(self) -> Self {
        self.valid(Valid::GzipLevel)
    }

    pub(super) const fn one_of(self, words: &'static [&'static str]) -> Self {
        self.valid(Valid::OneOf(words))
    }

    pub(super) const fn one_of_any_case(self, words: &'static [&'static str]) -> Self {
        self.valid(Valid::OneOfAnyCase(words))
    }

    pub(super) const fn items_of(self, words: &'static [&'static str]) -> Self {
        self.valid(Valid::ItemsOf(words))
    }

    pub(super) const fn not_empty(self) -> Self {
        match self.valid {
            Valid::ItemsOf(words) => self.valid(Valid::SomeItemsOf(words)),
            _ => self.valid(Valid::NotEmpty),
        }
    }

    pub(super) const fn throttled_replicas(self) -> Self {
        self.valid(Valid::ThrottledReplicas)
    }

    pub(super) const fn auto_offset_reset(self) -> Self {
        self.valid(Valid::AutoOffsetReset)
    }

    pub(super) const fn internal(self) -> Self {
        Self { internal: true, ..self }
    }

    pub(super) const fn per_broker(self) -> Self {
        Self { mode: UpdateMode::PerBroker, ..self }
    }

    pub(super) const fn cluster_wide(self) -> Self {
        Self { mode: UpdateMode::ClusterWide, ..self }
    }

    pub(super) const fn synonyms(self, synonyms: &'static [Synonym]) -> Self {
        Self { synonyms, ..self }
    }

    pub(super) const fn doc(self, text: &'static str) -> Self {
        Self { text, ..self }
    }

    pub(super) const fn later(self, text: &'static str) -> Self {
        Self { text, effect: Effect::Later, ..self }
    }

    pub(super) const fn no_effect(self, text: &'static str) -> Self {
        Self { text, effect: Effect::No, ..self }
    }
}
