//! Which partition of a coordinator's topic keeps the state of a group id or transactional id.
//!
//! Every broker and tool must agree with Kafka here: Java's `String.hashCode` over UTF-16 units, made non-negative, modulo
//! the partition count of the internal topic, taken from the metadata image and never from configuration.

/// The partition of `__consumer_offsets` or `__transaction_state` for `id`.
///
/// # Panics
/// The partition count is not positive, which no topic in the image has.
#[must_use]
pub fn partition_for(id: &str, partition_count: i32) -> i32 {
    assert!(partition_count > 0, "topics have partitions");
    // Kafka takes the absolute value, and 0 for the one hash that has none.
    java_hash(id).checked_abs().unwrap_or(0) % partition_count
}

/// Java's `String.hashCode`.
#[must_use]
pub fn java_hash(text: &str) -> i32 {
    text.encode_utf16().fold(0i32, |hash, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (text, Java's hashCode, partition of 50), as printed by a JVM with Kafka's `Utils.abs`.
    const FROM_JAVA: &[(&str, i32, i32)] = &[
        ("", 0, 0),
        ("a", 97, 47),
        ("my-group", -1_906_497_762, 12),
        ("console-consumer-12345", 158_455_506, 6),
        ("grüße-ß", 426_791_209, 9),
        ("日本語", 25_921_943, 43),
        ("emoji-😀", 1_164_511_306, 6),
        ("polygenelubricants", i32::MIN, 0),
    ];

    #[test]
    fn ids_land_where_kafka_puts_them() {
        for (text, hash, partition) in FROM_JAVA {
            assert_eq!(java_hash(text), *hash, "hash of {text:?}");
            assert_eq!(partition_for(text, 50), *partition, "partition of {text:?}");
        }
    }

    #[test]
    fn one_partition_takes_all() {
        assert!(FROM_JAVA.iter().all(|(text, ..)| partition_for(text, 1) == 0));
    }
}
