//! SCRAM credentials, delegation tokens, and SASL where there is none.

use super::{Story, Talk, story};
use bytes::Bytes;
use kafka_protocol::messages::alter_user_scram_credentials_request::{ScramCredentialDeletion, ScramCredentialUpsertion};
use kafka_protocol::messages::create_delegation_token_request::CreatableRenewers;
use kafka_protocol::messages::describe_delegation_token_request::DescribeDelegationTokenOwner;
use kafka_protocol::messages::describe_user_scram_credentials_request::UserName;
use kafka_protocol::messages::{
    AlterUserScramCredentialsRequest, CreateDelegationTokenRequest, DescribeDelegationTokenRequest, DescribeUserScramCredentialsRequest,
    ExpireDelegationTokenRequest, RenewDelegationTokenRequest, SaslAuthenticateRequest, SaslHandshakeRequest,
};
use kafka_protocol::protocol::StrBytes;

pub(super) const STORIES: &[Story] = &[
    story("scram changed", 0..=0, changed),
    story("scram told", 0..=0, told),
    story("token wanted", 1..=3, wanted),
    story("token renewed", 1..=2, renewed),
    story("token expired", 1..=2, expired),
    story("tokens told", 1..=3, tokens),
    story("sasl handshake", 0..=1, handshake),
    story("sasl authentication", 0..=2, authentication),
];

fn user(talk: &Talk, name: &str) -> StrBytes {
    if name.is_empty() { StrBytes::default() } else { talk.name(name).0 }
}

fn set(talk: &Talk, name: &str, mechanism: i8, iterations: i32) -> ScramCredentialUpsertion {
    ScramCredentialUpsertion::default()
        .with_name(user(talk, name))
        .with_mechanism(mechanism)
        .with_iterations(iterations)
        .with_salt(Bytes::from_static(b"salt"))
        .with_salted_password(Bytes::from_static(b"salted password"))
}

fn forget(talk: &Talk, name: &str, mechanism: i8) -> ScramCredentialDeletion {
    ScramCredentialDeletion::default().with_name(user(talk, name)).with_mechanism(mechanism)
}

fn change(deletions: Vec<ScramCredentialDeletion>, upsertions: Vec<ScramCredentialUpsertion>) -> AlterUserScramCredentialsRequest {
    AlterUserScramCredentialsRequest::default().with_deletions(deletions).with_upsertions(upsertions)
}

fn changed(talk: &mut Talk) {
    talk.ask("nothing", &change(Vec::new(), Vec::new()));
    for (name, mechanism, iterations) in [
        ("ann", 1, 4_095),
        ("ann", 1, 4_096),
        ("ann", 2, 16_384),
        ("ann", 2, 16_385),
        ("ann", 0, 4_096),
        ("ann", 3, 4_096),
        ("ann", -1, 4_096),
        ("", 1, 4_096),
        ("", 0, 1),
        ("ann", 1, -1),
        ("ann", 1, 0),
    ] {
        let request = change(Vec::new(), vec![set(talk, name, mechanism, iterations)]);
        talk.ask(&format!("{name:?}, mechanism {mechanism}, {iterations} iterations"), &request);
    }
    for (name, mechanism) in [("bob", 1), ("", 1), ("bob", 7), ("ann", 3), ("ann", 2)] {
        let request = change(vec![forget(talk, name, mechanism)], Vec::new());
        talk.ask(&format!("without {name:?}, mechanism {mechanism}"), &request);
    }
    let request = change(Vec::new(), vec![set(talk, "ann", 1, 5_000), set(talk, "ann", 2, 5_000), set(talk, "bob", 1, 5_000)]);
    talk.ask("a user with two mechanisms, another with one", &request);
    let request = change(vec![forget(talk, "ann", 1), forget(talk, "ann", 2)], Vec::new());
    talk.ask("a user without two mechanisms", &request);
    let request = change(vec![forget(talk, "ann", 1)], vec![set(talk, "ann", 2, 5_000), set(talk, "eve", 2, 1)]);
    talk.ask("out and in, and too weak", &request);
    let request = change(vec![forget(talk, "zoe", 1)], vec![set(talk, "zoe", 2, 5_000)]);
    talk.ask("one that is not there out, and in", &request);
    let nothing = set(talk, "eve", 1, 5_000).with_salted_password(Bytes::new());
    talk.ask("without a password", &change(Vec::new(), vec![nothing]));
    let unsalted = set(talk, "eve", 1, 5_000).with_salt(Bytes::new());
    talk.ask("without salt", &change(Vec::new(), vec![unsalted]));
    let request = change(vec![forget(talk, "ann", 1), forget(talk, "bob", 1), forget(talk, "eve", 1)], Vec::new());
    talk.ask("all gone", &request);
}

fn told(talk: &mut Talk) {
    let request = change(Vec::new(), vec![set(talk, "ann", 1, 5_000), set(talk, "bob", 2, 6_000)]);
    talk.quietly(0, &request);
    let request = change(Vec::new(), vec![set(talk, "ann", 2, 7_000)]);
    talk.quietly(0, &request);
    let of = |talk: &Talk, names: &[&str]| {
        let users = names.iter().map(|name| UserName::default().with_name(user(talk, name))).collect();
        DescribeUserScramCredentialsRequest::default().with_users(Some(users))
    };
    // What Apache Kafka has committed shows a moment later.
    let request = of(talk, &["ann"]);
    let all_there = |answer: &kafka_protocol::messages::DescribeUserScramCredentialsResponse| {
        answer.results.iter().map(|result| result.credential_infos.len()).sum::<usize>() == 2
    };
    talk.ask_until("one", &request, all_there);
    talk.ask("all", &DescribeUserScramCredentialsRequest::default().with_users(None));
    for names in [&[][..], &["ann", "bob"], &["zoe"], &["bob", "zoe", "ann"], &["ann", "bob", "ann"], &["zoe", "zoe"], &[""]] {
        let request = of(talk, names);
        talk.ask(&format!("{names:?}"), &request);
    }
    let request = change(vec![forget(talk, "ann", 1), forget(talk, "bob", 2)], Vec::new());
    talk.quietly(0, &request);
    let request = change(vec![forget(talk, "ann", 2)], Vec::new());
    talk.quietly(0, &request);
    let request = of(talk, &["ann"]);
    talk.ask_until("one that is gone", &request, |answer| answer.results[0].error_code != 0);
}

fn wanted(talk: &mut Talk) {
    let word = StrBytes::from_static_str;
    talk.ask("plain", &CreateDelegationTokenRequest::default().with_max_lifetime_ms(-1));
    let renewer = |kind, name| CreatableRenewers::default().with_principal_type(word(kind)).with_principal_name(word(name));
    let request = CreateDelegationTokenRequest::default().with_renewers(vec![renewer("User", "ann"), renewer("Group", "staff")]);
    talk.ask("renewers", &request);
    if talk.version >= 3 {
        let request = CreateDelegationTokenRequest::default()
            .with_owner_principal_type(Some(word("User")))
            .with_owner_principal_name(Some(word("bob")));
        talk.ask("for somebody else", &request);
    }
}

fn renewed(talk: &mut Talk) {
    talk.ask("plain", &RenewDelegationTokenRequest::default().with_hmac(Bytes::from_static(b"x")).with_renew_period_ms(-1));
}

fn expired(talk: &mut Talk) {
    talk.ask("plain", &ExpireDelegationTokenRequest::default().with_hmac(Bytes::from_static(b"x")).with_expiry_time_period_ms(-1));
}

fn tokens(talk: &mut Talk) {
    let word = StrBytes::from_static_str;
    talk.ask("all", &DescribeDelegationTokenRequest::default().with_owners(None));
    talk.ask("nobody's", &DescribeDelegationTokenRequest::default().with_owners(Some(Vec::new())));
    let owner = DescribeDelegationTokenOwner::default().with_principal_type(word("User")).with_principal_name(word("ann"));
    talk.ask("somebody's", &DescribeDelegationTokenRequest::default().with_owners(Some(vec![owner])));
}

fn handshake(talk: &mut Talk) {
    talk.ask("plain", &SaslHandshakeRequest::default().with_mechanism(StrBytes::from_static_str("PLAIN")));
}

fn authentication(talk: &mut Talk) {
    talk.ask("plain", &SaslAuthenticateRequest::default().with_auth_bytes(Bytes::from_static(b"\0user\0password")));
}
