//! DescribeLogDirs (key 35), v1-4.
//!
//! KIP-113, KIP-827: every directory of `log.dirs` with the sizes of its logs and of its disk. A directory that is offline is one row with
//! KAFKA_STORAGE_ERROR. Partitions that are not here are left out, as in Kafka; so is a topic without any. Kafka 4.3 also has v5, which
//! adds cordoned directories (KIP-1066): not offered, the codec does not know it.

use super::{Api, RequestContext};
use crate::auth::{Operation, Resource};
use crate::broker::Node;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_log_dirs_response::{DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic};
use kafka_protocol::messages::{ApiKey, DescribeLogDirsRequest, DescribeLogDirsResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use ottla_storage::manager::DataDir;
use std::collections::{BTreeMap, HashSet};
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

pub(crate) enum DescribeLogDirs {}

/// Topics by name, with the rows of their partitions.
type Found = BTreeMap<String, Vec<DescribeLogDirsPartition>>;

impl Api for DescribeLogDirs {
    type Request = DescribeLogDirsRequest;
    type Response = DescribeLogDirsResponse;
    const KEY: ApiKey = ApiKey::DescribeLogDirs;
    const VERSIONS: RangeInclusive<i16> = 1..=4;

    async fn handle(ctx: RequestContext, request: DescribeLogDirsRequest) -> DescribeLogDirsResponse {
        if !ctx.allows(Operation::Describe, Resource::Cluster) {
            return DescribeLogDirsResponse::default().with_error_code(ResponseError::ClusterAuthorizationFailed.code());
        }
        let node = Arc::clone(&ctx.node);
        // Asking a file system for its free space can block when the disk behind it hangs.
        match tokio::task::spawn_blocking(move || describe(&node, &request)).await {
            Ok(results) => DescribeLogDirsResponse::default().with_results(results),
            Err(_) => DescribeLogDirsResponse::default().with_error_code(ResponseError::UnknownServerError.code()),
        }
    }
}

fn describe(node: &Node, request: &DescribeLogDirsRequest) -> Vec<DescribeLogDirsResult> {
    let asked: Option<HashSet<(&str, i32)>> = request
        .topics
        .as_ref()
        .map(|topics| topics.iter().flat_map(|topic| topic.partitions.iter().map(|index| (topic.topic.as_str(), *index))).collect());
    let registry = &node.published.registry;
    let mut found: BTreeMap<std::path::PathBuf, Found> = BTreeMap::new();
    for partition in registry.all() {
        let id = partition.id();
        if asked.as_ref().is_some_and(|asked| !asked.contains(&(id.topic.as_str(), id.partition))) {
            continue;
        }
        for log in partition.logs_on_disk() {
            let row = DescribeLogDirsPartition::default()
                .with_partition_index(id.partition)
                .with_partition_size(i64::try_from(log.size_bytes).unwrap_or(i64::MAX))
                .with_offset_lag(log.offset_lag)
                .with_is_future_key(log.is_future);
            found.entry(log.root).or_default().entry(id.topic.clone()).or_default().push(row);
        }
    }
    let described = registry.manager().dirs().iter().filter(|dir| node.log_dirs.iter().any(|path| path == dir.path()));
    described.map(|dir| of_dir(node, dir, found.remove(dir.path()).unwrap_or_default())).collect()
}

fn of_dir(node: &Node, dir: &DataDir, found: Found) -> DescribeLogDirsResult {
    let row = DescribeLogDirsResult::default().with_log_dir(absolute(dir.path()));
    let failed = || row.clone().with_error_code(ResponseError::KafkaStorageError.code());
    if dir.offline_reason().is_some() {
        return failed();
    }
    let space = match node.published.registry.manager().space(dir) {
        Ok(space) => space,
        Err(error) => {
            tracing::warn!(dir = %dir.path().display(), %error, "cannot be asked for its free space");
            return failed();
        }
    };
    let topic = |(name, mut partitions): (String, Vec<DescribeLogDirsPartition>)| {
        partitions.sort_by_key(|row| (row.partition_index, row.is_future_key));
        DescribeLogDirsTopic::default().with_name(TopicName(StrBytes::from_string(name))).with_partitions(partitions)
    };
    row.with_topics(found.into_iter().map(topic).collect())
        .with_total_bytes(i64::try_from(space.total_bytes).unwrap_or(i64::MAX))
        .with_usable_bytes(i64::try_from(space.usable_bytes).unwrap_or(i64::MAX))
}

fn absolute(path: &Path) -> StrBytes {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    StrBytes::from_string(absolute.to_string_lossy().into_owned())
}
