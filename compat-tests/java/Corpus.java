import java.io.*;
import java.nio.file.*;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;

/**
 * Sends the framed records of a file with a stock producer and reads the topic back, without a group, into another file.
 * Arguments: bootstrap servers, topic, input, output, then settings of the producer as key=value.
 * A frame is a byte string behind its 4-byte length; a record is a key frame and a value frame.
 */
public class Corpus {
    public static void main(String[] args) throws Exception {
        String servers = args[0], topic = args[1];
        long sent = produce(servers, topic, Path.of(args[2]), Arrays.copyOfRange(args, 4, args.length));
        long read = consume(servers, topic, Path.of(args[3]));
        if (sent != read) throw new IllegalStateException("sent " + sent + ", read " + read);
        System.out.println(read);
    }

    private static long produce(String servers, String topic, Path input, String[] settings) throws Exception {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", servers);
        for (String setting : settings) {
            String[] parts = setting.split("=", 2);
            properties.put(parts[0], parts[1]);
        }
        AtomicReference<Exception> failure = new AtomicReference<>();
        long count = 0;
        try (DataInputStream in = new DataInputStream(new BufferedInputStream(Files.newInputStream(input), 1 << 20));
             KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer())) {
            for (byte[] key = frame(in); key != null; key = frame(in)) {
                producer.send(new ProducerRecord<>(topic, key, frame(in)), (metadata, error) -> {
                    if (error != null) failure.compareAndSet(null, error);
                });
                count++;
            }
            producer.flush();
        }
        if (failure.get() != null) throw failure.get();
        return count;
    }

    private static long consume(String servers, String topic, Path output) throws Exception {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", servers);
        long count = 0;
        try (DataOutputStream out = new DataOutputStream(new BufferedOutputStream(Files.newOutputStream(output), 1 << 20));
             KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            List<TopicPartition> partitions = new ArrayList<>();
            consumer.partitionsFor(topic).forEach(info -> partitions.add(new TopicPartition(topic, info.partition())));
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
            Instant deadline = new Instant();
            while (!ends.entrySet().stream().allMatch(end -> consumer.position(end.getKey()) >= end.getValue())) {
                ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(500));
                if (records.isEmpty()) deadline.check(count); else deadline = new Instant();
                for (ConsumerRecord<byte[], byte[]> record : records) {
                    frame(out, record.key());
                    frame(out, record.value());
                    count++;
                }
            }
        }
        return count;
    }

    /** Thirty seconds without a record are too long. */
    private static final class Instant {
        private final long started = System.nanoTime();
        void check(long count) {
            if (System.nanoTime() - started > 30_000_000_000L) throw new IllegalStateException("nothing for 30 s after " + count + " records");
        }
    }

    private static byte[] frame(DataInputStream in) throws IOException {
        int size;
        try {
            size = in.readInt();
        } catch (EOFException end) {
            return null;
        }
        byte[] bytes = new byte[size];
        in.readFully(bytes);
        return bytes;
    }

    private static void frame(DataOutputStream out, byte[] bytes) throws IOException {
        out.writeInt(bytes.length);
        out.write(bytes);
    }
}
