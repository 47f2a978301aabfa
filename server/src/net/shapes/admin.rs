//! Topics, configurations, placement, quotas, telemetry.

use super::Type::*;
use super::{Shape, field, request};

pub(super) const SHAPES: &[Shape] = &[
    request(
        19,
        "CreateTopics",
        2,
        7,
        &[
            field(
                "topics",
                Array(&Struct(&[
                    field("name", String),
                    field("num_partitions", Int32),
                    field("replication_factor", Int16),
                    field("assignments", Array(&Struct(&[field("partition_index", Int32), field("broker_ids", Array(&Int32))])))
                        .partitions(),
                    field("configs", Array(&Struct(&[field("name", String), field("value", String).nullable()]))),
                ])),
            )
            .topics(),
            field("timeout_ms", Int32),
            field("validate_only", Bool),
        ],
    )
    .flexible_since(5),
    request(
        20,
        "DeleteTopics",
        1,
        6,
        &[
            field("topics", Array(&Struct(&[field("name", String).nullable(), field("topic_id", Uuid)]))).since(6).topics(),
            field("topic_names", Array(&String)).until(5).topics(),
            field("timeout_ms", Int32),
        ],
    )
    .flexible_since(4),
    request(
        32,
        "DescribeConfigs",
        1,
        4,
        &[
            field(
                "resources",
                Array(&Struct(&[
                    field("resource_type", Int8),
                    field("resource_name", String),
                    field("configuration_keys", Array(&String)).nullable(),
                ])),
            ),
            field("include_synonyms", Bool),
            field("include_documentation", Bool).since(3),
        ],
    )
    .flexible_since(4),
    request(
        33,
        "AlterConfigs",
        0,
        2,
        &[
            field(
                "resources",
                Array(&Struct(&[
                    field("resource_type", Int8),
                    field("resource_name", String),
                    field("configs", Array(&Struct(&[field("name", String), field("value", String).nullable()]))),
                ])),
            ),
            field("validate_only", Bool),
        ],
    )
    .flexible_since(2),
    request(
        34,
        "AlterReplicaLogDirs",
        1,
        2,
        &[field(
            "dirs",
            Array(&Struct(&[
                field("path", String),
                field("topics", Array(&Struct(&[field("name", String), field("partitions", Array(&Int32)).partitions()]))).topics(),
            ])),
        )],
    )
    .flexible_since(2),
    request(
        35,
        "DescribeLogDirs",
        1,
        4,
        &[field("topics", Array(&Struct(&[field("topic", String), field("partitions", Array(&Int32)).partitions()]))).nullable().topics()],
    )
    .flexible_since(2),
    request(
        37,
        "CreatePartitions",
        0,
        3,
        &[
            field(
                "topics",
                Array(&Struct(&[
                    field("name", String),
                    field("count", Int32),
                    field("assignments", Array(&Struct(&[field("broker_ids", Array(&Int32))]))).nullable().partitions(),
                ])),
            )
            .topics(),
            field("timeout_ms", Int32),
            field("validate_only", Bool),
        ],
    )
    .flexible_since(2),
    request(
        43,
        "ElectLeaders",
        0,
        2,
        &[
            field("election_type", Int8).since(1),
            field("topic_partitions", Array(&Struct(&[field("topic", String), field("partitions", Array(&Int32)).partitions()])))
                .nullable()
                .topics(),
            field("timeout_ms", Int32),
        ],
    )
    .flexible_since(2),
    request(
        44,
        "IncrementalAlterConfigs",
        0,
        1,
        &[
            field(
                "resources",
                Array(&Struct(&[
                    field("resource_type", Int8),
                    field("resource_name", String),
                    field(
                        "configs",
                        Array(&Struct(&[field("name", String), field("config_operation", Int8), field("value", String).nullable()])),
                    ),
                ])),
            ),
            field("validate_only", Bool),
        ],
    )
    .flexible_since(1),
    request(
        45,
        "AlterPartitionReassignments",
        0,
        1,
        &[
            field("timeout_ms", Int32),
            field("allow_replication_factor_change", Bool).since(1),
            field(
                "topics",
                Array(&Struct(&[
                    field("name", String),
                    field("partitions", Array(&Struct(&[field("partition_index", Int32), field("replicas", Array(&Int32)).nullable()])))
                        .partitions(),
                ])),
            )
            .topics(),
        ],
    )
    .flexible(),
    request(
        46,
        "ListPartitionReassignments",
        0,
        0,
        &[
            field("timeout_ms", Int32),
            field("topics", Array(&Struct(&[field("name", String), field("partition_indexes", Array(&Int32)).partitions()])))
                .nullable()
                .topics(),
        ],
    )
    .flexible(),
    request(
        48,
        "DescribeClientQuotas",
        0,
        1,
        &[
            field(
                "components",
                Array(&Struct(&[field("entity_type", String), field("match_type", Int8), field("match", String).nullable()])),
            ),
            field("strict", Bool),
        ],
    )
    .flexible_since(1),
    request(
        49,
        "AlterClientQuotas",
        0,
        1,
        &[
            field(
                "entries",
                Array(&Struct(&[
                    field("entity", Array(&Struct(&[field("entity_type", String), field("entity_name", String).nullable()]))),
                    field("ops", Array(&Struct(&[field("key", String), field("value", Float64), field("remove", Bool)]))),
                ])),
            ),
            field("validate_only", Bool),
        ],
    )
    .flexible_since(1),
    request(
        57,
        "UpdateFeatures",
        0,
        2,
        &[
            field("timeout_ms", Int32),
            field(
                "feature_updates",
                Array(&Struct(&[
                    field("feature", String),
                    field("max_version_level", Int16),
                    field("upgrade_type", Int8).since(1),
                    field("allow_downgrade", Bool).until(0),
                ])),
            ),
            field("validate_only", Bool).since(1),
        ],
    )
    .flexible(),
    request(
        60,
        "DescribeCluster",
        0,
        2,
        &[
            field("include_cluster_authorized_operations", Bool),
            field("endpoint_type", Int8).since(1),
            field("include_fenced_brokers", Bool).since(2),
        ],
    )
    .flexible(),
    request(64, "UnregisterBroker", 0, 0, &[field("broker_id", Int32)]).flexible(),
    request(71, "GetTelemetrySubscriptions", 0, 0, &[field("client_instance_id", Uuid)]).flexible(),
    request(
        72,
        "PushTelemetry",
        0,
        0,
        &[
            field("client_instance_id", Uuid),
            field("subscription_id", Int32),
            field("terminating", Bool),
            field("compression_type", Int8),
            field("metrics", Bytes),
        ],
    )
    .flexible(),
    request(74, "ListConfigResources", 0, 1, &[field("resource_types", Array(&Int8)).since(1)]).flexible(),
];
