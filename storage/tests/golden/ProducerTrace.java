// Plays a random life of one partition's producers with Apache Kafka's ProducerStateManager and prints every step with its answer.
// The output is producer-trace.txt; see README.md.

import java.io.File;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.util.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.record.internal.*;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.storage.internals.log.*;

public class ProducerTrace {
    static final Random random = new Random(20240607);
    static final long[] PIDS = {7, 8, 9, 1_000_000_000_000L};
    static ProducerStateManager states;
    static long end = 0, highWatermark = 0, start = 0, clock = 1_700_000_000_000L;

    static int pick(int... choices) {
        return choices[random.nextInt(choices.length)];
    }

    static ProducerStateEntry entry(long pid) {
        return states.activeProducers().get(pid);
    }

    static int wrap(long sequence) {
        return (int) (sequence & 0x7fffffffL);
    }

    public static void main(String[] args) throws Exception {
        File dir = Files.createTempDirectory("trace").toFile();
        states = new ProducerStateManager(new TopicPartition("t", 0), dir, 900_000, new ProducerStateManagerConfig(100_000, false), Time.SYSTEM);
        for (int step = 0; step < 1500; step++) {
            clock += random.nextInt(3000);
            long pid = PIDS[random.nextInt(PIDS.length)];
            int choice = random.nextInt(100);
            if (choice < 66)
                data(pid);
            else if (choice < 80)
                marker(pid);
            else if (choice < 88) {
                highWatermark = Math.min(end, highWatermark + random.nextInt(40));
                states.onHighWatermarkUpdated(highWatermark);
                print("hw " + highWatermark, "ok", pid);
            } else if (choice < 90) {
                start = Math.min(highWatermark, start + random.nextInt(20));
                states.onLogStartOffsetIncremented(start);
                print("start " + start, "ok", pid);
            } else if (choice < 92) {
                long now = clock + pick(0, 50_000, 90_000);
                states.removeExpiredProducers(now);
                print("expire " + now, "ok", pid);
            } else if (choice < 97) {
                ProducerStateEntry known = entry(pid);
                int sequence = known == null ? pick(0, 3) : wrap(last(known) + 1L);
                int epoch = known == null ? 0 : known.producerEpoch() + pick(0, 0, 1);
                boolean bump = random.nextBoolean();
                if (known == null || known.currentTxnFirstOffset().isEmpty())
                    states.maybeCreateVerificationStateEntry(pid, sequence, (short) epoch, bump);
                print("verify " + pid + " " + sequence + " " + epoch + " " + bump, "ok", pid);
            } else if (end > start) {
                states.takeSnapshot();
                long at = states.mapEndOffset();
                states.updateMapEndOffset(at + 1); // so that the reload really reads the file
                states.truncateAndReload(Math.min(start, at - 1), at, clock);
                print("reload " + clock, "ok", pid);
            }
        }
    }

    static int last(ProducerStateEntry e) {
        int last = -1;
        for (BatchMetadata b : e.batchMetadata())
            last = b.lastSeq();
        return last;
    }

    static void data(long pid) {
        ProducerStateEntry known = entry(pid);
        AppendOrigin origin = random.nextInt(10) < 7 ? AppendOrigin.CLIENT : random.nextBoolean() ? AppendOrigin.COORDINATOR : AppendOrigin.REPLICATION;
        int count = 1 + random.nextInt(4);
        int epoch = known == null || known.producerEpoch() < 0 ? pick(0, 3) : Math.max(0, known.producerEpoch() + pick(-1, 0, 0, 0, 0, 0, 0, 1));
        int sequence;
        int how = random.nextInt(20);
        if (known == null)
            sequence = pick(0, 0, 5, Integer.MAX_VALUE - 1, Integer.MAX_VALUE);
        else if (how < 12)
            sequence = epoch == known.producerEpoch() ? wrap(last(known) + 1L) : 0;
        else if (how < 17 && !known.batchMetadata().isEmpty()) {
            List<BatchMetadata> batches = new ArrayList<>(known.batchMetadata());
            BatchMetadata batch = batches.get(random.nextInt(batches.size()));
            sequence = batch.firstSeq();
            count = batch.offsetDelta() + 1 + (random.nextInt(5) == 0 ? 1 : 0);
        } else
            sequence = pick(0, 1, wrap(last(known) + 2L), wrap(last(known)), random.nextInt(100));
        boolean open = known != null && known.currentTxnFirstOffset().isPresent();
        boolean transactional = open ? origin == AppendOrigin.REPLICATION || random.nextInt(12) > 0 : random.nextInt(3) == 0;
        SimpleRecord[] records = new SimpleRecord[count];
        for (int i = 0; i < count; i++)
            records[i] = new SimpleRecord(clock, new byte[]{1}, new byte[]{2});
        MemoryRecords bytes = transactional
            ? MemoryRecords.withTransactionalRecords(end, Compression.NONE, pid, (short) epoch, sequence, 0, records)
            : MemoryRecords.withIdempotentRecords(end, Compression.NONE, pid, (short) epoch, sequence, 0, records);
        String step = "data " + origin + " " + pid + " " + epoch + " " + sequence + " " + count + " " + transactional + " " + clock;
        print(step, append(bytes.batches().iterator().next(), origin, (short) 0), pid);
    }

    static void marker(long pid) {
        ProducerStateEntry known = entry(pid);
        AppendOrigin origin = random.nextInt(5) > 0 ? AppendOrigin.COORDINATOR : AppendOrigin.REPLICATION;
        int version = pick(0, 1, 2);
        int epoch = known == null ? 0 : Math.max(0, known.producerEpoch() + pick(-1, 0, 0, 0, 1, 1, 1));
        int coordinator = known == null ? pick(-1, 5) : Math.max(0, known.coordinatorEpoch() + pick(-1, 0, 0, 0, 0, 1));
        boolean commit = random.nextBoolean();
        MemoryRecords bytes = MemoryRecords.withEndTransactionMarker(end, clock, 0, pid, (short) epoch,
            new EndTransactionMarker(commit ? ControlRecordType.COMMIT : ControlRecordType.ABORT, coordinator));
        String step = "marker " + origin + " " + pid + " " + epoch + " " + commit + " " + coordinator + " " + version + " " + clock;
        print(step, append(bytes.batches().iterator().next(), origin, (short) version), pid);
    }

    static String append(RecordBatch batch, AppendOrigin origin, short version) {
        long pid = batch.producerId();
        try {
            if (origin == AppendOrigin.CLIENT && entry(pid) != null)
                for (BatchMetadata b : entry(pid).batchMetadata())
                    if (batch.producerEpoch() == entry(pid).producerEpoch() && b.firstSeq() == batch.baseSequence() && b.lastSeq() == batch.lastSequence())
                        return "duplicate " + b.firstOffset() + " " + b.lastOffset() + " " + b.timestamp();
            ProducerAppendInfo info = states.prepareUpdate(pid, origin);
            Optional<CompletedTxn> completed = info.append(batch, Optional.of(new LogOffsetMetadata(batch.baseOffset())), version);
            if (batch.isTransactional()) {
                VerificationStateEntry v = states.verificationStateEntry(pid);
                boolean keep = v != null && v.supportsEpochBump() && batch.isControlBatch() && batch.producerEpoch() == v.epoch();
                if (!keep)
                    states.clearVerificationStateEntry(pid);
            }
            states.update(info);
            String result = "accept";
            if (completed.isPresent()) {
                CompletedTxn txn = completed.get();
                result = "completed " + txn.firstOffset() + " " + txn.lastOffset() + " " + txn.isAborted() + " " + states.lastStableOffset(txn);
                states.completeTxn(txn);
            }
            states.updateMapEndOffset(batch.lastOffset() + 1);
            end = batch.lastOffset() + 1;
            return result;
        } catch (Exception e) {
            return e.getClass().getSimpleName();
        }
    }

    static void print(String step, String result, long pid) {
        StringBuilder state = new StringBuilder();
        ProducerStateEntry e = entry(pid);
        if (e == null)
            state.append("unknown");
        else {
            state.append(e.producerEpoch()).append(' ').append(e.coordinatorEpoch()).append(' ').append(e.lastTimestamp()).append(' ')
                .append(e.currentTxnFirstOffset().orElse(-1));
            for (BatchMetadata b : e.batchMetadata())
                state.append(' ').append(b.firstSeq()).append('-').append(b.lastSeq()).append('@').append(b.firstOffset());
        }
        System.out.println(step + " | " + result + " | " + states.firstUnstableOffset().map(o -> o.messageOffset).orElse(-1L) + " "
            + states.firstUndecidedOffset().orElse(-1) + " " + states.activeProducers().size() + " " + states.mapEndOffset() + " | " + pid + ": " + state);
    }
}
