//! Configuration: `server.properties` names and defaults, from file, environment and command line, checked before anything starts.
//!
//! `main` and embedders build a [`Config`] through [`Config::builder`]; the rest of the server reads typed getters. A `Config` is consistent:
//! every value has its key's type and range, listeners can be opened, nothing has to be checked again. Layers, later ones win: built-in
//! defaults, the properties file, `KAFKA_*` environment variables, the command line; above them the dynamic settings that live in the metadata
//! log. Every setting remembers where it came from. The tables of keys are in [`keys`]; `describe` and `topic` answer the config APIs from them.
//!
//! This module reads one file, when asked to, and nothing else of the world: the environment is handed in.

mod builder;
pub mod client_metrics;
pub mod describe;
mod docs;
mod environment;
mod error;
mod getters;
mod groups;
pub mod key;
pub mod keys;
mod listeners;
mod properties;
mod reconfigure;
mod suggest;
mod topic;
mod validate;
mod value;

pub use builder::ConfigBuilder;
pub use docs::markdown;
pub use error::{ConfigError, Origin, RefusedValue};
pub use listeners::{Advertised, Listener};
pub use reconfigure::validate_broker_configs;
pub use topic::TopicConfig;
pub use validate::{validate_broker_config, validate_group_config, validate_group_configs, validate_topic_config, validate_topic_configs};
pub use value::Value;

use keys::BROKER_KEYS;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A text somebody set, and where.
#[derive(Clone, PartialEq, Eq)]
struct Setting {
    text: String,
    origin: Origin,
}

/// Settings of one layer, by key.
#[derive(Clone, Default)]
struct Layer(BTreeMap<String, Setting>);

impl Layer {
    fn get(&self, name: &str) -> Option<&Setting> {
        self.0.get(name)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    fn set(&mut self, name: &str, text: &str, origin: Origin) {
        self.0.insert(name.to_owned(), Setting { text: text.to_owned(), origin });
    }
}

/// The configuration of one broker.
#[derive(Clone)]
pub struct Config {
    /// Effective values, in the order of [`BROKER_KEYS`].
    values: Vec<Value>,
    fixed: Arc<Fixed>,
    dynamic_defaults: Layer,
    dynamic: Layer,
    /// `advertised.listeners` as set at run time.
    advertised_anew: Vec<listeners::Endpoint>,
}

/// What does not change while the broker runs.
struct Fixed {
    /// What file, environment and command line set, the winner of each key; also keys of plugins, which are in no table.
    settings: Layer,
    listeners: Vec<Listener>,
    inter_broker_listener: Arc<str>,
    metrics_listener: Option<(String, u16)>,
    warnings: Vec<String>,
}

impl Config {
    /// Starts an empty configuration.
    #[must_use]
    pub fn builder() -> ConfigBuilder {
        ConfigBuilder::default()
    }

    /// The listeners for clients; never empty.
    #[must_use]
    pub fn listeners(&self) -> &[Listener] {
        &self.fixed.listeners
    }

    /// Host and port that clients of a listener are told since `advertised.listeners` was changed at run time.
    #[must_use]
    pub fn advertised_anew(&self, listener: &str) -> Option<(&str, u16)> {
        self.advertised_anew.iter().find(|endpoint| endpoint.name == listener).map(|endpoint| (endpoint.host.as_str(), endpoint.port))
    }

    /// The name of the listener brokers use among themselves.
    #[must_use]
    pub fn inter_broker_listener_name(&self) -> &str {
        &self.fixed.inter_broker_listener
    }

    /// `ottla.metrics.listener`: host and port for metrics and health; an empty host is every interface.
    #[must_use]
    pub fn metrics_listener(&self) -> Option<(&str, u16)> {
        self.fixed.metrics_listener.as_ref().map(|(host, port)| (host.as_str(), *port))
    }

    /// What the operator should know, one line each: ignored keys and variables.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.fixed.warnings
    }

    /// Where the effective value of a broker key came from.
    #[must_use]
    pub fn origin(&self, name: &str) -> Origin {
        let layers = [&self.dynamic, &self.dynamic_defaults, &self.fixed.settings];
        layers.iter().find_map(|layer| layer.get(name)).map_or(Origin::Default, |setting| setting.origin.clone())
    }

    /// The effective value of a broker key; none if there is no such key.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&Value> {
        keys::broker_key(name).and_then(|(index, _)| self.values.get(index))
    }

    /// A number that one listener has of its own (`listener.name.<listener>.<key>`).
    #[must_use]
    pub fn listener_number(&self, listener: &str, key: &str) -> Option<i64> {
        let name = format!("listener.name.{}.{key}", listener.to_lowercase());
        let layers = [&self.dynamic, &self.dynamic_defaults, &self.fixed.settings];
        layers.iter().find_map(|layer| layer.get(&name)).and_then(|setting| setting.text.trim().parse().ok())
    }

    /// This configuration with other dynamic settings: those of all brokers and those of this one, as the metadata log holds them.
    ///
    /// Values that do not fit their key are left out, as Kafka does; the second part of the answer names them.
    #[must_use]
    pub fn with_dynamic<'a>(
        &self,
        all_brokers: impl IntoIterator<Item = (&'a str, &'a str)>,
        this_broker: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> (Self, Vec<String>) {
        let mut refused = Vec::new();
        let mut layer = |pairs: &mut dyn Iterator<Item = (&'a str, &'a str)>, per_broker, origin: Origin| {
            let mut layer = Layer::default();
            for (name, text) in pairs {
                match validate_broker_config(name, text, per_broker) {
                    Ok(()) => layer.set(name, text, origin.clone()),
                    Err(message) => refused.push(message),
                }
            }
            layer
        };
        let dynamic_defaults = layer(&mut all_brokers.into_iter(), false, Origin::DynamicDefault);
        let dynamic = layer(&mut this_broker.into_iter(), true, Origin::DynamicBroker);
        let advertised =
            dynamic.get("advertised.listeners").and_then(|setting| listeners::readvertised(&setting.text, self.listeners()).ok());
        let advertised_anew = advertised.unwrap_or_default();
        let mut config = Self { values: Vec::new(), fixed: Arc::clone(&self.fixed), dynamic_defaults, dynamic, advertised_anew };
        config.values = effective_values(&[&config.dynamic, &config.dynamic_defaults], &config.fixed.settings);
        (config, refused)
    }
}

impl Default for Config {
    /// What `ottla` with no arguments gets: a single node on `localhost:9092`.
    fn default() -> Self {
        Self::builder().build().expect("the built-in defaults are consistent; a test builds them")
    }
}

impl fmt::Debug for Config {
    /// Settings that are not defaults; secrets stay hidden.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = self.fixed.settings.names().chain(self.dynamic_defaults.names()).chain(self.dynamic.names());
        f.debug_map().entries(set.filter_map(|name| Some((name, self.value(name)?)))).finish()
    }
}

/// The first layer that sets a key decides. All texts in layers parse: they were checked on their way in.
///
/// A dynamic setting also hides static ones of the same family, as in Kafka: `log.retention.ms` set at run time makes `log.retention.hours` of
/// the file count as not set.
fn effective_values(dynamic: &[&Layer], settings: &Layer) -> Vec<Value> {
    let hidden: Vec<&str> = dynamic.iter().flat_map(|layer| layer.names()).flat_map(describe::names_that_decide).collect();
    let mut values = Vec::with_capacity(BROKER_KEYS.len());
    for key in BROKER_KEYS {
        let fixed = || settings.get(key.name).filter(|_| !hidden.contains(&key.name));
        let set = dynamic.iter().find_map(|layer| layer.get(key.name)).or_else(fixed);
        values.push(set.and_then(|setting| Value::parse(key, &setting.text).ok()).unwrap_or_else(|| Value::default_of(key)));
    }
    values
}

#[cfg(test)]
mod tests;
