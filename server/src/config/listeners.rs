//! `listeners`, `advertised.listeners` and the protocols behind their names.
//!
//! `resolve` turns the texts into listeners that may be opened; what it returns is consistent. Listeners named in `controller.listener.names`
//! are checked and left out: Ottla's controller lives in the same process and needs no socket.

use super::error::{ConfigError, Origin};
use std::sync::Arc;

/// A socket for clients to come in on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// In upper case.
    pub name: Arc<str>,
    /// Name or address to listen on, without brackets; empty means every interface, `localhost` both loopbacks.
    pub host: String,
    /// 0 takes any free port.
    pub port: u16,
    /// What clients of this listener are told to connect to.
    pub advertised: Advertised,
}

/// The address told to clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advertised {
    /// This one. Port 0 stands for the port the listener got.
    Fixed {
        /// Name or address, without brackets.
        host: String,
        /// 0 only if `listeners` asks for any free port.
        port: u16,
    },
    /// Nobody said, and the listener is open to every interface: the address the client's connection came in on.
    OfConnection,
}

/// The texts to resolve, with their origins.
#[derive(Debug)]
pub(super) struct Texts<'a> {
    pub(super) listeners: (&'a str, &'a Origin),
    pub(super) advertised: Option<(&'a str, &'a Origin)>,
    pub(super) protocols: (&'a str, &'a Origin),
    pub(super) controllers: Option<(&'a str, &'a Origin)>,
    pub(super) inter_broker: Option<(&'a str, &'a Origin)>,
    pub(super) inter_broker_protocol: (&'a str, &'a Origin),
}

/// The listeners for clients and the name of the one brokers use among themselves.
pub(super) fn resolve(texts: &Texts<'_>) -> Result<(Vec<Listener>, Arc<str>), ConfigError> {
    let protocols = Protocols::parse(texts)?;
    let controllers: Vec<String> =
        texts.controllers.map(|(text, _)| items(text).map(str::to_ascii_uppercase).collect()).unwrap_or_default();
    let advertised = match texts.advertised {
        Some((text, origin)) => parse_all("advertised.listeners", text, origin)?,
        None => Vec::new(),
    };
    let (text, origin) = texts.listeners;
    let all = parse_all("listeners", text, origin)?;
    check_ports(&all, text, origin)?;

    let mut listeners = Vec::new();
    for endpoint in all.iter().filter(|endpoint| !controllers.contains(&endpoint.name)) {
        protocols.check(&endpoint.name, "listeners", text, origin)?;
        let advertised = advertise(endpoint, advertised.iter().find(|other| other.name == endpoint.name), texts.advertised)?;
        listeners.push(Listener { name: endpoint.name.as_str().into(), host: endpoint.host.clone(), port: endpoint.port, advertised });
    }
    if listeners.is_empty() {
        let reason = "no listener for clients is left besides the controller's".to_owned();
        return Err(ConfigError::refused("listeners", text, reason, FORM, origin.clone()));
    }
    if let Some((text, origin)) = texts.advertised {
        let stranger = advertised.iter().find(|other| !all.iter().any(|endpoint| endpoint.name == other.name));
        if let Some(stranger) = stranger {
            let reason = format!("{} is not among the listeners", stranger.name);
            return Err(ConfigError::refused("advertised.listeners", text, reason, &names(&listeners), origin.clone()));
        }
    }
    let inter_broker = inter_broker_name(texts, &protocols, &listeners)?;
    Ok((listeners, inter_broker))
}

const FORM: &str = "NAME://host:port,...";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) name: String,
    pub(super) host: String,
    pub(super) port: u16,
}

/// What `advertised.listeners` may become while the broker runs: addresses that clients can reach, of listeners that exist.
pub(super) fn readvertised(text: &str, listeners: &[Listener]) -> Result<Vec<Endpoint>, ConfigError> {
    const KEY: &str = "advertised.listeners";
    let endpoints = parse_all(KEY, text, &Origin::DynamicBroker)?;
    let refused = |reason| ConfigError::refused(KEY, text, reason, &names(listeners), Origin::DynamicBroker);
    for told in &endpoints {
        if !listeners.iter().any(|listener| *listener.name == *told.name) {
            return Err(refused(format!("{} is not among the listeners", told.name)));
        }
        if is_every_interface(&told.host) || told.port == 0 {
            return Err(refused(format!("clients cannot connect to {}:{}", told.host, told.port)));
        }
    }
    Ok(endpoints)
}

/// `host:port`, with an IPv6 address in brackets; an empty host is every interface.
pub(super) fn address(key: &str, text: &str, origin: &Origin) -> Result<(String, u16), ConfigError> {
    let parsed = parse_one(&format!("HTTP://{text}")).map_err(|_| format!("{text} is not of the form host:port"));
    let refused = |reason| ConfigError::refused(key, text, reason, "host:port", origin.clone());
    parsed.map(|endpoint| (endpoint.host, endpoint.port)).map_err(refused)
}

fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

fn parse_all(key: &str, text: &str, origin: &Origin) -> Result<Vec<Endpoint>, ConfigError> {
    let refused = |reason| ConfigError::refused(key, text, reason, FORM, origin.clone());
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for item in items(text) {
        let endpoint = parse_one(item).map_err(refused)?;
        if endpoints.iter().any(|other| other.name == endpoint.name) {
            return Err(refused(format!("each listener must have a different name, {} comes twice", endpoint.name)));
        }
        endpoints.push(endpoint);
    }
    if endpoints.is_empty() {
        return Err(refused("at least one listener is needed".into()));
    }
    Ok(endpoints)
}

fn parse_one(item: &str) -> Result<Endpoint, String> {
    let malformed = || format!("{item} is not of the form NAME://host:port");
    let (name, address) = item.split_once("://").ok_or_else(malformed)?;
    let (host, port) = address.rsplit_once(':').ok_or_else(malformed)?;
    let port = port.parse::<u16>().map_err(|_| format!("{port} is not a port (0 to 65535)"))?;
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = match bracketed {
        Some(inner) if inner.parse::<std::net::Ipv6Addr>().is_ok() => inner,
        Some(inner) => return Err(format!("[{inner}] is not an IPv6 address")),
        None if host.contains(':') && host.parse::<std::net::Ipv6Addr>().is_err() => return Err(malformed()),
        None => host,
    };
    let name_fits = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
    let host_fits = host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '%'));
    if !name_fits || !host_fits {
        return Err(malformed());
    }
    Ok(Endpoint { name: name.to_ascii_uppercase(), host: host.to_owned(), port })
}

/// Two listeners may share a port only if one is on an IPv4 and the other on an IPv6 address, or on different addresses.
fn check_ports(all: &[Endpoint], text: &str, origin: &Origin) -> Result<(), ConfigError> {
    for (index, endpoint) in all.iter().enumerate() {
        let clash = all[..index].iter().find(|other| other.port == endpoint.port && endpoint.port != 0 && other.host == endpoint.host);
        if let Some(other) = clash {
            let reason = format!("each listener must have a different port, {} and {} both have {}", other.name, endpoint.name, other.port);
            return Err(ConfigError::refused("listeners", text, reason, FORM, origin.clone()));
        }
    }
    Ok(())
}

fn is_every_interface(host: &str) -> bool {
    matches!(host, "" | "0.0.0.0" | "::")
}

fn advertise(endpoint: &Endpoint, told: Option<&Endpoint>, advertised: Option<(&str, &Origin)>) -> Result<Advertised, ConfigError> {
    match (told, advertised) {
        (Some(told), Some((text, origin))) => {
            let refused =
                |reason| ConfigError::refused("advertised.listeners", text, reason, "an address that clients can reach", origin.clone());
            if matches!(told.host.as_str(), "0.0.0.0" | "::") {
                return Err(refused(format!("clients cannot connect to {}", told.host)));
            }
            if told.port == 0 && endpoint.port != 0 {
                return Err(refused("clients cannot connect to port 0".into()));
            }
            if told.host.is_empty() {
                return Ok(Advertised::OfConnection);
            }
            Ok(Advertised::Fixed { host: told.host.clone(), port: told.port })
        }
        _ if is_every_interface(&endpoint.host) => Ok(Advertised::OfConnection),
        _ => Ok(Advertised::Fixed { host: endpoint.host.clone(), port: endpoint.port }),
    }
}

/// `listener.security.protocol.map`, read.
struct Protocols {
    pairs: Vec<(String, String)>,
}

const PROTOCOLS: [&str; 4] = ["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"];

impl Protocols {
    fn parse(texts: &Texts<'_>) -> Result<Self, ConfigError> {
        let (text, origin) = texts.protocols;
        let refused = |reason| ConfigError::refused("listener.security.protocol.map", text, reason, "NAME:PROTOCOL,...", origin.clone());
        let mut pairs: Vec<(String, String)> = Vec::new();
        for item in items(text) {
            let Some((name, protocol)) = item.rsplit_once(':') else {
                return Err(refused(format!("{item} is not of the form NAME:PROTOCOL")));
            };
            let (name, protocol) = (name.trim().to_ascii_uppercase(), protocol.trim().to_ascii_uppercase());
            if !PROTOCOLS.contains(&protocol.as_str()) {
                return Err(refused(format!("{protocol} is not one of {}", PROTOCOLS.join(", "))));
            }
            if pairs.iter().any(|(other, _)| *other == name) {
                return Err(refused(format!("{name} comes twice")));
            }
            pairs.push((name, protocol));
        }
        Ok(Self { pairs })
    }

    fn of(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(other, _)| other == name).map(|(_, protocol)| protocol.as_str())
    }

    /// The listener `name` must have a protocol that works.
    fn check(&self, name: &str, key: &str, text: &str, origin: &Origin) -> Result<(), ConfigError> {
        match self.of(name) {
            Some("PLAINTEXT") => Ok(()),
            Some(protocol) => Err(ConfigError::refused(
                key,
                text,
                format!("listener {name} uses {protocol}, which is not supported yet"),
                "listeners whose protocol is PLAINTEXT",
                origin.clone(),
            )),
            None => Err(ConfigError::refused(
                key,
                text,
                format!("listener.security.protocol.map has no protocol for listener {name}"),
                "listeners with an entry there",
                origin.clone(),
            )),
        }
    }
}

fn inter_broker_name(texts: &Texts<'_>, protocols: &Protocols, listeners: &[Listener]) -> Result<Arc<str>, ConfigError> {
    if let Some((text, origin)) = texts.inter_broker {
        let name = text.to_ascii_uppercase();
        return match listeners.iter().find(|listener| *listener.name == *name) {
            Some(listener) => Ok(listener.name.clone()),
            None => Err(ConfigError::refused(
                "inter.broker.listener.name",
                text,
                "it is not among the listeners".into(),
                &names(listeners),
                origin.clone(),
            )),
        };
    }
    // Kafka wants a listener named like the protocol here. On a single node nobody uses it, so a first listener of that protocol is enough.
    let (wanted, origin) = texts.inter_broker_protocol;
    if wanted != "PLAINTEXT" {
        let reason = format!("{wanted} is not supported yet");
        return Err(ConfigError::refused("security.inter.broker.protocol", wanted, reason, "PLAINTEXT", origin.clone()));
    }
    let named = listeners.iter().find(|listener| &*listener.name == wanted);
    let first = listeners.iter().find(|listener| protocols.of(&listener.name) == Some(wanted));
    Ok(named.or(first).map_or_else(|| wanted.into(), |listener| listener.name.clone()))
}

fn names(listeners: &[Listener]) -> String {
    let names: Vec<&str> = listeners.iter().map(|listener| &*listener.name).collect();
    format!("one of {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn listeners(text: &str) -> Result<Vec<Listener>, String> {
        let config = Config::builder().properties(text, "f").and_then(|builder| builder.build());
        config.map(|config| config.listeners().to_vec()).map_err(|error| error.to_string())
    }

    fn only(text: &str) -> Listener {
        listeners(text).expect("accepted").remove(0)
    }

    fn fixed(host: &str, port: u16) -> Advertised {
        Advertised::Fixed { host: host.to_owned(), port }
    }

    #[test]
    fn hosts_may_be_empty_names_or_addresses_in_brackets() {
        for (address, host, port) in [
            ("PLAINTEXT://:9092", "", 9092),
            ("plaintext://host-1.example.org:1", "host-1.example.org", 1),
            ("PLAINTEXT://[::1]:9092", "::1", 9092),
            ("PLAINTEXT://[fe80::1:2]:0", "fe80::1:2", 0),
            ("PLAINTEXT://127.0.0.1:65535", "127.0.0.1", 65535),
        ] {
            let listener = only(&format!("listeners={address}"));
            assert_eq!((&*listener.name, listener.host.as_str(), listener.port), ("PLAINTEXT", host, port), "{address}");
        }
    }

    #[test]
    fn a_listener_on_every_interface_that_nobody_advertised_tells_the_address_of_the_connection() {
        for address in ["PLAINTEXT://:9092", "PLAINTEXT://0.0.0.0:9092", "PLAINTEXT://[::]:9092"] {
            assert_eq!(only(&format!("listeners={address}")).advertised, Advertised::OfConnection, "{address}");
        }
        assert_eq!(only("listeners=PLAINTEXT://[::1]:9").advertised, fixed("::1", 9));
        assert_eq!(only("listeners=PLAINTEXT://:9\nadvertised.listeners=PLAINTEXT://h:10").advertised, fixed("h", 10));
    }

    #[test]
    fn each_listener_is_advertised_by_its_own_name() {
        let text = "listeners=A://:1,B://:2\nadvertised.listeners=B://b:20,A://a:10\nlistener.security.protocol.map=A:PLAINTEXT,B:PLAINTEXT\ninter.broker.listener.name=b";
        let all = listeners(text).expect("accepted");
        assert_eq!([&all[0].advertised, &all[1].advertised], [&fixed("a", 10), &fixed("b", 20)]);
    }

    #[test]
    fn what_cannot_be_listened_on_or_told_to_clients_is_refused() {
        for (text, reason) in [
            ("listeners=PLAINTEXT", "PLAINTEXT is not of the form NAME://host:port"),
            ("listeners=PLAINTEXT://host", "PLAINTEXT://host is not of the form NAME://host:port"),
            ("listeners=://:9092", "://:9092 is not of the form NAME://host:port"),
            ("listeners=PLAINTEXT://:70000", "70000 is not a port"),
            ("listeners=PLAINTEXT://:-1", "-1 is not a port"),
            ("listeners=PLAINTEXT://[::x]:1", "[::x] is not an IPv6 address"),
            ("listeners=PLAINTEXT://:1,plaintext://:2", "each listener must have a different name, PLAINTEXT comes twice"),
            ("listeners=PLAINTEXT://:1,SSL://:1", "each listener must have a different port, PLAINTEXT and SSL both have 1"),
            ("listeners=,", "must not be empty"),
            ("listeners=PLAINTEXT://:1\nadvertised.listeners=PLAINTEXT://0.0.0.0:1", "clients cannot connect to 0.0.0.0"),
            ("listeners=PLAINTEXT://:1\nadvertised.listeners=PLAINTEXT://h:0", "clients cannot connect to port 0"),
            ("listeners=PLAINTEXT://:1\nadvertised.listeners=OTHER://h:1", "OTHER is not among the listeners"),
            ("listeners=FOO://:1", "no protocol for listener FOO"),
            ("listener.security.protocol.map=PLAINTEXT:PLAIN", "PLAIN is not one of PLAINTEXT, SSL"),
            ("listener.security.protocol.map=PLAINTEXT", "PLAINTEXT is not of the form NAME:PROTOCOL"),
            ("listener.security.protocol.map=A:SSL,a:SSL", "A comes twice"),
            ("inter.broker.listener.name=FOO", "it is not among the listeners"),
            ("listeners=CONTROLLER://:1\ncontroller.listener.names=CONTROLLER", "no listener for clients is left"),
        ] {
            let error = listeners(text).expect_err(text);
            assert!(error.contains(reason), "{text}: {error}");
            assert!(error.contains("(f:"), "{text} does not name its source: {error}");
        }
    }

    #[test]
    fn two_addresses_may_share_a_port() {
        let text = "listeners=A://127.0.0.1:1,B://[::1]:1\nlistener.security.protocol.map=A:PLAINTEXT,B:PLAINTEXT";
        assert_eq!(listeners(text).map(|all| all.len()), Ok(2));
    }
}
