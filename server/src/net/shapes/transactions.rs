//! Producer ids and transactions.

use super::Type::*;
use super::{Shape, field, request};

pub(super) const SHAPES: &[Shape] = &[
    request(
        22,
        "InitProducerId",
        0,
        5,
        &[
            field("transactional_id", String).nullable(),
            field("transaction_timeout_ms", Int32),
            field("producer_id", Int64).since(3),
            field("producer_epoch", Int16).since(3),
        ],
    )
    .flexible_since(2),
    request(
        24,
        "AddPartitionsToTxn",
        0,
        5,
        &[
            field(
                "transactions",
                Array(&Struct(&[
                    field("transactional_id", String),
                    field("producer_id", Int64),
                    field("producer_epoch", Int16),
                    field("verify_only", Bool),
                    field("topics", Array(&Struct(&[field("name", String), field("partitions", Array(&Int32)).partitions()]))).topics(),
                ])),
            )
            .since(4),
            field("v3_and_below_transactional_id", String).until(3),
            field("v3_and_below_producer_id", Int64).until(3),
            field("v3_and_below_producer_epoch", Int16).until(3),
            field("v3_and_below_topics", Array(&Struct(&[field("name", String), field("partitions", Array(&Int32)).partitions()])))
                .until(3)
                .topics(),
        ],
    )
    .flexible_since(3),
    request(
        25,
        "AddOffsetsToTxn",
        0,
        4,
        &[field("transactional_id", String), field("producer_id", Int64), field("producer_epoch", Int16), field("group_id", String)],
    )
    .flexible_since(3),
    request(
        26,
        "EndTxn",
        0,
        5,
        &[field("transactional_id", String), field("producer_id", Int64), field("producer_epoch", Int16), field("committed", Bool)],
    )
    .flexible_since(3),
    request(
        27,
        "WriteTxnMarkers",
        1,
        1,
        &[field(
            "markers",
            Array(&Struct(&[
                field("producer_id", Int64),
                field("producer_epoch", Int16),
                field("transaction_result", Bool),
                field("topics", Array(&Struct(&[field("name", String), field("partition_indexes", Array(&Int32)).partitions()]))).topics(),
                field("coordinator_epoch", Int32),
            ])),
        )],
    )
    .flexible(),
    request(
        28,
        "TxnOffsetCommit",
        0,
        5,
        &[
            field("transactional_id", String),
            field("group_id", String),
            field("producer_id", Int64),
            field("producer_epoch", Int16),
            field("generation_id", Int32).since(3),
            field("member_id", String).since(3),
            field("group_instance_id", String).since(3).nullable(),
            field(
                "topics",
                Array(&Struct(&[
                    field("name", String),
                    field(
                        "partitions",
                        Array(&Struct(&[
                            field("partition_index", Int32),
                            field("committed_offset", Int64),
                            field("committed_leader_epoch", Int32).since(2),
                            field("committed_metadata", String).nullable(),
                        ])),
                    )
                    .partitions(),
                ])),
            )
            .topics(),
        ],
    )
    .flexible_since(3),
    request(
        61,
        "DescribeProducers",
        0,
        0,
        &[field("topics", Array(&Struct(&[field("name", String), field("partition_indexes", Array(&Int32)).partitions()]))).topics()],
    )
    .flexible(),
    request(65, "DescribeTransactions", 0, 0, &[field("transactional_ids", Array(&String))]).flexible(),
    request(
        66,
        "ListTransactions",
        0,
        2,
        &[
            field("state_filters", Array(&String)),
            field("producer_id_filters", Array(&Int64)),
            field("duration_filter", Int64).since(1),
            field("transactional_id_pattern", String).since(2).nullable(),
        ],
    )
    .flexible(),
];
