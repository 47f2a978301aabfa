// Writes transaction_records.hex: one line per record, "<label> <key> <value>", encoded by Apache Kafka's own classes; "-" is no value.
// How to run it is in README.md.

import java.util.HexFormat;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.protocol.types.RawTaggedField;
import org.apache.kafka.coordinator.transaction.TransactionLog;
import org.apache.kafka.coordinator.transaction.TransactionState;
import org.apache.kafka.coordinator.transaction.TxnTransitMetadata;
import org.apache.kafka.coordinator.transaction.generated.TransactionLogValue;
import org.apache.kafka.server.common.TransactionVersion;

public class GoldenTransactionRecords {
    static String hex(byte[] bytes) {
        return bytes == null ? "-" : HexFormat.of().formatHex(bytes);
    }

    static void line(String label, String id, byte[] value) {
        System.out.println(label + ' ' + hex(TransactionLog.keyToBytes(id)) + ' ' + hex(value));
    }

    // Chosen so that the order of the hash set is ascending, as ours is.
    static HashSet<TopicPartition> some() {
        return new HashSet<>(Set.of(new TopicPartition("a", 0), new TopicPartition("a", 3), new TopicPartition("b", 7)));
    }

    // What Kafka writes on a cluster of each transaction.version.
    static void written() {
        for (TransactionVersion cluster : TransactionVersion.values()) {
            String at = "-tv" + cluster.featureLevel();
            boolean v1 = cluster != TransactionVersion.TV_0;
            for (TransactionState state : TransactionState.values()) {
                if (state.id() > 5) continue;
                boolean open = state == TransactionState.ONGOING || state == TransactionState.PREPARE_COMMIT || state == TransactionState.PREPARE_ABORT;
                boolean empty = state == TransactionState.EMPTY;
                line(state.stateName() + at, "payments", TransactionLog.valueToBytes(new TxnTransitMetadata(
                    1234567890123L, v1 ? 1234567890123L : -1, -1, (short) 5, (short) 4, 60000, state,
                    open ? some() : new HashSet<>(), empty ? -1 : 1000, 2000,
                    v1 && !empty ? cluster.featureLevel() >= 2 ? TransactionVersion.TV_2 : TransactionVersion.TV_0 : TransactionVersion.TV_0), cluster));
            }
            if (v1) line("rotating" + at, "payments-\u00e9", TransactionLog.valueToBytes(new TxnTransitMetadata(
                7, 6, 8, Short.MAX_VALUE, (short) (Short.MAX_VALUE - 1), Integer.MAX_VALUE, TransactionState.PREPARE_COMMIT,
                some(), 1000, 2000, TransactionVersion.TV_2), cluster));
        }
        line("tombstone", "payments", null);
    }

    // What Kafka may read.
    static void read() {
        for (short version = 0; version <= 1; version++) {
            TransactionLogValue value = new TransactionLogValue().setProducerId(1).setProducerEpoch((short) 2).setTransactionTimeoutMs(3)
                .setTransactionStatus((byte) 5).setTransactionPartitions(List.of()).setTransactionLastUpdateTimestampMs(4).setTransactionStartTimestampMs(5);
            line("bare-v" + version, "", MessageUtil.toVersionPrefixedBytes(version, value));
            line("empty-with-partitions-v" + version, "", MessageUtil.toVersionPrefixedBytes(version, value.setTransactionStatus((byte) 0).setTransactionPartitions(
                List.of(new TransactionLogValue.PartitionsSchema().setTopic("a").setPartitionIds(List.of(1))))));
        }
        TransactionLogValue future = new TransactionLogValue().setProducerId(1).setTransactionPartitions(null).setNextProducerEpoch((short) 9);
        future.unknownTaggedFields().add(new RawTaggedField(9, new byte[]{1, 2, 3}));
        line("future-tags-v1", "", MessageUtil.toVersionPrefixedBytes((short) 1, future));
    }

    public static void main(String[] args) {
        written();
        read();
    }
}
