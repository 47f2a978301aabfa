//! The table of copier programs.

use crate::Toolchain;
use crate::group::client::{Launcher, MEMBER_JVM, words};
use crate::java::Java;
use std::process::Command;

/// A program that copies.
pub struct Copier {
    pub name: &'static str,
    pub install: fn() -> Toolchain<Launcher>,
    /// The group protocols and assignors that a run picks from.
    pub protocols: &'static [(&'static str, &'static str)],
}

/// The `rdkafka` crate: a current librdkafka.
pub static RDKAFKA: Copier = Copier {
    name: "rdkafka",
    install: || {
        // Cargo builds this package's programs before its tests.
        let program = crate::ottla::profile_dir().map_err(|error| format!("{error:#}"))?.join("rdkafka-copier");
        Ok(words(move || Command::new(&program)))
    },
    protocols: &[("classic", "range"), ("consumer", "default"), ("classic", "cooperative-sticky")],
};

/// The Java client.
pub static JAVA: Copier = Copier {
    name: "java",
    install: || {
        let java = Java::find()?;
        let classes = java.compile("Copier.java")?;
        Ok(words(move || java.with_classes(&classes).command("Copier", &MEMBER_JVM)))
    },
    protocols: &[("consumer", "default"), ("classic", "default"), ("classic", "cooperative-sticky")],
};
