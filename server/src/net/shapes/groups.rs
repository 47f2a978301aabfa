//! Consumer groups and their offsets.

use super::Type::*;
use super::{Shape, field, request};

pub(super) const SHAPES: &[Shape] = &[
    request(
        8,
        "OffsetCommit",
        2,
        9,
        &[
            field("group_id", String),
            field("generation_id_or_member_epoch", Int32),
            field("member_id", String),
            field("group_instance_id", String).since(7).nullable(),
            field("retention_time_ms", Int64).until(4),
            field(
                "topics",
                Array(&Struct(&[
                    field("name", String),
                    field(
                        "partitions",
                        Array(&Struct(&[
                            field("partition_index", Int32),
                            field("committed_offset", Int64),
                            field("committed_leader_epoch", Int32).since(6),
                            field("committed_metadata", String).nullable(),
                        ])),
                    )
                    .partitions(),
                ])),
            )
            .topics(),
        ],
    )
    .flexible_since(8),
    request(
        9,
        "OffsetFetch",
        1,
        9,
        &[
            field(
                "groups",
                Array(&Struct(&[
                    field("group_id", String),
                    field("member_id", String).since(9).nullable(),
                    field("member_epoch", Int32).since(9),
                    field("topics", Array(&Struct(&[field("name", String), field("partition_indexes", Array(&Int32)).partitions()])))
                        .nullable()
                        .topics(),
                ])),
            )
            .since(8),
            field("group_id", String).until(7),
            field("topics", Array(&Struct(&[field("name", String), field("partition_indexes", Array(&Int32)).partitions()])))
                .until(7)
                .nullable_since(2)
                .topics(),
            field("require_stable", Bool).since(7),
        ],
    )
    .flexible_since(6),
    request(
        10,
        "FindCoordinator",
        0,
        6,
        &[field("key", String).until(3), field("key_type", Int8).since(1), field("coordinator_keys", Array(&String)).since(4)],
    )
    .flexible_since(3),
    request(
        11,
        "JoinGroup",
        0,
        9,
        &[
            field("group_id", String),
            field("session_timeout_ms", Int32),
            field("rebalance_timeout_ms", Int32).since(1),
            field("member_id", String),
            field("group_instance_id", String).since(5).nullable(),
            field("protocol_type", String),
            field("protocols", Array(&Struct(&[field("name", String), field("metadata", Bytes)]))),
            field("reason", String).since(8).nullable(),
        ],
    )
    .flexible_since(6),
    request(
        12,
        "Heartbeat",
        0,
        4,
        &[
            field("group_id", String),
            field("generation_id", Int32),
            field("member_id", String),
            field("group_instance_id", String).since(3).nullable(),
        ],
    )
    .flexible_since(4),
    request(
        13,
        "LeaveGroup",
        0,
        5,
        &[
            field("group_id", String),
            field(
                "members",
                Array(&Struct(&[
                    field("member_id", String),
                    field("group_instance_id", String).nullable(),
                    field("reason", String).since(5).nullable(),
                ])),
            )
            .since(3),
            field("member_id", String).until(2),
        ],
    )
    .flexible_since(4),
    request(
        14,
        "SyncGroup",
        0,
        5,
        &[
            field("group_id", String),
            field("generation_id", Int32),
            field("member_id", String),
            field("group_instance_id", String).since(3).nullable(),
            field("protocol_type", String).since(5).nullable(),
            field("protocol_name", String).since(5).nullable(),
            field("assignments", Array(&Struct(&[field("member_id", String), field("assignment", Bytes)]))),
        ],
    )
    .flexible_since(4),
    request(15, "DescribeGroups", 0, 6, &[field("groups", Array(&String)), field("include_authorized_operations", Bool).since(3)])
        .flexible_since(5),
    request(16, "ListGroups", 0, 5, &[field("states_filter", Array(&String)).since(4), field("types_filter", Array(&String)).since(5)])
        .flexible_since(3),
    request(42, "DeleteGroups", 0, 2, &[field("groups_names", Array(&String))]).flexible_since(2),
    request(
        47,
        "OffsetDelete",
        0,
        0,
        &[
            field("group_id", String),
            field(
                "topics",
                Array(&Struct(&[
                    field("name", String),
                    field("partitions", Array(&Struct(&[field("partition_index", Int32)]))).partitions(),
                ])),
            )
            .topics(),
        ],
    ),
    request(
        68,
        "ConsumerGroupHeartbeat",
        0,
        1,
        &[
            field("group_id", String),
            field("member_id", String),
            field("member_epoch", Int32),
            field("instance_id", String).nullable(),
            field("rack_id", String).nullable(),
            field("rebalance_timeout_ms", Int32),
            field("subscribed_topic_names", Array(&String)).nullable().topics(),
            field("subscribed_topic_regex", String).since(1).nullable(),
            field("server_assignor", String).nullable(),
            field("topic_partitions", Array(&Struct(&[field("topic_id", Uuid), field("partitions", Array(&Int32)).partitions()])))
                .nullable()
                .topics(),
        ],
    )
    .flexible(),
    request(69, "ConsumerGroupDescribe", 0, 1, &[field("group_ids", Array(&String)), field("include_authorized_operations", Bool)])
        .flexible(),
];
