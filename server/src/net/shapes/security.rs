//! Authentication, ACLs, tokens.

use super::Type::*;
use super::{Shape, field, request};

pub(super) const SHAPES: &[Shape] = &[
    request(17, "SaslHandshake", 0, 1, &[field("mechanism", String)]),
    request(
        29,
        "DescribeAcls",
        1,
        3,
        &[
            field("resource_type_filter", Int8),
            field("resource_name_filter", String).nullable(),
            field("pattern_type_filter", Int8),
            field("principal_filter", String).nullable(),
            field("host_filter", String).nullable(),
            field("operation", Int8),
            field("permission_type", Int8),
        ],
    )
    .flexible_since(2),
    request(
        30,
        "CreateAcls",
        1,
        3,
        &[field(
            "creations",
            Array(&Struct(&[
                field("resource_type", Int8),
                field("resource_name", String),
                field("resource_pattern_type", Int8),
                field("principal", String),
                field("host", String),
                field("operation", Int8),
                field("permission_type", Int8),
            ])),
        )],
    )
    .flexible_since(2),
    request(
        31,
        "DeleteAcls",
        1,
        3,
        &[field(
            "filters",
            Array(&Struct(&[
                field("resource_type_filter", Int8),
                field("resource_name_filter", String).nullable(),
                field("pattern_type_filter", Int8),
                field("principal_filter", String).nullable(),
                field("host_filter", String).nullable(),
                field("operation", Int8),
                field("permission_type", Int8),
            ])),
        )],
    )
    .flexible_since(2),
    request(36, "SaslAuthenticate", 0, 2, &[field("auth_bytes", Bytes)]).flexible_since(2),
    request(
        38,
        "CreateDelegationToken",
        1,
        3,
        &[
            field("owner_principal_type", String).since(3).nullable(),
            field("owner_principal_name", String).since(3).nullable(),
            field("renewers", Array(&Struct(&[field("principal_type", String), field("principal_name", String)]))),
            field("max_lifetime_ms", Int64),
        ],
    )
    .flexible_since(2),
    request(39, "RenewDelegationToken", 1, 2, &[field("hmac", Bytes), field("renew_period_ms", Int64)]).flexible_since(2),
    request(40, "ExpireDelegationToken", 1, 2, &[field("hmac", Bytes), field("expiry_time_period_ms", Int64)]).flexible_since(2),
    request(
        41,
        "DescribeDelegationToken",
        1,
        3,
        &[field("owners", Array(&Struct(&[field("principal_type", String), field("principal_name", String)]))).nullable()],
    )
    .flexible_since(2),
    request(50, "DescribeUserScramCredentials", 0, 0, &[field("users", Array(&Struct(&[field("name", String)]))).nullable()]).flexible(),
    request(
        51,
        "AlterUserScramCredentials",
        0,
        0,
        &[
            field("deletions", Array(&Struct(&[field("name", String), field("mechanism", Int8)]))),
            field(
                "upsertions",
                Array(&Struct(&[
                    field("name", String),
                    field("mechanism", Int8),
                    field("iterations", Int32),
                    field("salt", Bytes),
                    field("salted_password", Bytes),
                ])),
            ),
        ],
    )
    .flexible(),
];
