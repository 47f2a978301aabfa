//! Producing, fetching, and finding out where.

use super::Type::*;
use super::{Shape, field, request};

pub(super) const SHAPES: &[Shape] = &[
    request(
        0,
        "Produce",
        3,
        13,
        &[
            field("transactional_id", String).nullable(),
            field("acks", Int16),
            field("timeout_ms", Int32),
            field(
                "topic_data",
                Array(&Struct(&[
                    field("topic_id", Uuid).since(13),
                    field("name", String).until(12),
                    field("partition_data", Array(&Struct(&[field("index", Int32), field("records", Bytes).nullable()]))).partitions(),
                ])),
            )
            .topics(),
        ],
    )
    .flexible_since(9),
    request(
        1,
        "Fetch",
        4,
        18,
        &[
            field("replica_id", Int32).until(14),
            field("max_wait_ms", Int32),
            field("min_bytes", Int32),
            field("max_bytes", Int32),
            field("isolation_level", Int8),
            field("session_id", Int32).since(7),
            field("session_epoch", Int32).since(7),
            field(
                "topics",
                Array(&Struct(&[
                    field("topic_id", Uuid).since(13),
                    field("topic", String).until(12),
                    field(
                        "partitions",
                        Array(&Struct(&[
                            field("partition", Int32),
                            field("current_leader_epoch", Int32).since(9),
                            field("fetch_offset", Int64),
                            field("last_fetched_epoch", Int32).since(12),
                            field("log_start_offset", Int64).since(5),
                            field("partition_max_bytes", Int32),
                            field("replica_directory_id", Uuid).since(17).tagged(0),
                            field("high_watermark", Int64).since(18).tagged(1),
                        ])),
                    )
                    .partitions(),
                ])),
            )
            .topics(),
            field(
                "forgotten_topics_data",
                Array(&Struct(&[
                    field("topic_id", Uuid).since(13),
                    field("topic", String).until(12),
                    field("partitions", Array(&Int32)).partitions(),
                ])),
            )
            .since(7)
            .topics(),
            field("rack_id", String).since(11),
            field("cluster_id", String).since(12).nullable().tagged(0),
            field("replica_state", Struct(&[field("replica_id", Int32), field("replica_epoch", Int64)])).since(15).tagged(1),
        ],
    )
    .flexible_since(12),
    request(
        2,
        "ListOffsets",
        1,
        10,
        &[
            field("replica_id", Int32),
            field("isolation_level", Int8).since(2),
            field(
                "topics",
                Array(&Struct(&[
                    field("name", String),
                    field(
                        "partitions",
                        Array(&Struct(&[
                            field("partition_index", Int32),
                            field("current_leader_epoch", Int32).since(4),
                            field("timestamp", Int64),
                        ])),
                    )
                    .partitions(),
                ])),
            )
            .topics(),
            field("timeout_ms", Int32).since(10),
        ],
    )
    .flexible_since(6),
    request(
        3,
        "Metadata",
        0,
        13,
        &[
            field("topics", Array(&Struct(&[field("topic_id", Uuid).since(10), field("name", String).nullable_since(10)])))
                .nullable_since(1)
                .topics(),
            field("allow_auto_topic_creation", Bool).since(4),
            field("include_cluster_authorized_operations", Bool).since(8).until(10),
            field("include_topic_authorized_operations", Bool).since(8),
        ],
    )
    .flexible_since(9),
    request(18, "ApiVersions", 0, 4, &[field("client_software_name", String).since(3), field("client_software_version", String).since(3)])
        .flexible_since(3),
    request(
        21,
        "DeleteRecords",
        0,
        2,
        &[
            field(
                "topics",
                Array(&Struct(&[
                    field("name", String),
                    field("partitions", Array(&Struct(&[field("partition_index", Int32), field("offset", Int64)]))).partitions(),
                ])),
            )
            .topics(),
            field("timeout_ms", Int32),
        ],
    )
    .flexible_since(2),
    request(
        23,
        "OffsetForLeaderEpoch",
        2,
        4,
        &[
            field("replica_id", Int32).since(3),
            field(
                "topics",
                Array(&Struct(&[
                    field("topic", String),
                    field(
                        "partitions",
                        Array(&Struct(&[field("partition", Int32), field("current_leader_epoch", Int32), field("leader_epoch", Int32)])),
                    )
                    .partitions(),
                ])),
            )
            .topics(),
        ],
    )
    .flexible_since(4),
    request(
        75,
        "DescribeTopicPartitions",
        0,
        0,
        &[
            field("topics", Array(&Struct(&[field("name", String)]))).topics(),
            field("response_partition_limit", Int32),
            field("cursor", Struct(&[field("topic_name", String), field("partition_index", Int32)])).nullable(),
        ],
    )
    .flexible(),
];
