//! Gathers the layers, names what is unknown, and checks what no single key can.

use super::environment::{self, Meaning};
use super::error::{ConfigError, Origin};
use super::key::{Effect, Kind};
use super::keys::{BROKER_KEYS, TOPIC_KEYS, broker_key, topic_key};
use super::listeners::{self, Texts};
use super::value::Value;
use super::{Config, Fixed, Layer, effective_values, groups, properties, suggest};
use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

/// The layers of a configuration so far. Files lose to environment variables, those to the command line, whatever the order of calls.
#[derive(Debug, Default)]
pub struct ConfigBuilder {
    files: Vec<(String, String, Origin)>,
    environment: Vec<(String, String, Origin)>,
    command_line: Vec<(String, String, Origin)>,
    warnings: Vec<String>,
    has_file: bool,
}

/// What Ottla chooses for a single node unless somebody set the key, and why Kafka's default would not do.
const SINGLE_NODE: &[(&str, &str)] = &[
    // Required keys in Kafka, and these are the only values that make sense here.
    ("node.id", "1"),
    ("process.roles", "broker,controller"),
    // One broker cannot hold three replicas: with Kafka's defaults no group and no transaction would ever work.
    ("offsets.topic.replication.factor", "1"),
    ("transaction.state.log.replication.factor", "1"),
    ("transaction.state.log.min.isr", "1"),
    ("share.coordinator.state.topic.replication.factor", "1"),
    ("share.coordinator.state.topic.min.isr", "1"),
];

/// More of that when there is no configuration file, so nobody has thought about production yet.
const WITHOUT_A_FILE: &[(&str, &str)] = &[
    // Not reachable from elsewhere until somebody asks for it.
    ("listeners", "PLAINTEXT://localhost:9092"),
    // The first consumer of a test should not wait for others.
    ("group.initial.rebalance.delay.ms", "0"),
];

const DATA_DIR: &str = "./ottla-data";

/// Keys of Apache Kafka before 4.0 and of its plugins that are not in the tables: they do no harm.
const FORMER_KEYS: &[&str] = &[
    "advertised.host.name",
    "advertised.port",
    "authorizer.properties",
    "broker.id.generation.enable",
    "control.plane.listener.name",
    "controlled.shutdown.max.retries",
    "controlled.shutdown.retry.backoff.ms",
    "delegation.token.master.key",
    "host.name",
    "inter.broker.protocol.version",
    "leader.imbalance.per.broker.percentage",
    "log.message.downconversion.enable",
    "log.message.format.version",
    "log.message.timestamp.difference.max.ms",
    "port",
    "reserved.broker.max.id",
    "group.coordinator.new.enable",
    "group.share.enable",
    "group.share.max.groups",
];
const FORMER_PREFIXES: &[&str] = &["zookeeper.", "confluent."];

/// Keys that belong to authorizers, metadata managers and reporters; Kafka hands them on unread.
const PLUGIN_KEYS: &[&str] = &["allow.everyone.if.no.acl.found", "super.users"];
const PLUGIN_PREFIXES: &[&str] = &["rlmm.config.", "rsm.config.", "metrics.context.", "org.apache.kafka."];

impl ConfigBuilder {
    /// Reads a properties file. The parsing of everything happens here, so that syntax errors name the line.
    pub fn file(self, path: &Path) -> Result<Self, ConfigError> {
        let bytes = std::fs::read(path).map_err(|error| ConfigError::Read { path: path.to_owned(), error })?;
        self.properties(&String::from_utf8_lossy(&bytes), &path.display().to_string())
    }

    /// Takes the text of a properties file; `name` is shown in errors.
    pub fn properties(mut self, text: &str, name: &str) -> Result<Self, ConfigError> {
        let path: Arc<str> = name.into();
        let properties = properties::parse(text).map_err(|error| ConfigError::Syntax { path: Arc::clone(&path), error })?;
        for property in properties {
            self.files.push((property.key, property.value, Origin::File { path: Arc::clone(&path), line: property.line }));
        }
        self.has_file = true;
        Ok(self)
    }

    /// Takes environment variables; those that are not about Kafka or Ottla are passed over.
    #[must_use]
    pub fn environment(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut variables: Vec<(String, String)> = variables.into_iter().collect();
        // A process hands its environment over in no order that means anything.
        variables.sort();
        for (name, value) in variables {
            match environment::meaning(&name) {
                Some(Meaning::Setting(key)) => self.environment.push((key, value, Origin::Environment(name.into()))),
                Some(Meaning::NotASetting) if name.starts_with("KAFKA_") => {
                    tracing::debug!("{name} has no meaning for Ottla and is ignored");
                }
                Some(Meaning::NotASetting) | None => {}
            }
        }
        self
    }

    /// Takes `key=value` of `--override`.
    pub fn override_with(self, pair: &str) -> Result<Self, ConfigError> {
        match pair.split_once('=') {
            Some((key, value)) if !key.trim().is_empty() => Ok(self.set(key.trim(), value, "--override")),
            _ => Err(ConfigError::Override(pair.to_owned())),
        }
    }

    /// Sets a key from the command line; `flag` is shown in errors.
    #[must_use]
    pub fn set(mut self, key: &str, value: &str, flag: &str) -> Self {
        self.command_line.push((key.to_owned(), value.to_owned(), Origin::CommandLine(flag.into())));
        self
    }

    /// Listens on localhost and this port only; what lower layers say of listeners and their addresses no longer counts.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        const REPLACED: [&str; 3] = ["listeners", "advertised.listeners", "inter.broker.listener.name"];
        self.files.retain(|(key, _, _)| !REPLACED.contains(&key.as_str()));
        self.environment.retain(|(key, _, _)| !REPLACED.contains(&key.as_str()));
        self.set("listeners", &format!("PLAINTEXT://localhost:{port}"), "--port")
    }

    /// Puts the layers together and checks them.
    pub fn build(mut self) -> Result<Config, ConfigError> {
        let mut settings = Layer::default();
        for (key, value, origin) in std::mem::take(&mut self.files) {
            self.admit(&mut settings, &key, &value, origin)?;
        }
        for (key, value, origin) in std::mem::take(&mut self.environment) {
            self.admit(&mut settings, &key, &value, origin)?;
        }
        for (key, value, origin) in std::mem::take(&mut self.command_line) {
            self.admit(&mut settings, &key, &value, origin)?;
        }
        self.fill(&mut settings);
        check_ids(&mut settings)?;
        check_roles(&settings)?;
        check_authorizer(&settings)?;
        self.warn_of_classes(&settings);
        let (listeners, inter_broker_listener) = resolve_listeners(&settings)?;
        let metrics_listener = metrics_listener(&settings)?;
        let values = effective_values(&[], &settings);
        let fixed = Arc::new(Fixed { settings, listeners, inter_broker_listener, metrics_listener, warnings: self.warnings });
        let config = Config { values, fixed, dynamic_defaults: Layer::default(), dynamic: Layer::default(), advertised_anew: Vec::new() };
        groups::check(&config)?;
        Ok(config)
    }

    /// Checks one setting by itself and takes it in, over what lower layers said.
    fn admit(&mut self, settings: &mut Layer, key: &str, value: &str, origin: Origin) -> Result<(), ConfigError> {
        if let Some((_, def)) = broker_key(key) {
            // Tools that assemble lists of listeners leave stray commas.
            let value = if matches!(key, "listeners" | "advertised.listeners") { without_empty_items(value) } else { value.into() };
            Value::parse(def, &value).map_err(|problem| ConfigError::value(def, &value, &problem, origin.clone()))?;
            settings.set(key, &value, origin);
            return Ok(());
        }
        if let Some(base) = listener_base(key) {
            if let Some((_, def)) = broker_key(base) {
                Value::parse(def, value).map_err(|problem| ConfigError::value(def, value, &problem, origin.clone()))?;
            }
            settings.set(key, value, origin);
            return Ok(());
        }
        if FORMER_KEYS.contains(&key) || FORMER_PREFIXES.iter().any(|prefix| key.starts_with(prefix)) {
            self.warnings.push(format!("{key} ({origin}) has no meaning in Kafka 4 and is ignored"));
            return Ok(());
        }
        if PLUGIN_KEYS.contains(&key) || PLUGIN_PREFIXES.iter().any(|prefix| key.starts_with(prefix)) {
            settings.set(key, value, origin);
            return Ok(());
        }
        let suggestion = suggestion(key);
        if let Origin::Environment(_) = origin {
            // Orchestrators inject variables of their own (KAFKA_URL, KAFKA_PORT_9092_TCP): no reason not to start.
            let hint = suggestion.map(|name| format!("; did you mean the key {name}?")).unwrap_or_default();
            self.warnings.push(format!("{origin} names no known key ({key}) and is ignored{hint}"));
            return Ok(());
        }
        Err(ConfigError::Unknown { key: key.to_owned(), suggestion, origin })
    }

    /// A class that would have refused or decided something and does not: the operator should know.
    fn warn_of_classes(&mut self, settings: &Layer) {
        for name in settings.names() {
            let class = broker_key(name).is_some_and(|(_, key)| key.kind == Kind::Class && key.effect != Effect::Yes);
            if class && let Some((text, origin)) = text_of(settings, name) {
                self.warnings.push(format!("{name} = {text} ({origin}) has no effect: Ottla runs no Java classes"));
            }
        }
    }

    /// What Ottla chooses where nobody chose.
    fn fill(&self, settings: &mut Layer) {
        if let Some(id) = settings.get("broker.id").cloned()
            && settings.get("node.id").is_none()
        {
            settings.set("node.id", &id.text, id.origin);
        }
        if let Some(id) = settings.get("node.id").cloned()
            && settings.get("broker.id").is_none()
        {
            settings.set("broker.id", &id.text, id.origin);
        }
        if !self.has_file {
            if let Some(advertised) = settings.get("advertised.listeners").cloned()
                && settings.get("listeners").is_none()
            {
                settings.set("listeners", &on_every_interface(&advertised.text), advertised.origin);
            }
            choose(settings, WITHOUT_A_FILE);
        }
        choose(settings, SINGLE_NODE);
        if settings.get("log.dir").is_none() && settings.get("log.dirs").is_none() {
            settings.set("log.dirs", DATA_DIR, Origin::SingleNode);
        }
    }
}

fn metrics_listener(settings: &Layer) -> Result<Option<(String, u16)>, ConfigError> {
    const KEY: &str = "ottla.metrics.listener";
    text_of(settings, KEY).map(|(text, origin)| listeners::address(KEY, text, origin)).transpose()
}

/// Sets what nobody has set.
fn choose(settings: &mut Layer, choices: &[(&str, &str)]) {
    for (key, text) in choices {
        if settings.get(key).is_none() {
            settings.set(key, text, Origin::SingleNode);
        }
    }
}

/// `NAME://host:port,...` with every host replaced, as the docker images derive `listeners` from `advertised.listeners`.
fn on_every_interface(advertised: &str) -> String {
    let item = |item: &str| match (item.split_once("://"), item.rsplit_once(':')) {
        (Some((name, _)), Some((_, port))) => format!("{name}://0.0.0.0:{port}"),
        _ => item.to_owned(),
    };
    advertised.split(',').map(item).collect::<Vec<_>>().join(",")
}

fn without_empty_items(list: &str) -> Cow<'_, str> {
    if list.split(',').all(|item| !item.trim().is_empty()) {
        return Cow::Borrowed(list);
    }
    let items: Vec<&str> = list.split(',').filter(|item| !item.trim().is_empty()).collect();
    Cow::Owned(items.join(","))
}

/// `base` of `listener.name.<listener>.base` and of `listener.name.<listener>.<mechanism>.base`.
pub(super) fn listener_base(key: &str) -> Option<&str> {
    let (_, rest) = key.strip_prefix("listener.name.")?.split_once('.')?;
    let (_, after_mechanism) = rest.split_once('.').unwrap_or(("", rest));
    Some(if broker_key(rest).is_none() && broker_key(after_mechanism).is_some() { after_mechanism } else { rest })
}

/// What may have been meant by an unknown key: the broker key a topic key falls back to, or the nearest name.
fn suggestion(key: &str) -> Option<String> {
    if let Some(topic) = topic_key(key)
        && let Some(synonym) = topic.synonyms.first()
    {
        return Some(format!("{} (the broker's default of the topic key {key})", synonym.name));
    }
    suggest::nearest(key, BROKER_KEYS.iter().chain(TOPIC_KEYS).map(|key| key.name)).map(str::to_owned)
}

fn text_of<'a>(settings: &'a Layer, key: &str) -> Option<(&'a str, &'a Origin)> {
    settings.get(key).map(|setting| (setting.text.trim(), &setting.origin)).filter(|(text, _)| !text.is_empty())
}

fn check_ids(settings: &mut Layer) -> Result<(), ConfigError> {
    let (Some(node), Some(broker)) = (text_of(settings, "node.id"), text_of(settings, "broker.id")) else { return Ok(()) };
    if node.0 == broker.0 || broker.0 == "-1" {
        return Ok(());
    }
    let reason = format!("node.id is {} ({}); both keys mean the same id", node.0, node.1);
    Err(ConfigError::refused("broker.id", broker.0, reason, node.0, broker.1.clone()))
}

/// Only the combined role and a quorum of this very node exist so far.
fn check_roles(settings: &Layer) -> Result<(), ConfigError> {
    let roles = text_of(settings, "process.roles");
    if let Some((text, origin)) = roles
        && !(text.contains("broker") && text.contains("controller"))
    {
        let reason = "separate broker and controller processes are not supported yet".to_owned();
        return Err(ConfigError::refused("process.roles", text, reason, "broker,controller", origin.clone()));
    }
    for key in ["controller.quorum.voters", "controller.quorum.bootstrap.servers"] {
        let Some((text, origin)) = text_of(settings, key) else { continue };
        if text.split(',').filter(|item| !item.trim().is_empty()).count() > 1 {
            let reason = "a quorum of several controllers is not supported yet".to_owned();
            return Err(ConfigError::refused(key, text, reason, "this node alone", origin.clone()));
        }
    }
    if let (Some((voters, origin)), Some((node, _))) = (text_of(settings, "controller.quorum.voters"), text_of(settings, "node.id")) {
        let voter = voters.split_once('@').map(|(id, _)| id.trim());
        if voter != Some(node) {
            let reason = match voter {
                Some(_) => format!("the only voter must be this node, whose node.id is {node}"),
                None => "a voter is written id@host:port".to_owned(),
            };
            return Err(ConfigError::refused("controller.quorum.voters", voters, reason, &format!("{node}@host:port"), origin.clone()));
        }
    }
    Ok(())
}

/// Whoever asks for an authorizer must not get a broker that allows everything.
fn check_authorizer(settings: &Layer) -> Result<(), ConfigError> {
    match text_of(settings, "authorizer.class.name") {
        None => Ok(()),
        Some((text, origin)) => {
            let reason = "authorization is not supported yet, and everybody would be allowed everything".to_owned();
            Err(ConfigError::refused("authorizer.class.name", text, reason, "no authorizer", origin.clone()))
        }
    }
}

fn resolve_listeners(settings: &Layer) -> Result<(Vec<listeners::Listener>, Arc<str>), ConfigError> {
    let or_default = |key: &str| {
        text_of(settings, key).unwrap_or_else(|| (broker_key(key).and_then(|(_, def)| def.default).unwrap_or_default(), &Origin::Default))
    };
    listeners::resolve(&Texts {
        listeners: or_default("listeners"),
        advertised: text_of(settings, "advertised.listeners"),
        protocols: or_default("listener.security.protocol.map"),
        controllers: text_of(settings, "controller.listener.names"),
        inter_broker: text_of(settings, "inter.broker.listener.name"),
        inter_broker_protocol: or_default("security.inter.broker.protocol"),
    })
}
