//! Share groups and their state.

use super::Type::*;
use super::{Shape, field, request};

pub(super) const SHAPES: &[Shape] = &[
    request(
        76,
        "ShareGroupHeartbeat",
        1,
        1,
        &[
            field("group_id", String),
            field("member_id", String),
            field("member_epoch", Int32),
            field("rack_id", String).nullable(),
            field("subscribed_topic_names", Array(&String)).nullable().topics(),
        ],
    )
    .flexible(),
    request(77, "ShareGroupDescribe", 1, 1, &[field("group_ids", Array(&String)), field("include_authorized_operations", Bool)]).flexible(),
    request(
        78,
        "ShareFetch",
        1,
        1,
        &[
            field("group_id", String).nullable(),
            field("member_id", String).nullable(),
            field("share_session_epoch", Int32),
            field("max_wait_ms", Int32),
            field("min_bytes", Int32),
            field("max_bytes", Int32),
            field("max_records", Int32),
            field("batch_size", Int32),
            field(
                "topics",
                Array(&Struct(&[
                    field("topic_id", Uuid),
                    field(
                        "partitions",
                        Array(&Struct(&[
                            field("partition_index", Int32),
                            field(
                                "acknowledgement_batches",
                                Array(&Struct(&[
                                    field("first_offset", Int64),
                                    field("last_offset", Int64),
                                    field("acknowledge_types", Array(&Int8)),
                                ])),
                            ),
                        ])),
                    )
                    .partitions(),
                ])),
            )
            .topics(),
            field("forgotten_topics_data", Array(&Struct(&[field("topic_id", Uuid), field("partitions", Array(&Int32)).partitions()])))
                .topics(),
        ],
    )
    .flexible(),
    request(
        79,
        "ShareAcknowledge",
        1,
        1,
        &[
            field("group_id", String).nullable(),
            field("member_id", String).nullable(),
            field("share_session_epoch", Int32),
            field(
                "topics",
                Array(&Struct(&[
                    field("topic_id", Uuid),
                    field(
                        "partitions",
                        Array(&Struct(&[
                            field("partition_index", Int32),
                            field(
                                "acknowledgement_batches",
                                Array(&Struct(&[
                                    field("first_offset", Int64),
                                    field("last_offset", Int64),
                                    field("acknowledge_types", Array(&Int8)),
                                ])),
                            ),
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
        83,
        "InitializeShareGroupState",
        0,
        0,
        &[
            field("group_id", String),
            field(
                "topics",
                Array(&Struct(&[
                    field("topic_id", Uuid),
                    field(
                        "partitions",
                        Array(&Struct(&[field("partition", Int32), field("state_epoch", Int32), field("start_offset", Int64)])),
                    )
                    .partitions(),
                ])),
            )
            .topics(),
        ],
    )
    .flexible(),
    request(
        84,
        "ReadShareGroupState",
        0,
        0,
        &[
            field("group_id", String),
            field(
                "topics",
                Array(&Struct(&[
                    field("topic_id", Uuid),
                    field("partitions", Array(&Struct(&[field("partition", Int32), field("leader_epoch", Int32)]))).partitions(),
                ])),
            )
            .topics(),
        ],
    )
    .flexible(),
    request(
        85,
        "WriteShareGroupState",
        0,
        0,
        &[
            field("group_id", String),
            field(
                "topics",
                Array(&Struct(&[
                    field("topic_id", Uuid),
                    field(
                        "partitions",
                        Array(&Struct(&[
                            field("partition", Int32),
                            field("state_epoch", Int32),
                            field("leader_epoch", Int32),
                            field("start_offset", Int64),
                            field(
                                "state_batches",
                                Array(&Struct(&[
                                    field("first_offset", Int64),
                                    field("last_offset", Int64),
                                    field("delivery_state", Int8),
                                    field("delivery_count", Int16),
                                ])),
                            ),
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
        86,
        "DeleteShareGroupState",
        0,
        0,
        &[
            field("group_id", String),
            field(
                "topics",
                Array(&Struct(&[field("topic_id", Uuid), field("partitions", Array(&Struct(&[field("partition", Int32)]))).partitions()])),
            )
            .topics(),
        ],
    )
    .flexible(),
    request(
        87,
        "ReadShareGroupStateSummary",
        0,
        0,
        &[
            field("group_id", String),
            field(
                "topics",
                Array(&Struct(&[
                    field("topic_id", Uuid),
                    field("partitions", Array(&Struct(&[field("partition", Int32), field("leader_epoch", Int32)]))).partitions(),
                ])),
            )
            .topics(),
        ],
    )
    .flexible(),
    request(
        90,
        "DescribeShareGroupOffsets",
        0,
        0,
        &[field(
            "groups",
            Array(&Struct(&[
                field("group_id", String),
                field("topics", Array(&Struct(&[field("topic_name", String), field("partitions", Array(&Int32)).partitions()])))
                    .nullable()
                    .topics(),
            ])),
        )],
    )
    .flexible(),
    request(
        91,
        "AlterShareGroupOffsets",
        0,
        0,
        &[
            field("group_id", String),
            field(
                "topics",
                Array(&Struct(&[
                    field("topic_name", String),
                    field("partitions", Array(&Struct(&[field("partition_index", Int32), field("start_offset", Int64)]))).partitions(),
                ])),
            )
            .topics(),
        ],
    )
    .flexible(),
    request(
        92,
        "DeleteShareGroupOffsets",
        0,
        0,
        &[field("group_id", String), field("topics", Array(&Struct(&[field("topic_name", String)]))).topics()],
    )
    .flexible(),
];
