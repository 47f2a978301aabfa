//! Random changes of configs against a model: two maps and the words of the protocol.

mod support;

use ottla_coordinator::effects::Ticket;
use ottla_coordinator::metadata::image::{ConfigResource, ConfigResourceType};
use ottla_coordinator::metadata::*;
use ottla_coordinator::shard::Shard;
use proptest::prelude::*;
use std::collections::BTreeMap;
use support::*;

type Settings = BTreeMap<String, String>;

const KEYS: [&str; 4] = ["retention.ms", "cleanup.policy", "min.insync.replicas", "no.such.key"];
const VALUES: [&str; 8] = ["5", "x", "compact", "delete", "compact,delete", "", ",", "delete,,"];

#[derive(Clone, Debug)]
struct Request {
    scope: ConfigScope,
    validate_only: bool,
    changes: Vec<ConfigChange>,
}

/// Two topics that exist, one that does not, a group, all brokers.
fn resource(n: u8) -> ConfigResource {
    let (resource_type, name) = match n % 5 {
        0 => (ConfigResourceType::Topic, "a"),
        1 => (ConfigResourceType::Topic, "b"),
        2 => (ConfigResourceType::Topic, "nowhere"),
        3 => (ConfigResourceType::Group, "g"),
        _ => (ConfigResourceType::Broker, ""),
    };
    ConfigResource { resource_type, name: name.to_owned() }
}

fn operation() -> impl Strategy<Value = ConfigOperation> {
    let value = || prop::sample::select(&VALUES[..]).prop_map(str::to_owned);
    prop_oneof![
        3 => value().prop_map(ConfigOperation::Set),
        2 => Just(ConfigOperation::Delete),
        2 => value().prop_map(ConfigOperation::Append),
        2 => value().prop_map(ConfigOperation::Subtract),
    ]
}

fn request() -> impl Strategy<Value = Request> {
    let key = || prop::sample::select(&KEYS[..]).prop_map(str::to_owned);
    let change = (any::<u8>(), prop::collection::btree_map(key(), operation(), 0..3))
        .prop_map(|(n, operations)| ConfigChange { resource: resource(n), operations });
    (any::<bool>(), prop::bool::weighted(0.2), prop::collection::vec(change, 0..3)).prop_map(|(all, validate_only, mut changes)| {
        // A resource that comes twice is refused at the door.
        changes.sort_by(|one, other| one.resource.cmp(&other.resource));
        changes.dedup_by(|one, other| one.resource == other.resource);
        let scope = if all { ConfigScope::AllKeys } else { ConfigScope::NamedKeys };
        if all {
            let is_set = |operation: &ConfigOperation| matches!(operation, ConfigOperation::Set(_));
            changes.iter_mut().for_each(|change| change.operations.retain(|_, operation| is_set(operation)));
        }
        Request { scope, validate_only, changes }
    })
}

/// What Java's `split(",")` leaves.
fn split(text: &str) -> Vec<&str> {
    let mut parts: Vec<&str> = text.split(',').collect();
    while parts.len() > 1 && parts.last() == Some(&"") {
        parts.pop();
    }
    if parts == [""] && !text.is_empty() { Vec::new() } else { parts }
}

/// The settings after a change, `None` when it is refused.
fn expected(held: &Settings, change: &ConfigChange, scope: ConfigScope) -> Option<Settings> {
    let mut wanted = if scope == ConfigScope::AllKeys { Settings::new() } else { held.clone() };
    for (key, operation) in &change.operations {
        let list = |change: &dyn Fn(&mut Vec<String>)| {
            let current = held.get(key).map_or("delete", String::as_str);
            let mut items: Vec<String> = current.split(',').filter(|item| !item.is_empty()).map(str::to_owned).collect();
            change(&mut items);
            (key == "cleanup.policy").then(|| items.join(","))
        };
        match operation {
            ConfigOperation::Set(value) => wanted.insert(key.clone(), value.clone()),
            ConfigOperation::Delete => wanted.remove(key),
            ConfigOperation::Append(value) => {
                let value = list(&|items| {
                    for item in split(value) {
                        if !items.iter().any(|held| held == item) {
                            items.push(item.to_owned());
                        }
                    }
                });
                wanted.insert(key.clone(), value?)
            }
            ConfigOperation::Subtract(value) => {
                let value = list(&|items| {
                    for item in split(value) {
                        if let Some(at) = items.iter().position(|held| held == item) {
                            items.remove(at);
                        }
                    }
                });
                wanted.insert(key.clone(), value?)
            }
        };
    }
    let min_isr = "min.insync.replicas";
    // Eligible leader replicas are on: the cluster keeps its value.
    let loses_min_isr = change.resource.resource_type == ConfigResourceType::Broker
        && (change.operations.contains_key(min_isr) || held.contains_key(min_isr))
        && !wanted.contains_key(min_isr);
    let in_order = !wanted.contains_key("no.such.key")
        && wanted.get("retention.ms").is_none_or(|value| value.parse::<i64>().is_ok())
        && change.resource.name != "nowhere"
        && !loses_min_isr;
    in_order.then_some(wanted)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn configs_are_what_the_changes_made_of_them(requests in prop::collection::vec(request(), 1..30)) {
        let mut node = Node::started();
        node.create(&create(&[topic("a", 1, 1), topic("b", 1, 1)]));
        let mut model: BTreeMap<ConfigResource, Settings> = BTreeMap::new();
        for (resource, settings) in node.image().configs().iter() {
            model.insert(resource.clone(), BTreeMap::clone(settings));
        }
        for request in &requests {
            let replies = node.run(|shard, _| {
                shard.alter_configs(Ticket(0), &request.changes, request.scope, request.validate_only, &Configs)
            });
            let [MetadataReply::Configs(outcomes)] = &replies[..] else { panic!("{replies:?}") };
            prop_assert_eq!(outcomes.len(), request.changes.len());
            for (change, outcome) in request.changes.iter().zip(outcomes) {
                let held = model.get(&change.resource).cloned().unwrap_or_default();
                let after = expected(&held, change, request.scope);
                prop_assert_eq!(outcome.is_ok(), after.is_some(), "{:?}: {:?}", change, outcome);
                if let (Some(after), false) = (after, request.validate_only) {
                    model.insert(change.resource.clone(), after);
                    model.retain(|_, settings| !settings.is_empty());
                }
            }
            let image = node.image();
            let shown: BTreeMap<ConfigResource, Settings> =
                image.configs().iter().map(|(resource, settings)| (resource.clone(), BTreeMap::clone(settings))).collect();
            prop_assert_eq!(&shown, &model);
        }
        // The log alone says the same.
        let mut again = MetadataShard::new();
        for bytes in &node.log {
            again.replay(&records::MetadataRecord::decode(bytes).expect("our own bytes"));
        }
        prop_assert_eq!(again.image().configs(), node.image().configs());
    }
}

#[test]
fn more_records_than_one_request_may_write_change_nothing() {
    let mut node = Node::started();
    let change = |n: usize, keys: &[&str]| ConfigChange {
        resource: ConfigResource { resource_type: ConfigResourceType::Group, name: format!("g{n}") },
        operations: keys.iter().map(|key| ((*key).to_owned(), ConfigOperation::Set("5".to_owned()))).collect(),
    };
    let mut alter = |count: usize, keys: &[&str]| {
        let changes: Vec<_> = (0..count).map(|n| change(n, keys)).collect();
        let replies = node.run(|shard, _| shard.alter_configs(Ticket(0), &changes, ConfigScope::NamedKeys, false, &Configs));
        let [MetadataReply::Configs(outcomes)] = &replies[..] else { panic!("{replies:?}") };
        assert!(outcomes.windows(2).all(|pair| pair[0] == pair[1]));
        (outcomes[0].as_ref().err().map(|refused| refused.error.code()), node.image().configs().iter().count())
    };
    let at_first = alter(1, &["no.such.key"]).1;
    assert_eq!(alter(5_001, &["retention.ms", "cleanup.policy"]), (Some(44), at_first));
    assert_eq!(alter(5_000, &["retention.ms", "cleanup.policy"]), (None, at_first + 5_000));
}
