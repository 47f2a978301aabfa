//! Requests, reactors and connections.

use super::super::family::{Family, Rows, counter, gauge, histogram, names, summary};
use super::super::requests::ApiRow;
use super::super::text::{Number, Samples};

#[rustfmt::skip]
pub(super) static FAMILIES: &[Family] = &[
    counter("kafka_network_requestmetrics_requests_total", "Requests answered, by version.", Rows::Few(&["request", "version"], |s, samples| {
        for api in &s.apis {
            for (name, (version, count)) in names(api).flat_map(|name| api.by_version.iter().map(move |row| (name, row))) {
                samples.sample().plain("request", name).plain("version", version).value(*count);
            }
        }
    })),
    summary("kafka_network_requestmetrics_totaltimems", "Milliseconds from the last byte of a request to its answer; quantiles are of the last minutes.", Rows::Times(|times| &times.total)),
    summary("kafka_network_requestmetrics_localtimems", "Milliseconds until a request was handled or had to wait.", Rows::Times(|times| &times.local)),
    summary("kafka_network_requestmetrics_remotetimems", "Milliseconds a request waited: for records, a rebalance, a commit.", Rows::Times(|times| &times.remote)),
    summary("kafka_network_requestmetrics_throttletimems", "Milliseconds clients were told to stay away.", Rows::Times(|times| &times.throttle)),
    summary("kafka_network_requestmetrics_requestbytes", "Bytes of requests.", Rows::Few(&["request"], |s, samples| {
        for (api, name) in s.apis.iter().flat_map(|api| names(api).map(move |name| (api, name))) {
            samples.sample_of("_sum").plain("request", name).value(api.request_bytes);
            samples.sample_of("_count").plain("request", name).value(api.times.total.total());
        }
    })),
    counter("ottla_response_bytes_total", "Bytes of answers.", Rows::Few(&["request"], |s, samples| {
        s.apis.iter().for_each(|api| samples.sample().plain("request", &api.name).value(api.response_bytes));
    })),
    histogram("ottla_request_duration_seconds", "Seconds from the last byte of a request to its answer.", Rows::Few(&["request", "le"], |s, samples| {
        s.apis.iter().for_each(|api| buckets(api, samples));
    })),
    gauge("kafka_server_kafkarequesthandlerpool_requesthandleravgidle_percent", "Share of the last minutes in which reactors had nothing to do, from 0 to 1.", Rows::Maybe(|s| mean(&s.before.idle))),
    gauge("kafka_network_socketserver_networkprocessoravgidle_percent", "The same: reactors do both jobs.", Rows::Maybe(|s| mean(&s.before.idle))),
    gauge("kafka_network_processor_idle_percent", "The same for each reactor.", Rows::Few(&["networkProcessor"], |s, samples| {
        s.before.idle.iter().enumerate().for_each(|(reactor, idle)| samples.sample().plain("networkProcessor", reactor).value(*idle));
    })),
    gauge("kafka_server_socket_server_metrics_connection_count", "Open connections.", Rows::Listeners(|l| l.opened.saturating_sub(l.closed))),
    counter("kafka_server_socket_server_metrics_connection_creation_total", "Connections accepted.", Rows::Listeners(|l| l.opened)),
    counter("kafka_server_socket_server_metrics_connection_close_total", "Connections ended.", Rows::Listeners(|l| l.closed)),
    counter("kafka_server_socket_server_metrics_request_total", "Requests received.", Rows::Listeners(|l| l.requests)),
    counter("kafka_server_socket_server_metrics_response_total", "Answers given to be sent.", Rows::Listeners(|l| l.responses)),
    counter("kafka_server_socket_server_metrics_incoming_byte_total", "Bytes of requests received.", Rows::Listeners(|l| l.bytes_in)),
    counter("kafka_server_socket_server_metrics_outgoing_byte_total", "Bytes of answers sent.", Rows::Listeners(|l| l.bytes_out)),
    gauge("kafka_server_socket_server_metrics_connections_software", "Open connections by what clients say they are (KIP-511).",
        Rows::Few(&["clientSoftwareName", "clientSoftwareVersion", "listener", "networkProcessor"], |s, samples| {
        for (software, count) in &s.software {
            let sample = samples.sample().label("clientSoftwareName", &software.name).label("clientSoftwareVersion", &software.version);
            sample.label("listener", &software.listener).plain("networkProcessor", software.reactor).value(*count);
        }
    })),
];

/// The bounds of `ottla_request_duration_seconds`: 2 to so many nanoseconds, from 65 microseconds to 17 seconds.
const POWERS: [usize; 10] = [16, 18, 20, 22, 24, 26, 28, 30, 32, 34];

fn buckets(api: &ApiRow, samples: &mut Samples<'_>) {
    let times = &api.times.total;
    for power in POWERS {
        let bound = (1_u64 << power) as f64 / 1e9;
        samples.sample_of("_bucket").plain("request", &api.name).plain("le", bound).value(times.below_power(power));
    }
    samples.sample_of("_bucket").plain("request", &api.name).plain("le", "+Inf").value(times.total());
    samples.sample_of("_sum").plain("request", &api.name).value(times.sum_ns as f64 / 1e9);
    samples.sample_of("_count").plain("request", &api.name).value(times.total());
}

fn mean(shares: &[f64]) -> Option<Number> {
    (!shares.is_empty()).then(|| Number::Real(shares.iter().sum::<f64>() / shares.len() as f64))
}
