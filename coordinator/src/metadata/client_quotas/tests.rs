use super::*;
use crate::effects::Ticket;
use crate::metadata::{MetadataReply, MetadataShard};
use crate::shard::Shard;

fn entry(entity: &[(&str, Option<&str>)], ops: &[(&str, Option<f64>)]) -> alter::EntryData {
    let part = |(entity_type, name): &(&str, Option<&str>)| {
        alter::EntityData::default().with_entity_type(string(entity_type)).with_entity_name(name.map(string))
    };
    let op = |(key, value): &(&str, Option<f64>)| {
        alter::OpData::default().with_key(string(key)).with_value(value.unwrap_or_default()).with_remove(value.is_none())
    };
    alter::EntryData::default().with_entity(entity.iter().map(part).collect()).with_ops(ops.iter().map(op).collect())
}

/// Commits what the shard decides; the texts of the answer, empty for none, and how many records there were.
fn run(shard: &mut MetadataShard, request: &AlterClientQuotasRequest) -> (Vec<String>, usize) {
    let effects = shard.alter_client_quotas(Ticket(0), request, &|name| name == "10.0.0.1");
    effects.records.iter().for_each(|record| shard.replay(record));
    let Some((_, MetadataReply::AlterClientQuotas(response))) = effects.replies.into_iter().next() else { panic!("no answer") };
    let text = |entry: altered::EntryData| {
        assert_eq!(entry.error_code == 0, entry.error_message.is_none(), "{entry:?}");
        entry.error_message.map(|text| text.to_string()).unwrap_or_default()
    };
    (response.entries.into_iter().map(text).collect(), effects.records.len())
}

fn request(entries: Vec<alter::EntryData>) -> AlterClientQuotasRequest {
    AlterClientQuotasRequest::default().with_entries(entries)
}

fn refusal(entity: &[(&str, Option<&str>)], ops: &[(&str, Option<f64>)]) -> String {
    let (mut texts, records) = run(&mut MetadataShard::new(), &request(vec![entry(entity, ops)]));
    assert_eq!(records, usize::from(texts[0].is_empty()));
    texts.remove(0)
}

fn component(entity_type: &str, match_type: i8, name: Option<&str>) -> ComponentData {
    ComponentData::default().with_entity_type(string(entity_type)).with_match_type(match_type).with_match(name.map(string))
}

fn found(shard: &MetadataShard, components: Vec<ComponentData>, strict: bool) -> Result<Vec<String>, (i16, String)> {
    let request = DescribeClientQuotasRequest::default().with_components(components).with_strict(strict);
    let response = describe_client_quotas(shard.image(), &request);
    let Some(entries) = response.entries else { return Err((response.error_code, response.error_message.unwrap_or_default().to_string())) };
    let name = |entry: described::EntryData| {
        let parts = entry.entity.iter().map(|part| format!("{}={}", part.entity_type, part.entity_name.as_deref().unwrap_or("*")));
        parts.collect::<Vec<_>>().join("/")
    };
    Ok(entries.into_iter().map(name).collect())
}

#[test]
fn a_quota_is_set_changed_and_removed_and_what_stays_as_it_is_writes_nothing() {
    let mut shard = MetadataShard::new();
    let user: &[(&str, Option<&str>)] = &[("user", Some("u"))];
    let mut set = |ops: &[(&str, Option<f64>)]| run(&mut shard, &request(vec![entry(user, ops)])).1;
    assert_eq!(set(&[(PRODUCER_BYTE_RATE, Some(10.0)), (REQUEST_PERCENTAGE, Some(0.5))]), 2);
    assert_eq!(set(&[(PRODUCER_BYTE_RATE, Some(10.0)), (REQUEST_PERCENTAGE, Some(0.6))]), 1);
    assert_eq!(set(&[(CONSUMER_BYTE_RATE, None), (PRODUCER_BYTE_RATE, None)]), 1);
    let entity = QuotaEntity::new(vec![QuotaEntityPart { entity_type: USER.to_owned(), entity_name: Some("u".to_owned()) }]);
    let held = shard.image().client_quotas().of(&entity).expect("one is left");
    assert_eq!(held.iter().map(|(key, value)| (key.as_str(), *value)).collect::<Vec<_>>(), [(REQUEST_PERCENTAGE, 0.6)]);
    assert_eq!(run(&mut shard, &request(vec![entry(user, &[(REQUEST_PERCENTAGE, None)])])).1, 1);
    assert!(shard.image().client_quotas().of(&entity).is_none());
}

#[test]
fn an_entity_is_a_user_a_client_id_both_or_an_address() {
    let ops: &[(&str, Option<f64>)] = &[(PRODUCER_BYTE_RATE, Some(1.0))];
    let rate: &[(&str, Option<f64>)] = &[(CONNECTION_CREATION_RATE, Some(1.0))];
    for entity in [&[("user", None)] as &[_], &[("client-id", Some("c"))], &[("user", Some("u")), ("client-id", None)]] {
        assert_eq!(refusal(entity, ops), "");
        assert_eq!(refusal(entity, rate), "Invalid configuration key connection_creation_rate");
    }
    for entity in [&[("ip", None)] as &[_], &[("ip", Some("10.0.0.1"))]] {
        assert_eq!(refusal(entity, rate), "");
        assert_eq!(refusal(entity, ops), "Invalid configuration key producer_byte_rate");
    }
    assert_eq!(refusal(&[], ops), "Invalid empty client quota entity");
    assert_eq!(refusal(&[("user", Some(""))], ops), "Empty user not supported");
    assert_eq!(refusal(&[("group", Some("g"))], ops), "Unhandled client quota entity type: group");
    assert_eq!(refusal(&[("ip", Some("nowhere"))], rate), "nowhere is not a valid IP or resolvable host.");
    let both = refusal(&[("ip", None), ("user", None)], rate);
    assert_eq!(both, "Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId");
}

#[test]
fn rates_are_whole_and_positive_percentages_only_positive() {
    let user = |key, value| refusal(&[("user", None)], &[(key, Some(value))]);
    assert_eq!(user(PRODUCER_BYTE_RATE, 0.0), "Quota producer_byte_rate must be greater than 0");
    assert_eq!(user(REQUEST_PERCENTAGE, -1.0), "Quota request_percentage must be greater than 0");
    assert_eq!(user(CONSUMER_BYTE_RATE, 1.5), "consumer_byte_rate cannot be a fractional value.");
    assert_eq!(user(CONSUMER_BYTE_RATE, f64::INFINITY), "Proposed value for consumer_byte_rate is too large for a LONG.");
    assert_eq!(user(CONTROLLER_MUTATION_RATE, 0.1), "");
    assert_eq!(user(REQUEST_PERCENTAGE, f64::NAN), "");
    let ip = refusal(&[("ip", None)], &[(CONNECTION_CREATION_RATE, Some(2_147_483_648.0))]);
    assert_eq!(ip, "Proposed value for connection_creation_rate is too large for an INT.");
}

#[test]
fn of_an_entity_named_twice_the_first_alterations_stand_and_the_answer_is_an_error() {
    let mut shard = MetadataShard::new();
    let pair: &[(&str, Option<&str>)] = &[("user", None), ("client-id", Some("c"))];
    let twice = vec![entry(pair, &[(PRODUCER_BYTE_RATE, Some(1.0))]), entry(pair, &[(PRODUCER_BYTE_RATE, Some(2.0))])];
    let text = "Ignoring duplicate entity ClientQuotaEntity(entries={client-id=c, user=null})";
    assert_eq!(run(&mut shard, &request(twice)), (vec![text.to_owned()], 1));
    let (_, held) = shard.image().client_quotas().iter().next().expect("the first stands");
    assert_eq!(held[PRODUCER_BYTE_RATE].to_bits(), 1.0_f64.to_bits());
    let key_twice = vec![entry(pair, &[(PRODUCER_BYTE_RATE, Some(3.0)), (PRODUCER_BYTE_RATE, None)])];
    assert_eq!(run(&mut shard, &request(key_twice)), (vec![text.to_owned()], 0));
}

#[test]
fn what_is_only_validated_or_too_much_changes_nothing() {
    let mut shard = MetadataShard::new();
    let one = entry(&[("user", None)], &[(PRODUCER_BYTE_RATE, Some(1.0))]);
    assert_eq!(run(&mut shard, &request(vec![one]).with_validate_only(true)), (vec![String::new()], 0));
    let many = |count: usize| {
        let user = |at: usize| entry(&[("user", Some(at.to_string().as_str()))], &[(PRODUCER_BYTE_RATE, Some(1.0))]);
        request((0..count).map(user).collect())
    };
    let (texts, records) = run(&mut shard, &many(MAX_RECORDS_PER_OPERATION + 1));
    assert_eq!((texts.len(), records), (MAX_RECORDS_PER_OPERATION + 1, 0));
    assert!(texts.iter().all(|text| text == "Request parameters do not satisfy the configured policy."));
    assert_eq!(run(&mut shard, &many(MAX_RECORDS_PER_OPERATION)).1, MAX_RECORDS_PER_OPERATION);
}

#[test]
fn a_filter_finds_exact_names_defaults_or_all_of_a_type() {
    let mut shard = MetadataShard::new();
    let entities: &[&[(&str, Option<&str>)]] =
        &[&[("user", Some("u"))], &[("user", None)], &[("client-id", Some("c"))], &[("user", Some("u")), ("client-id", None)]];
    let entries = entities.iter().map(|entity| entry(entity, &[(PRODUCER_BYTE_RATE, Some(1.0))])).collect();
    assert_eq!(run(&mut shard, &request(entries)).1, 4);
    let all = found(&shard, Vec::new(), false).expect("no filter");
    assert_eq!(all, ["client-id=*/user=u", "client-id=c", "user=*", "user=u"]);
    assert_eq!(found(&shard, Vec::new(), true), Ok(Vec::new()));
    assert_eq!(found(&shard, vec![component("user", EXACT, Some("u"))], false).expect("exact"), ["client-id=*/user=u", "user=u"]);
    assert_eq!(found(&shard, vec![component("user", EXACT, Some("u"))], true).expect("strict"), ["user=u"]);
    assert_eq!(found(&shard, vec![component("user", DEFAULT, None)], false).expect("default"), ["user=*"]);
    assert_eq!(found(&shard, vec![component("user", ANY, None)], true).expect("any"), ["user=*", "user=u"]);
    let pair = vec![component("user", ANY, None), component("client-id", DEFAULT, None)];
    assert_eq!(found(&shard, pair, true).expect("a pair"), ["client-id=*/user=u"]);
}

#[test]
fn a_filter_that_makes_no_sense_is_refused() {
    let refused = |components| found(&MetadataShard::new(), components, false).expect_err("it makes no sense");
    let invalid = |components, text: &str| assert_eq!(refused(components), (42, text.to_owned()));
    invalid(vec![component("", ANY, None)], "Invalid empty entity type.");
    let twice = vec![component("user", ANY, None), component("user", DEFAULT, None)];
    invalid(twice, "Entity type user cannot appear more than once in the filter.");
    invalid(vec![component("ip", EXACT, None)], "Request specified MATCH_TYPE_EXACT, but set match string to null.");
    invalid(vec![component("ip", DEFAULT, Some(""))], "Request specified MATCH_TYPE_DEFAULT, but also specified a match string.");
    invalid(vec![component("ip", ANY, Some("x"))], "Request specified MATCH_TYPE_SPECIFIED, but also specified a match string.");
    invalid(vec![component("ip", 3, None)], "Unknown match type 3");
    let mixed = vec![component("ip", ANY, None), component("user", ANY, None)];
    invalid(
        mixed,
        "Invalid entity filter component combination. IP filter component should not be used with user or clientId filter component.",
    );
    assert_eq!(refused(vec![component("group", ANY, None)]), (35, "Unsupported entity type group".to_owned()));
}
