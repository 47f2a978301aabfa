//! GetTelemetrySubscriptions and PushTelemetry, without anybody who receives.

use super::{Story, Talk, story};
use bytes::Bytes;
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::{GetTelemetrySubscriptionsRequest, IncrementalAlterConfigsRequest, PushTelemetryRequest};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

pub(super) const STORIES: &[Story] = &[
    story("telemetry of one client", 0..=0, one_client),
    story("telemetry refused", 0..=0, refused),
    story("telemetry subscribed", 0..=0, subscribed),
];

const CLIENT_METRICS: i8 = 16;

fn id(number: u128) -> Uuid {
    Uuid::from_u128(0x7a3f_0000_0000_4000_8000_0000_0000_0000 + number)
}

fn get(number: u128) -> GetTelemetrySubscriptionsRequest {
    GetTelemetrySubscriptionsRequest::default().with_client_instance_id(id(number))
}

fn push(number: u128, subscription_id: i32) -> PushTelemetryRequest {
    PushTelemetryRequest::default().with_client_instance_id(id(number)).with_subscription_id(subscription_id)
}

fn one_client(talk: &mut Talk) {
    let told = talk.ask("subscriptions", &get(1)).subscription_id;
    talk.ask("too soon again", &get(1));
    let metrics = push(1, told).with_metrics(Bytes::from_static(b"no protobuf at all"));
    talk.ask("the first push, which may be early", &metrics);
    talk.ask("a second one, too soon", &metrics);
    talk.ask("the last one, which may be early too", &metrics.clone().with_terminating(true));
    talk.ask("one behind the last", &metrics);
    talk.ask("and another", &metrics);
}

fn refused(talk: &mut Talk) {
    talk.ask("another subscription", &push(2, 1));
    talk.ask("subscriptions after that, at once", &get(2));
    talk.ask("another subscription, too soon", &push(3, 1));
    talk.ask("again", &push(3, 1));
    let told = talk.ask("subscriptions of a third", &get(4)).subscription_id;
    talk.ask("a compression nobody knows", &push(4, told).with_compression_type(9));
    let told = talk.ask("subscriptions of a fourth", &get(5)).subscription_id;
    talk.ask("too much", &push(5, told).with_metrics(Bytes::from(vec![0; 1_048_577])));
    let told = talk.ask("subscriptions of a fifth", &get(6)).subscription_id;
    talk.ask("what cannot be opened", &push(6, told).with_compression_type(4).with_metrics(Bytes::from(vec![0; 1_048_576])));
    talk.ask("an id that stands for none", &PushTelemetryRequest::default());
    talk.ask("an id that stands for the metadata topic", &PushTelemetryRequest::default().with_client_instance_id(Uuid::from_u128(1)));
}

fn alter(talk: &mut Talk, name: &str, operation: i8, configs: &[(&'static str, &'static str)]) {
    let config = |(key, value): &(&'static str, &'static str)| {
        let value = (operation == 0).then(|| StrBytes::from_static_str(value));
        AlterableConfig::default().with_name(StrBytes::from_static_str(key)).with_config_operation(operation).with_value(value)
    };
    let resource = AlterConfigsResource::default()
        .with_resource_type(CLIENT_METRICS)
        .with_resource_name(StrBytes::from_string(name.to_owned()))
        .with_configs(configs.iter().map(config).collect());
    let answer = talk.quietly(1, &IncrementalAlterConfigsRequest::default().with_resources(vec![resource]));
    assert_eq!(answer.responses[0].error_code, 0, "{answer:?}");
}

fn subscribed(talk: &mut Talk) {
    let (ours, others) = (talk.name("ours").to_string(), talk.name("others").to_string());
    let here =
        [("metrics", "org.apache.kafka.consumer."), ("interval.ms", "3600000"), ("match", "client_source_address=127\\.0\\.\\d+\\.1")];
    let elsewhere = [("metrics", "*"), ("interval.ms", "100"), ("match", "client_source_address=127,client_id=.*")];
    alter(talk, &others, 0, &elsewhere);
    alter(talk, &ours, 0, &here);
    // Apache Kafka's broker learns a moment later what its controller has decided.
    talk.ask_until("a longer interval than the default does not count", &get(7), |answer| !answer.requested_metrics.is_empty());
    alter(talk, &ours, 0, &[("interval.ms", "60000")]);
    talk.ask_until("a shorter one does, and at once", &get(7), |answer| answer.push_interval_ms == 60_000);
    alter(talk, &ours, 0, &[("metrics", "org.apache.kafka.consumer.,*")]);
    talk.ask_until("all metrics", &get(7), |answer| answer.requested_metrics.iter().any(|metric| metric.as_str() == "*"));
    alter(talk, &ours, 1, &here);
    alter(talk, &others, 1, &elsewhere);
    talk.ask_until("none any more", &get(7), |answer| answer.error_code == 0 && answer.requested_metrics.is_empty());
}
