//! DescribeClientQuotas and AlterClientQuotas.

use super::{Story, Talk, story};
use kafka_protocol::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use kafka_protocol::messages::describe_client_quotas_request::ComponentData;
use kafka_protocol::messages::{AlterClientQuotasRequest, DescribeClientQuotasRequest};
use kafka_protocol::protocol::StrBytes;

pub(super) const STORIES: &[Story] =
    &[story("quotas", 0..=1, altered), story("quotas refused", 0..=1, refused), story("quotas filtered", 0..=1, filtered)];

type Entity<'a> = &'a [(&'a str, Option<&'a str>)];
type Ops<'a> = &'a [(&'a str, Option<f64>)];

const EXACT: i8 = 0;
const DEFAULT: i8 = 1;
const ANY: i8 = 2;

fn string(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn entry(entity: Entity<'_>, ops: Ops<'_>) -> EntryData {
    let part =
        |(kind, name): &(&str, Option<&str>)| EntityData::default().with_entity_type(string(kind)).with_entity_name(name.map(string));
    let op = |(key, value): &(&str, Option<f64>)| {
        OpData::default().with_key(string(key)).with_value(value.unwrap_or_default()).with_remove(value.is_none())
    };
    EntryData::default().with_entity(entity.iter().map(part).collect()).with_ops(ops.iter().map(op).collect())
}

fn alter(entries: Vec<EntryData>) -> AlterClientQuotasRequest {
    AlterClientQuotasRequest::default().with_entries(entries)
}

fn filter(components: &[(&str, i8, Option<&str>)], strict: bool) -> DescribeClientQuotasRequest {
    let component = |(kind, match_type, name): &(&str, i8, Option<&str>)| {
        ComponentData::default().with_entity_type(string(kind)).with_match_type(*match_type).with_match(name.map(string))
    };
    DescribeClientQuotasRequest::default().with_components(components.iter().map(component).collect()).with_strict(strict)
}

/// What stands for the user of this story alone.
fn stands(talk: &mut Talk, question: &str, user: &str, quotas: usize) {
    let request = filter(&[("user", EXACT, Some(user))], false);
    // Apache Kafka's broker learns a moment later what its controller has decided.
    talk.ask_until(question, &request, |answer| answer.entries.iter().flatten().map(|entry| entry.values.len()).sum::<usize>() == quotas);
}

fn altered(talk: &mut Talk) {
    let user = talk.name("u").to_string();
    let just_user: Entity<'_> = &[("user", Some(&user))];
    let pair: Entity<'_> = &[("client-id", Some("c")), ("user", Some(&user))];
    let with_default: Entity<'_> = &[("user", Some(&user)), ("client-id", None)];
    let all: Ops<'_> = &[
        ("producer_byte_rate", Some(1e9)),
        ("consumer_byte_rate", Some(2e9)),
        ("request_percentage", Some(1000.5)),
        ("controller_mutation_rate", Some(1e6)),
    ];
    talk.ask("validated only", &alter(vec![entry(just_user, all)]).with_validate_only(true));
    stands(talk, "nothing stands", &user, 0);
    talk.ask("set", &alter(vec![entry(just_user, all), entry(pair, &all[..1]), entry(with_default, &all[1..2])]));
    stands(talk, "all stand", &user, 6);
    talk.ask("changed", &alter(vec![entry(just_user, &[("producer_byte_rate", Some(3e9)), ("consumer_byte_rate", None)])]));
    stands(talk, "one is gone", &user, 5);
    talk.ask("removed what never was", &alter(vec![entry(just_user, &[("no_such_key", None), ("consumer_byte_rate", None)])]));
    let none: Ops<'_> =
        &[("producer_byte_rate", None), ("consumer_byte_rate", None), ("request_percentage", None), ("controller_mutation_rate", None)];
    talk.ask("removed", &alter(vec![entry(just_user, none), entry(pair, none), entry(with_default, none)]));
    stands(talk, "nothing is left", &user, 0);
    talk.ask("no entries", &alter(Vec::new()));
    talk.ask("no ops", &alter(vec![entry(just_user, &[])]));
}

fn refused(talk: &mut Talk) {
    let user = talk.name("r").to_string();
    let ask = |talk: &mut Talk, question: &str, entity: Entity<'_>, ops: Ops<'_>| {
        talk.ask(question, &alter(vec![entry(entity, ops)]).with_validate_only(true));
    };
    let rate: Ops<'_> = &[("producer_byte_rate", Some(1e9))];
    let mine: Entity<'_> = &[("user", Some(&user))];
    ask(talk, "an empty entity", &[], rate);
    ask(talk, "an unknown type", &[("group", Some("g"))], rate);
    ask(talk, "an empty name", &[("user", Some(""))], rate);
    ask(talk, "an ip and a user", &[("ip", Some("10.0.0.1")), ("user", Some("u"))], &[("connection_creation_rate", Some(1.0))]);
    ask(talk, "an ip", &[("ip", Some("10.0.0.1"))], &[("connection_creation_rate", Some(1.0))]);
    ask(talk, "the default ip", &[("ip", None)], &[("connection_creation_rate", Some(1.0))]);
    ask(talk, "a host", &[("ip", Some("localhost"))], &[("connection_creation_rate", Some(1.0))]);
    ask(talk, "no host", &[("ip", Some("not a host"))], &[("connection_creation_rate", Some(1.0))]);
    ask(talk, "an ip with a user's key", &[("ip", Some("10.0.0.1"))], rate);
    ask(talk, "a user with an ip's key", mine, &[("connection_creation_rate", Some(1.0))]);
    ask(talk, "an unknown key", mine, &[("no_such_key", Some(1.0))]);
    ask(talk, "an unknown key of an ip", &[("ip", None)], &[("no_such_key", Some(1.0))]);
    for (name, value) in [("zero", 0.0), ("minus one", -1.0), ("a fraction", 1.5), ("nearly whole", 1.000_000_1), ("too large", 1e19)] {
        ask(talk, &format!("a byte rate: {name}"), mine, &[("producer_byte_rate", Some(value))]);
        ask(talk, &format!("a percentage: {name}"), mine, &[("request_percentage", Some(value))]);
    }
    for (name, value) in [("NaN", f64::NAN), ("infinite", f64::INFINITY), ("minus infinite", f64::NEG_INFINITY)] {
        ask(talk, &format!("a byte rate: {name}"), mine, &[("consumer_byte_rate", Some(value))]);
        ask(talk, &format!("a mutation rate: {name}"), mine, &[("controller_mutation_rate", Some(value))]);
    }
    ask(talk, "an ip's rate: too large", &[("ip", None)], &[("connection_creation_rate", Some(2_147_483_648.0))]);
    ask(talk, "an ip's rate: a fraction", &[("ip", None)], &[("connection_creation_rate", Some(0.5))]);
    ask(talk, "a key twice", mine, &[("producer_byte_rate", Some(1e9)), ("producer_byte_rate", Some(2e9))]);
    ask(talk, "a type twice", &[("user", Some("other")), ("user", Some(&user))], rate);
    let pair: Entity<'_> = &[("user", None), ("client-id", Some("c"))];
    talk.ask("an entity twice", &alter(vec![entry(pair, rate), entry(pair, rate)]).with_validate_only(true));
    talk.ask(
        "a good and a bad one",
        &alter(vec![entry(mine, rate), entry(&[("user", None)], &[("no", Some(1.0))])]).with_validate_only(true),
    );
    talk.ask("a good and a bad one for real", &alter(vec![entry(mine, rate), entry(&[("user", None)], &[("no", Some(1.0))])]));
    stands(talk, "the good one stands", &user, 1);
    talk.ask("entity twice for real", &alter(vec![entry(mine, &[("producer_byte_rate", Some(7e9))]), entry(mine, rate)]));
    talk.ask("removed", &alter(vec![entry(mine, &[("producer_byte_rate", None)])]));
    stands(talk, "nothing is left", &user, 0);
}

fn filtered(talk: &mut Talk) {
    let user = talk.name("f").to_string();
    let client = talk.name("c").to_string();
    let rate: Ops<'_> = &[("producer_byte_rate", Some(1e9))];
    let entities: &[Entity<'_>] = &[
        &[("user", Some(&user))],
        &[("user", Some(&user)), ("client-id", Some(&client))],
        &[("user", Some(&user)), ("client-id", None)],
        &[("client-id", Some(&client))],
    ];
    talk.quietly(1, &alter(entities.iter().map(|entity| entry(entity, rate)).collect()));
    talk.quietly(1, &alter(vec![entry(&[("ip", Some("10.0.0.1"))], &[("connection_creation_rate", Some(5.0))])]));
    let wait = filter(&[("ip", ANY, None)], false);
    talk.ask_until("ips", &wait, |answer| answer.entries.as_ref().is_some_and(|entries| entries.len() == 1));
    let exact = ("user", EXACT, Some(user.as_str()));
    let its_client = ("client-id", EXACT, Some(client.as_str()));
    talk.ask("all of a user", &filter(&[exact], false));
    talk.ask("only the user", &filter(&[exact], true));
    talk.ask("user and any client", &filter(&[exact, ("client-id", ANY, None)], true));
    talk.ask("user and default client", &filter(&[exact, ("client-id", DEFAULT, None)], false));
    talk.ask("user and client", &filter(&[exact, its_client], true));
    talk.ask("all of a client", &filter(&[its_client], false));
    talk.ask("only the client", &filter(&[its_client], true));
    talk.ask("the default user", &filter(&[("user", DEFAULT, None)], false));
    talk.ask("any user and a client", &filter(&[("user", ANY, None), its_client], false));
    talk.ask("nothing strictly", &filter(&[], true));
    talk.ask("one ip", &filter(&[("ip", EXACT, Some("10.0.0.1"))], true));
    talk.ask("another ip", &filter(&[("ip", EXACT, Some("10.0.0.2"))], true));
    for (question, components) in [
        ("an empty type", vec![("", ANY, None)]),
        ("an unknown type", vec![("group", ANY, None)]),
        ("a type twice", vec![exact, ("user", ANY, None)]),
        ("an unknown type twice", vec![("group", ANY, None), ("group", ANY, None)]),
        ("exact without a name", vec![("user", EXACT, None)]),
        ("exact with an empty name", vec![("user", EXACT, Some(""))]),
        ("default with a name", vec![("user", DEFAULT, Some("u"))]),
        ("any with a name", vec![("user", ANY, Some("u"))]),
        ("an unknown match type", vec![("user", 3, None)]),
        ("a negative match type", vec![("user", -1, None)]),
        ("ip and user", vec![("ip", ANY, None), exact]),
        ("ip and client", vec![("client-id", DEFAULT, None), ("ip", DEFAULT, None)]),
    ] {
        talk.ask(question, &filter(&components, false));
    }
    let gone = |entity: &&[(&str, Option<&str>)]| entry(entity, &[("producer_byte_rate", None)]);
    let mut entries: Vec<EntryData> = entities.iter().map(gone).collect();
    entries.push(entry(&[("ip", Some("10.0.0.1"))], &[("connection_creation_rate", None)]));
    talk.quietly(0, &alter(entries));
    talk.ask_until("no ips", &wait, |answer| answer.entries.as_ref().is_some_and(Vec::is_empty));
}
