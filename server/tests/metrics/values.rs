//! Numbers after known traffic.

use crate::kit::{Batch, FetchOne};
use crate::scrape::Scrape;
use crate::{Kit, watched};
use kafka_protocol::messages::ApiVersionsRequest;
use kafka_protocol::protocol::StrBytes;

/// Two topics; three records in the first.
fn known_traffic(kit: &Kit) {
    let mut client = kit.connect();
    client.create("orders", 2, &[]);
    client.create("quiet", 1, &[]);
    client.produce("orders", 0, &Batch::of(&["a", "b"]));
    client.produce("orders", 1, &Batch::of(&["c"]));
    client.fetch("orders", 0, &FetchOne::from(0));
}

#[test]
fn three_records_in_two_topics() {
    let kit = watched("");
    known_traffic(&kit);
    let scrape = Scrape::of(&kit);
    let orders = [("topic", "orders")];
    let traffic = |what: &str, labels: &[(&str, &str)]| scrape.get(&format!("kafka_server_brokertopicmetrics_{what}_total"), labels);
    assert_eq!(traffic("messagesin", &orders), 3.0);
    assert_eq!(traffic("messagesin", &[]), 3.0);
    assert_eq!(traffic("messagesin", &[("topic", "quiet")]), 0.0);
    assert_eq!(traffic("totalproducerequests", &orders), 2.0);
    assert_eq!(traffic("totalfetchrequests", &orders), 1.0);
    assert_eq!((traffic("failedproducerequests", &orders), traffic("failedfetchrequests", &orders)), (0.0, 0.0));
    let sizes: f64 = scrape.all("kafka_log_log_size").filter(|(labels, _)| labels["topic"] == "orders").map(|(_, size)| size).sum();
    assert_eq!(traffic("bytesin", &orders), sizes);
    let first = scrape.get("kafka_log_log_size", &[("topic", "orders"), ("partition", "0")]);
    assert_eq!(traffic("bytesout", &orders), first, "the one fetch read all of partition 0");
    assert!(first > 0.0);

    let of = |name: &str, partition: &str| scrape.get(name, &[("topic", "orders"), ("partition", partition)]);
    assert_eq!((of("kafka_topic_partition_current_offset", "0"), of("kafka_topic_partition_current_offset", "1")), (2.0, 1.0));
    assert_eq!((of("kafka_topic_partition_oldest_offset", "0"), of("kafka_log_log_logendoffset", "0")), (0.0, 2.0));
    assert_eq!((of("kafka_cluster_partition_atminisr", "0"), of("kafka_cluster_partition_underminisr", "0")), (1.0, 0.0));
    assert_eq!((of("kafka_topic_partition_leader", "0"), of("kafka_topic_partition_leader_is_preferred", "0")), (1.0, 1.0));
    assert_eq!(scrape.get("kafka_topic_partitions", &orders), 2.0);
    assert_eq!(scrape.get("kafka_server_replicamanager_leadercount", &[]), 3.0);
    assert_eq!(scrape.get("kafka_controller_kafkacontroller_activecontrollercount", &[]), 1.0);
    assert_eq!(scrape.get("kafka_log_logmanager_offlinelogdirectorycount", &[]), 0.0);
    assert_eq!(
        (scrape.get("kafka_brokers", &[]), scrape.get("process_start_time_seconds", &[])),
        (1.0, kit.clock.now_ms() as f64 / 1000.0)
    );
}

#[test]
fn every_request_is_counted_with_its_version_and_its_time() {
    let kit = watched("");
    known_traffic(&kit);
    let scrape = Scrape::of(&kit);
    let requests = "kafka_network_requestmetrics_requests_total";
    let of = |name: &str| scrape.all(requests).filter(|(labels, _)| labels["request"] == name).collect::<Vec<_>>();
    let produced = of("Produce");
    assert_eq!(produced.iter().map(|(_, count)| *count).sum::<f64>(), 2.0);
    assert!(produced.iter().all(|(labels, _)| labels["version"].parse::<i16>().is_ok_and(|version| version >= 3)));
    assert_eq!(of("FetchConsumer").len(), 1, "the name that dashboards of consumers ask for");
    let produce = [("request", "Produce")];
    for what in ["totaltimems", "localtimems", "remotetimems", "throttletimems", "requestbytes"] {
        assert_eq!(scrape.get(&format!("kafka_network_requestmetrics_{what}_count"), &produce), 2.0, "{what}");
    }
    let quantile = |what: &str, quantile| {
        scrape.get(&format!("kafka_network_requestmetrics_{what}"), &[("request", "Produce"), ("quantile", quantile)])
    };
    assert!(quantile("totaltimems", "0.50") > 0.0 && quantile("totaltimems", "0.50") <= quantile("totaltimems", "0.999"));
    assert!(quantile("throttletimems", "0.99") < 0.01, "nobody was throttled");
    assert!(scrape.get("kafka_network_requestmetrics_requestbytes_sum", &produce) > 100.0);
    let le = |le: &str| scrape.get("ottla_request_duration_seconds_bucket", &[("request", "Produce"), ("le", le)]);
    assert_eq!((le("+Inf"), le("17.179869184")), (2.0, 2.0));
    let idle = scrape.get("kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent", &[]);
    assert!((0.0..=1.0).contains(&idle), "{idle}");
}

#[test]
fn connections_are_told_by_listener_and_by_what_the_client_is() {
    let kit = watched("");
    let mut named = kit.connect();
    let who = ApiVersionsRequest::default()
        .with_client_software_name(StrBytes::from_static_str("story"))
        .with_client_software_version(StrBytes::from_static_str("1.2"));
    assert_eq!(named.ask::<ApiVersionsRequest>(3, &who).error_code, 0);
    let mut silent = kit.connect();
    silent.metadata(&[], false);
    let scrape = Scrape::of(&kit);
    let open: f64 = scrape.all("kafka_server_socket_server_metrics_connection_count").map(|(_, count)| count).sum();
    let of = |name: &str| {
        let open = scrape.all("kafka_server_socket_server_metrics_connections_software");
        open.filter(|(labels, _)| labels["clientSoftwareName"] == name).map(|(_, count)| count).sum::<f64>()
    };
    assert_eq!((open, of("story"), of("unknown")), (2.0, 1.0, 1.0));
}

#[test]
fn a_sum_of_all_topics_does_not_fall_when_one_is_deleted() {
    let kit = watched("");
    known_traffic(&kit);
    let before = Scrape::of(&kit);
    kit.connect().delete("orders");
    kit.connect().produce("quiet", 0, &Batch::of(&["d"]));
    let after = Scrape::of(&kit);
    assert_eq!(after.find("kafka_server_brokertopicmetrics_messagesin_total", &[("topic", "orders")]), None);
    assert_eq!(after.get("kafka_server_brokertopicmetrics_messagesin_total", &[]), 4.0);
    for (id, value) in before.counters().filter(|((_, labels), _)| labels.get("topic").is_none_or(|topic| topic != "orders")) {
        assert!(after.samples.get(id).is_some_and(|now| *now >= value), "{id:?} was {value}, is {:?}", after.samples.get(id));
    }
}

#[test]
fn the_switch_decides_how_far_a_scrape_goes() {
    let with = |detail: &str| {
        let kit = watched(&format!("ottla.metrics.detail={detail}\n"));
        known_traffic(&kit);
        Scrape::of(&kit)
    };
    let topic = with("topic");
    assert_eq!(topic.get("kafka_topic_partition_current_offset", &[("topic", "orders")]), 3.0, "the sum over both partitions");
    assert_eq!(topic.all("kafka_topic_partition_leader").count(), 0, "a sum of broker ids means nothing");
    assert!(topic.samples.keys().all(|(_, labels)| !labels.contains_key("partition")));
    let broker = with("broker");
    assert!(broker.samples.keys().all(|(_, labels)| !labels.contains_key("partition") && !labels.contains_key("topic")));
    assert_eq!(broker.get("kafka_server_brokertopicmetrics_messagesin_total", &[]), 3.0);
}
