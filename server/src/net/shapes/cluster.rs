//! What brokers and controllers say to each other.

use super::Type::*;
use super::{Shape, field, request};

pub(super) const SHAPES: &[Shape] = &[
    request(
        52,
        "Vote",
        0,
        2,
        &[
            field("cluster_id", String).nullable(),
            field("voter_id", Int32).since(1),
            field(
                "topics",
                Array(&Struct(&[
                    field("topic_name", String),
                    field(
                        "partitions",
                        Array(&Struct(&[
                            field("partition_index", Int32),
                            field("replica_epoch", Int32),
                            field("replica_id", Int32),
                            field("replica_directory_id", Uuid).since(1),
                            field("voter_directory_id", Uuid).since(1),
                            field("last_offset_epoch", Int32),
                            field("last_offset", Int64),
                            field("pre_vote", Bool).since(2),
                        ])),
                    )
                    .partitions(),
                ])),
            )
            .topics(),
        ],
    )
    .flexible(),
    request(
        53,
        "BeginQuorumEpoch",
        0,
        1,
        &[
            field("cluster_id", String).nullable(),
            field("voter_id", Int32).since(1),
            field(
                "topics",
                Array(&Struct(&[
                    field("topic_name", String),
                    field(
                        "partitions",
                        Array(&Struct(&[
                            field("partition_index", Int32),
                            field("voter_directory_id", Uuid).since(1),
                            field("leader_id", Int32),
                            field("leader_epoch", Int32),
                        ])),
                    )
                    .partitions(),
                ])),
            )
            .topics(),
            field("leader_endpoints", Array(&Struct(&[field("name", String), field("host", String), field("port", Uint16)]))).since(1),
        ],
    )
    .flexible_since(1),
    request(
        54,
        "EndQuorumEpoch",
        0,
        1,
        &[
            field("cluster_id", String).nullable(),
            field(
                "topics",
                Array(&Struct(&[
                    field("topic_name", String),
                    field(
                        "partitions",
                        Array(&Struct(&[
                            field("partition_index", Int32),
                            field("leader_id", Int32),
                            field("leader_epoch", Int32),
                            field(
                                "preferred_candidates",
                                Array(&Struct(&[field("candidate_id", Int32), field("candidate_directory_id", Uuid)])),
                            )
                            .since(1),
                            field("preferred_successors", Array(&Int32)).until(0),
                        ])),
                    )
                    .partitions(),
                ])),
            )
            .topics(),
            field("leader_endpoints", Array(&Struct(&[field("name", String), field("host", String), field("port", Uint16)]))).since(1),
        ],
    )
    .flexible_since(1),
    request(
        55,
        "DescribeQuorum",
        0,
        2,
        &[field(
            "topics",
            Array(&Struct(&[
                field("topic_name", String),
                field("partitions", Array(&Struct(&[field("partition_index", Int32)]))).partitions(),
            ])),
        )
        .topics()],
    )
    .flexible(),
    request(
        56,
        "AlterPartition",
        2,
        3,
        &[
            field("broker_id", Int32),
            field("broker_epoch", Int64),
            field(
                "topics",
                Array(&Struct(&[
                    field("topic_id", Uuid),
                    field(
                        "partitions",
                        Array(&Struct(&[
                            field("partition_index", Int32),
                            field("leader_epoch", Int32),
                            field("new_isr_with_epochs", Array(&Struct(&[field("broker_id", Int32), field("broker_epoch", Int64)])))
                                .since(3),
                            field("new_isr", Array(&Int32)).until(2),
                            field("leader_recovery_state", Int8),
                            field("partition_epoch", Int32),
                        ])),
                    )
                    .partitions(),
                ])),
            )
            .topics(),
        ],
    )
    .flexible(),
    request(
        58,
        "Envelope",
        0,
        0,
        &[field("request_data", Bytes), field("request_principal", Bytes).nullable(), field("client_host_address", Bytes)],
    )
    .flexible(),
    request(
        59,
        "FetchSnapshot",
        0,
        1,
        &[
            field("replica_id", Int32),
            field("max_bytes", Int32),
            field(
                "topics",
                Array(&Struct(&[
                    field("name", String),
                    field(
                        "partitions",
                        Array(&Struct(&[
                            field("partition", Int32),
                            field("current_leader_epoch", Int32),
                            field("snapshot_id", Struct(&[field("end_offset", Int64), field("epoch", Int32)])),
                            field("position", Int64),
                            field("replica_directory_id", Uuid).since(1).tagged(0),
                        ])),
                    )
                    .partitions(),
                ])),
            )
            .topics(),
            field("cluster_id", String).nullable().tagged(0),
        ],
    )
    .flexible(),
    request(
        62,
        "BrokerRegistration",
        0,
        4,
        &[
            field("broker_id", Int32),
            field("cluster_id", String),
            field("incarnation_id", Uuid),
            field(
                "listeners",
                Array(&Struct(&[field("name", String), field("host", String), field("port", Uint16), field("security_protocol", Int16)])),
            ),
            field(
                "features",
                Array(&Struct(&[field("name", String), field("min_supported_version", Int16), field("max_supported_version", Int16)])),
            ),
            field("rack", String).nullable(),
            field("is_migrating_zk_broker", Bool).since(1),
            field("log_dirs", Array(&Uuid)).since(2),
            field("previous_broker_epoch", Int64).since(3),
        ],
    )
    .flexible(),
    request(
        63,
        "BrokerHeartbeat",
        0,
        1,
        &[
            field("broker_id", Int32),
            field("broker_epoch", Int64),
            field("current_metadata_offset", Int64),
            field("want_fence", Bool),
            field("want_shut_down", Bool),
            field("offline_log_dirs", Array(&Uuid)).since(1).tagged(0),
        ],
    )
    .flexible(),
    request(67, "AllocateProducerIds", 0, 0, &[field("broker_id", Int32), field("broker_epoch", Int64)]).flexible(),
    request(
        70,
        "ControllerRegistration",
        0,
        0,
        &[
            field("controller_id", Int32),
            field("incarnation_id", Uuid),
            field("zk_migration_ready", Bool),
            field(
                "listeners",
                Array(&Struct(&[field("name", String), field("host", String), field("port", Uint16), field("security_protocol", Int16)])),
            ),
            field(
                "features",
                Array(&Struct(&[field("name", String), field("min_supported_version", Int16), field("max_supported_version", Int16)])),
            ),
        ],
    )
    .flexible(),
    request(
        73,
        "AssignReplicasToDirs",
        0,
        0,
        &[
            field("broker_id", Int32),
            field("broker_epoch", Int64),
            field(
                "directories",
                Array(&Struct(&[
                    field("id", Uuid),
                    field(
                        "topics",
                        Array(&Struct(&[
                            field("topic_id", Uuid),
                            field("partitions", Array(&Struct(&[field("partition_index", Int32)]))).partitions(),
                        ])),
                    )
                    .topics(),
                ])),
            ),
        ],
    )
    .flexible(),
    request(
        80,
        "AddRaftVoter",
        0,
        0,
        &[
            field("cluster_id", String).nullable(),
            field("timeout_ms", Int32),
            field("voter_id", Int32),
            field("voter_directory_id", Uuid),
            field("listeners", Array(&Struct(&[field("name", String), field("host", String), field("port", Uint16)]))),
        ],
    )
    .flexible(),
    request(
        81,
        "RemoveRaftVoter",
        0,
        0,
        &[field("cluster_id", String).nullable(), field("voter_id", Int32), field("voter_directory_id", Uuid)],
    )
    .flexible(),
    request(
        82,
        "UpdateRaftVoter",
        0,
        0,
        &[
            field("cluster_id", String).nullable(),
            field("current_leader_epoch", Int32),
            field("voter_id", Int32),
            field("voter_directory_id", Uuid),
            field("listeners", Array(&Struct(&[field("name", String), field("host", String), field("port", Uint16)]))),
            field("kraft_version_feature", Struct(&[field("min_supported_version", Int16), field("max_supported_version", Int16)])),
        ],
    )
    .flexible(),
];
