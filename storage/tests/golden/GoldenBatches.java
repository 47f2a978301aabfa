// Writes the files of this directory with Apache Kafka's own classes, and reads batches that Ottla wrote. See README.md.

import java.io.File;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.*;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.message.*;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.common.record.internal.*;
import org.apache.kafka.storage.internals.log.*;

public class GoldenBatches {
    static final long T = 1_700_000_000_000L;
    static Path dir;

    static byte[] b(String s) {
        return s == null ? null : s.getBytes(StandardCharsets.UTF_8);
    }

    static void write(String name, ByteBuffer buffer) throws Exception {
        byte[] bytes = new byte[buffer.remaining()];
        buffer.duplicate().get(bytes);
        Files.write(dir.resolve(name), bytes);
    }

    static void small(MemoryRecordsBuilder out) {
        Header[] none = {};
        Header[] doubled = {new RecordHeader("h", b("1")), new RecordHeader("h", b("2")), new RecordHeader("null", (byte[]) null), new RecordHeader("", b(""))};
        out.append(T, b("key"), b("value"), none);
        out.append(T + 7, (byte[]) null, b("no key"), none);
        out.append(T - 1000, b("tombstone"), (byte[]) null, none);
        out.append(T + 500, (byte[]) null, null, none);
        out.append(T + 1, b(""), b(""), doubled);
    }

    static void large(MemoryRecordsBuilder out) {
        for (int i = 0; i < 2000; i++)
            out.append(T + i, b("key-" + i), b("value " + i + ": " + "the quick brown fox jumps over the lazy dog ".repeat(i % 5) + (i * 2654435761L)), new Header[]{});
    }

    static MemoryRecordsBuilder builder(Compression c, boolean stamped, long pid, int epoch, int sequence, boolean transactional) {
        return MemoryRecords.builder(ByteBuffer.allocate(1 << 20), (byte) 2, c, stamped ? TimestampType.LOG_APPEND_TIME : TimestampType.CREATE_TIME,
            0L, T + 9999, pid, (short) epoch, sequence, transactional, stamped ? 3 : -1);
    }

    public static void main(String[] args) throws Exception {
        dir = Path.of(args[1]);
        if (args[0].equals("read")) {
            read();
            return;
        }
        Map<String, Compression> codecs = new LinkedHashMap<>();
        codecs.put("none", Compression.NONE);
        codecs.put("gzip", Compression.gzip().build());
        codecs.put("snappy", Compression.snappy().build());
        codecs.put("lz4", Compression.lz4().build());
        codecs.put("zstd", Compression.zstd().build());
        for (var codec : codecs.entrySet()) {
            MemoryRecordsBuilder out = builder(codec.getValue(), false, -1, -1, -1, false);
            small(out);
            write("small-" + codec.getKey() + ".batch", out.build().buffer());
            if (codec.getKey().equals("none"))
                continue;
            out = builder(codec.getValue(), false, -1, -1, -1, false);
            large(out);
            write("large-" + codec.getKey() + ".batch", out.build().buffer());
        }
        MemoryRecordsBuilder out = builder(Compression.zstd().level(22).build(), false, -1, -1, -1, false);
        large(out);
        write("large-zstd-22.batch", out.build().buffer());
        out = builder(Compression.lz4().level(17).build(), false, -1, -1, -1, false);
        large(out);
        write("large-lz4-17.batch", out.build().buffer());

        out = builder(Compression.NONE, true, -1, -1, -1, false);
        small(out);
        write("log-append-time.batch", out.build().buffer());
        out = builder(Compression.NONE, false, 4711, 3, Integer.MAX_VALUE - 1, true);
        small(out);
        write("transactional-wrapping.batch", out.build().buffer());

        write("marker-commit.batch", MemoryRecords.withEndTransactionMarker(42, T, 5, 4711, (short) 3,
            new EndTransactionMarker(ControlRecordType.COMMIT, 9)).buffer());
        write("marker-abort.batch", MemoryRecords.withEndTransactionMarker(43, T, 5, 4711, (short) 3,
            new EndTransactionMarker(ControlRecordType.ABORT, 10)).buffer());
        write("raft-leader-change.batch", MemoryRecords.withLeaderChangeMessage(0, T, 1, ByteBuffer.allocate(4096),
            new LeaderChangeMessage().setVersion((short) 1).setLeaderId(1).setVoters(List.of(new LeaderChangeMessage.Voter().setVoterId(1)))).buffer());
        write("raft-snapshot-header.batch", MemoryRecords.withSnapshotHeaderRecord(0, T, 1, ByteBuffer.allocate(4096),
            new SnapshotHeaderRecord().setLastContainedLogTimestamp(T)).buffer());
        write("raft-snapshot-footer.batch", MemoryRecords.withSnapshotFooterRecord(0, T, 1, ByteBuffer.allocate(4096),
            new SnapshotFooterRecord()).buffer());
        write("raft-kraft-version.batch", MemoryRecords.withKRaftVersionRecord(0, T, 1, ByteBuffer.allocate(4096),
            new KRaftVersionRecord().setKRaftVersion((short) 1)).buffer());
        write("raft-voters.batch", MemoryRecords.withVotersRecord(0, T, 1, ByteBuffer.allocate(4096), new VotersRecord()).buffer());

        Map<Long, ProducerStateEntry> producers = new TreeMap<>();
        producers.put(1000L, new ProducerStateEntry(1000, (short) 0, -1, T, OptionalLong.empty()));
        addBatch(producers.get(1000L), 0, 9, 109, 9, T);
        producers.put(1001L, new ProducerStateEntry(1001, (short) 7, 3, T + 5, OptionalLong.of(90)));
        addBatch(producers.get(1001L), 7, 2, 95, 5, T + 5);
        producers.put(1002L, new ProducerStateEntry(1002, (short) 2, 4, T + 6, OptionalLong.empty()));
        ProducerStateManager.writeSnapshot(dir.resolve("producers.snapshot").toFile(), producers, false);
    }

    static void addBatch(ProducerStateEntry entry, int epoch, int lastSequence, long lastOffset, int delta, long timestamp) throws Exception {
        var method = ProducerStateEntry.class.getDeclaredMethod("addBatch", short.class, int.class, long.class, int.class, long.class);
        method.setAccessible(true);
        method.invoke(entry, (short) epoch, lastSequence, lastOffset, delta, timestamp);
    }

    static void read() throws Exception {
        File[] files = dir.toFile().listFiles();
        Arrays.sort(files);
        for (File file : files) {
            if (file.getName().endsWith(".snapshot")) {
                ProducerStateManager.readSnapshot(file).forEach(System.out::println);
                continue;
            }
            if (!file.getName().endsWith(".batch"))
                continue;
            MemoryRecords records = MemoryRecords.readableRecords(ByteBuffer.wrap(Files.readAllBytes(file.toPath())));
            long hash = 17;
            int count = 0;
            for (MutableRecordBatch batch : records.batches()) {
                batch.ensureValid();
                for (org.apache.kafka.common.record.internal.Record record : batch) {
                    hash = hash * 31 + Objects.hash(record.offset(), record.timestamp(), record.key(), record.value(), Arrays.hashCode(record.headers()));
                    count++;
                }
                System.out.println(file.getName() + ": " + batch + " control=" + batch.isControlBatch() + " txn=" + batch.isTransactional()
                    + " count=" + count + " content=" + Long.toHexString(hash));
                if (batch.isControlBatch()) {
                    var r = batch.iterator().next();
                    ControlRecordType type = ControlRecordType.parse(r.key());
                    System.out.println("    " + type + (type == ControlRecordType.COMMIT || type == ControlRecordType.ABORT
                        ? " coordinator epoch " + EndTransactionMarker.deserialize(r).coordinatorEpoch() : ""));
                }
            }
        }
    }
}
