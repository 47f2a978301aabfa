//! The table of transactional clients.

use crate::Toolchain;
use crate::group::client::{Launcher, go_module, node_modules, python_venv, words};
use crate::workspace_root;
use std::process::Command;

/// A client, and what it can be told.
pub struct Client {
    pub name: &'static str,
    pub install: fn() -> Toolchain<Launcher>,
    /// It puts any offsets of any group into a transaction.
    pub offsets: bool,
    /// It copies as a member of a group.
    pub copies: bool,
    /// It asks again when EndTxn meets a coordinator that is still loading.
    pub outlives_broker: bool,
}

/// The `rdkafka` crate: a current librdkafka.
pub static RDKAFKA: Client = Client {
    name: "rdkafka",
    install: || {
        // Cargo builds this package's programs before its tests.
        let program = crate::ottla::profile_dir().map_err(|error| format!("{error:#}"))?.join("rdkafka-transactor");
        Ok(words(move || Command::new(&program)))
    },
    offsets: true,
    copies: true,
    outlives_broker: true,
};

/// confluent-kafka from PyPI, with the librdkafka of its wheel.
pub static CONFLUENT: Client = Client {
    name: "confluent-kafka",
    install: || {
        let venv = python_venv()?;
        Ok(words(move || {
            let mut command = Command::new(venv.join("bin/python"));
            command.arg(workspace_root().join("compat-tests/python/transactor.py"));
            command
        }))
    },
    offsets: true,
    copies: true,
    outlives_broker: true,
};

/// franz-go; offsets only through its `GroupTransactSession`.
pub static FRANZ_GO: Client = Client {
    name: "franz-go",
    install: || {
        let built = go_module()?;
        Ok(words(move || Command::new(built.join("transactor"))))
    },
    offsets: false,
    copies: true,
    outlives_broker: true,
};

/// kafkajs.
pub static KAFKAJS: Client = Client {
    name: "kafkajs",
    install: || {
        let modules = node_modules()?;
        Ok(words(move || {
            let mut command = Command::new("node");
            let program = workspace_root().join("compat-tests/node/transactor.js");
            command.env("NODE_PATH", modules.join("node_modules")).arg(program);
            command
        }))
    },
    offsets: true,
    copies: false,
    outlives_broker: false,
};
