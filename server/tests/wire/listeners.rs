//! Which addresses a listener binds, and what its connections are told.

use super::*;
use ottla_server::net::BoundListener;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

fn spec(name: &str, host: &str, port: u16) -> ListenerSpec {
    ListenerSpec { name: name.into(), host: host.into(), port }
}

/// True on a machine that has ::1.
fn has_ipv6() -> bool {
    std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

fn bind(specs: &[ListenerSpec]) -> Listeners {
    Listeners::bind(specs, &Limits::default()).expect("free ports")
}

fn ips(bound: &BoundListener) -> Vec<IpAddr> {
    bound.addresses.iter().map(SocketAddr::ip).collect()
}

#[test]
fn the_port_the_system_chose_is_known_before_anything_is_served() {
    let listeners = bind(&[spec("INTERNAL", "127.0.0.1", 0), spec("EXTERNAL", "LocalHost", 0)]);
    let [internal, external] = listeners.bound() else { panic!("two listeners") };
    assert_ne!(internal.port, 0);
    assert_ne!(internal.port, external.port);
    assert_eq!((&*internal.name, ips(internal)), ("INTERNAL", vec![Ipv4Addr::LOCALHOST.into()]));
    let loopbacks = [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()];
    assert_eq!(ips(external), loopbacks[..if has_ipv6() { 2 } else { 1 }]);
    assert!(external.addresses.iter().all(|address| address.port() == external.port));
}

#[test]
fn a_port_in_use_is_an_error_that_names_the_listener() {
    let first = bind(&[spec("PLAINTEXT", "localhost", 0)]);
    let port = first.bound()[0].port;
    for host in ["localhost", "127.0.0.1", "", "0.0.0.0"] {
        let error = Listeners::bind(&[spec("SECOND", host, port)], &Limits::default()).expect_err("in use");
        let text = error.to_string();
        assert!(text.starts_with(&format!("cannot listen on SECOND://{host}:{port}: ")), "{text}");
    }
    if has_ipv6() {
        // Only the second family's port is taken: that is no half-open listener but an error.
        let taken = bind(&[spec("V6", "::1", 0)]);
        Listeners::bind(&[spec("SECOND", "localhost", taken.bound()[0].port)], &Limits::default()).expect_err("in use on ::1");
    }
}

#[test]
fn an_unknown_host_is_an_error() {
    Listeners::bind(&[spec("PLAINTEXT", "host.invalid", 0)], &Limits::default()).expect_err("no such host");
}

#[test]
fn every_address_means_both_families_and_ipv4_clients_look_like_it() {
    for host in ["", "0.0.0.0", "::"] {
        let server = Server::start_on(spec("ANY", host, 0), Limits::default());
        Client::to((Ipv4Addr::LOCALHOST, server.address.port()).into()).ping();
        if has_ipv6() {
            Client::to((Ipv6Addr::LOCALHOST, server.address.port()).into()).ping();
        }
        let connections = server.echo.connections.lock().unwrap();
        let info = &connections[0];
        assert_eq!((info.peer_addr.ip(), info.local_addr.ip()), (Ipv4Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()));
        assert_eq!((&*info.listener_name, info.local_addr.port()), ("ANY", server.address.port()));
        assert_eq!((&*info.principal.kind, &*info.principal.name), ("User", "ANONYMOUS"));
    }
}

#[test]
fn connections_go_round_the_reactors() {
    let server = Server::start();
    for _ in 0..4 {
        server.connect().ping();
    }
    let connections = server.echo.connections.lock().unwrap();
    let reactors: Vec<usize> = connections.iter().map(|info| info.reactor).collect();
    assert_eq!(reactors, [0, 1, 0, 1]);
    let mut ids: Vec<u64> = connections.iter().map(|info| info.id).collect();
    ids.dedup();
    assert_eq!(ids.len(), 4, "each connection has its own id");
}
