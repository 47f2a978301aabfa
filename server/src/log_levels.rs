//! The levels of loggers, to be seen and changed while the broker runs (the resource type "broker logger" of the config APIs).
//!
//! A logger is a module path as log lines show it; `root` is all of them. A logger without a level of its own has its parent's. The command
//! line connects the table with the process's subscriber; of an embedded broker the table is remembered and changes nothing, since log lines
//! are the embedder's business. Nothing is kept on disk, as in Kafka.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

/// The logger above all others.
pub const ROOT: &str = "root";
/// The levels a logger can be set to, as Kafka lists them in its refusals.
pub(crate) const LEVELS: [&str; 6] = ["DEBUG", "ERROR", "FATAL", "INFO", "TRACE", "WARN"];
/// Loggers that exist even when nobody gave them a level.
const LOGGERS: [&str; 12] = [
    "ottla_coordinator",
    "ottla_server",
    "ottla_server::api",
    "ottla_server::background",
    "ottla_server::broker",
    "ottla_server::cli",
    "ottla_server::coordinators",
    "ottla_server::dynamic_config",
    "ottla_server::metrics",
    "ottla_server::net",
    "ottla_server::partition",
    "ottla_storage",
];

/// Who makes new levels count.
type Apply = Box<dyn Fn(Targets) + Send + Sync>;

/// The table of loggers.
pub struct LogLevels {
    own: Mutex<BTreeMap<String, String>>,
    apply: Apply,
}

impl fmt::Debug for LogLevels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogLevels").field("own", &self.own).finish_non_exhaustive()
    }
}

impl Default for LogLevels {
    /// `root` at INFO; changes are only remembered.
    fn default() -> Self {
        Self::new(&Targets::new().with_default(LevelFilter::INFO), |_| {})
    }
}

impl LogLevels {
    /// Begins with these levels; later ones go to `apply`.
    #[must_use]
    pub fn new(targets: &Targets, apply: impl Fn(Targets) + Send + Sync + 'static) -> Self {
        let word = |level: LevelFilter| level.to_string().to_ascii_uppercase();
        let mut own: BTreeMap<String, String> = targets.iter().map(|(target, level)| (target.to_owned(), word(level))).collect();
        own.insert(ROOT.to_owned(), word(targets.default_level().unwrap_or(LevelFilter::OFF)));
        Self { own: Mutex::new(own), apply: Box::new(apply) }
    }

    fn own(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is such a logger.
    #[must_use]
    pub fn exists(&self, logger: &str) -> bool {
        LOGGERS.contains(&logger) || self.own().contains_key(logger)
    }

    /// All loggers with the levels that count for them, by name.
    #[must_use]
    pub fn all(&self) -> BTreeMap<String, String> {
        let own = self.own();
        let names = LOGGERS.iter().copied().chain(own.keys().map(String::as_str));
        names.map(|name| (name.to_owned(), level_of(&own, name).to_owned())).collect()
    }

    /// Sets levels, or takes them back where there is none. Loggers that do not exist are passed over.
    pub fn change<'a>(&self, changes: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) {
        let mut own = self.own();
        for (logger, level) in changes {
            match level {
                Some(level) if LOGGERS.contains(&logger) || own.contains_key(logger) => {
                    own.insert(logger.to_owned(), level.to_owned());
                }
                Some(_) => {}
                None if logger == ROOT => {}
                None => drop(own.remove(logger)),
            }
        }
        let root = own.get(ROOT).map_or(LevelFilter::INFO, |level| filter(level));
        let targets = own.iter().filter(|(name, _)| *name != ROOT).map(|(name, level)| (name.clone(), filter(level)));
        (self.apply)(Targets::new().with_default(root).with_targets(targets));
    }
}

fn level_of<'a>(own: &'a BTreeMap<String, String>, logger: &str) -> &'a str {
    let mut name = logger;
    loop {
        if let Some(level) = own.get(name) {
            return level;
        }
        match name.rsplit_once("::") {
            Some((parent, _)) => name = parent,
            None => return own.get(ROOT).map_or("INFO", String::as_str),
        }
    }
}

fn filter(level: &str) -> LevelFilter {
    match level {
        "FATAL" => LevelFilter::ERROR,
        other => other.parse().unwrap_or(LevelFilter::INFO),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tracing::Level;

    #[test]
    fn a_logger_without_a_level_has_its_parents() {
        let applied = Arc::new(Mutex::new(Targets::new()));
        let page = Arc::clone(&applied);
        let levels = LogLevels::new(&"warn,ottla_server=debug".parse().expect("targets"), move |targets| {
            *page.lock().expect("one thread") = targets;
        });
        let of = |name: &str| levels.all().get(name).cloned();
        assert_eq!(of(ROOT).as_deref(), Some("WARN"));
        assert_eq!(of("ottla_server::net").as_deref(), Some("DEBUG"));
        assert_eq!(of("ottla_storage").as_deref(), Some("WARN"));
        levels.change([("ottla_server::net", Some("TRACE")), ("ottla_server", None), (ROOT, Some("FATAL")), ("nobody", Some("INFO"))]);
        assert_eq!(of("ottla_server::net").as_deref(), Some("TRACE"));
        assert_eq!(of("ottla_server").as_deref(), Some("FATAL"));
        assert_eq!((of("nobody"), levels.exists("nobody")), (None, false));
        let applied = applied.lock().expect("one thread").clone();
        assert!(applied.would_enable("ottla_server::net::frame", &Level::TRACE));
        assert!(!applied.would_enable("ottla_server::api", &Level::WARN) && applied.would_enable("x", &Level::ERROR));
    }

    #[test]
    fn the_root_keeps_a_level_and_every_listed_logger_is_a_module() {
        let levels = LogLevels::default();
        levels.change([(ROOT, None)]);
        assert_eq!(levels.all().get(ROOT).map(String::as_str), Some("INFO"));
        let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        for module in LOGGERS.iter().filter_map(|name| name.strip_prefix("ottla_server::")) {
            assert!(here.join(module).is_dir() || here.join(format!("{module}.rs")).is_file(), "{module}");
        }
    }
}
