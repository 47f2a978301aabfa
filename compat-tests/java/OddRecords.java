import java.time.Duration;
import java.util.*;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.*;

/**
 * What a Java program relies on beyond plain text: headers, nulls, timestamps, sizes, offsets by time, receipts, refusals, the cluster's
 * description. Fails with an exception. Argument: bootstrap servers.
 */
public class OddRecords {
    private static final String TOPIC = "odd-java";
    private static final TopicPartition PARTITION = new TopicPartition(TOPIC, 0);

    public static void main(String[] args) throws Exception {
        Map<String, Object> servers = Map.of("bootstrap.servers", args[0]);
        try (Admin admin = Admin.create(servers)) {
            admin.createTopics(List.of(new NewTopic(TOPIC, 1, (short) 1))).all().get();
            describe(admin, args[0]);
        }
        byte[] large = new byte[900_000];
        new Random(1).nextBytes(large);
        try (Producer<byte[], byte[]> producer = new KafkaProducer<>(servers, new ByteArraySerializer(), new ByteArraySerializer())) {
            ProducerRecord<byte[], byte[]> withHeaders = new ProducerRecord<>(TOPIC, 0, 1000L, bytes("k"), bytes("v"));
            withHeaders.headers().add("twice", bytes("1")).add("twice", bytes("2")).add("null", null).add("empty", new byte[0]);
            check(receipt(producer, withHeaders), 0, 1000);
            check(receipt(producer, new ProducerRecord<>(TOPIC, 0, 3000L, null, bytes("no key"))), 1, 3000);
            check(receipt(producer, new ProducerRecord<>(TOPIC, 0, 2000L, bytes("no value"), (byte[]) null)), 2, 2000);
            check(receipt(producer, new ProducerRecord<>(TOPIC, 0, 4000L, (byte[]) null, (byte[]) null)), 3, 4000);
            check(receipt(producer, new ProducerRecord<>(TOPIC, 0, 5000L, new byte[0], new byte[0])), 4, 5000);
            check(receipt(producer, new ProducerRecord<>(TOPIC, 0, 6000L, bytes("large"), large)), 5, 6000);
            long tomorrow = System.currentTimeMillis() + 86_400_000;
            refused(InvalidTimestampException.class, producer, new ProducerRecord<>(TOPIC, 0, tomorrow, null, bytes("from tomorrow")));
            check(receipt(producer, new ProducerRecord<>(TOPIC, 0, 7000L, null, bytes("after a refusal"))), 6, 7000);
        }
        Map<String, Object> huge = new HashMap<>(servers);
        huge.put("max.request.size", 8_000_000);
        try (Producer<byte[], byte[]> producer = new KafkaProducer<>(huge, new ByteArraySerializer(), new ByteArraySerializer())) {
            refused(RecordTooLargeException.class, producer, new ProducerRecord<>(TOPIC, 0, 1L, null, new byte[2_000_000]));
        }
        try (Consumer<byte[], byte[]> consumer = new KafkaConsumer<>(servers, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            read(consumer, large);
        }
        System.out.println("as expected");
    }

    private static void describe(Admin admin, String servers) throws Exception {
        DescribeClusterResult cluster = admin.describeCluster();
        Collection<Node> nodes = cluster.nodes().get();
        equal(1, nodes.size());
        Node node = nodes.iterator().next();
        equal(servers, node.host() + ":" + node.port());
        equal(node.id(), cluster.controller().get().id());
        equal(22, cluster.clusterId().get().length());
        TopicDescription topic = admin.describeTopics(List.of(TOPIC)).allTopicNames().get().get(TOPIC);
        equal(false, topic.isInternal());
        equal(false, topic.topicId().equals(Uuid.ZERO_UUID));
        equal(topic.topicId(), admin.describeTopics(TopicCollection.ofTopicIds(List.of(topic.topicId()))).allTopicIds().get().get(topic.topicId()).topicId());
        equal(node, topic.partitions().get(0).leader());
        equal(List.of(node), topic.partitions().get(0).isr());
    }

    private static void read(Consumer<byte[], byte[]> consumer, byte[] large) {
        List<TopicPartition> partitions = List.of(PARTITION);
        consumer.assign(partitions);
        equal(Map.of(PARTITION, 0L), consumer.beginningOffsets(partitions));
        equal(Map.of(PARTITION, 7L), consumer.endOffsets(partitions));
        consumer.seekToBeginning(partitions);
        List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        for (int polls = 0; records.size() < 7 && polls < 60; polls++) consumer.poll(Duration.ofMillis(500)).forEach(records::add);
        equal(7, records.size());
        List<String> headers = new ArrayList<>();
        for (Header header : records.get(0).headers()) headers.add(header.key() + "=" + text(header.value()));
        equal(List.of("twice=1", "twice=2", "null=null", "empty="), headers);
        List<String> seen = new ArrayList<>();
        for (ConsumerRecord<byte[], byte[]> record : records) {
            String value = Arrays.equals(record.value(), large) ? "the large one" : text(record.value());
            seen.add(record.offset() + " " + record.timestampType() + " " + record.timestamp() + " " + text(record.key()) + " " + value);
            equal(true, record.leaderEpoch().isPresent());
        }
        equal(List.of("0 CreateTime 1000 k v", "1 CreateTime 3000 null no key", "2 CreateTime 2000 no value null", "3 CreateTime 4000 null null",
            "4 CreateTime 5000  ", "5 CreateTime 6000 large the large one", "6 CreateTime 7000 null after a refusal"), seen);
        equal(0L, since(consumer, 0));
        equal(1L, since(consumer, 1001));
        equal(1L, since(consumer, 3000));
        equal(3L, since(consumer, 3001));
        equal(null, since(consumer, 7001));
        // Beyond the end: the default is to go to the end, and nothing is delivered twice.
        consumer.seek(PARTITION, 1000);
        for (int polls = 0; consumer.position(PARTITION) != 7 && polls < 60; polls++) equal(0, consumer.poll(Duration.ofMillis(500)).count());
        equal(7L, consumer.position(PARTITION));
    }

    private static Long since(Consumer<?, ?> consumer, long time) {
        OffsetAndTimestamp found = consumer.offsetsForTimes(Map.of(PARTITION, time)).get(PARTITION);
        if (found != null) equal(true, found.leaderEpoch().isPresent());
        return found == null ? null : found.offset();
    }

    private static RecordMetadata receipt(Producer<byte[], byte[]> producer, ProducerRecord<byte[], byte[]> record) throws Exception {
        return producer.send(record).get();
    }

    private static void check(RecordMetadata receipt, long offset, long timestamp) {
        equal(offset + "@" + timestamp, receipt.offset() + "@" + receipt.timestamp());
    }

    private static void refused(Class<?> expected, Producer<byte[], byte[]> producer, ProducerRecord<byte[], byte[]> record) throws Exception {
        try {
            throw new IllegalStateException("taken: " + receipt(producer, record));
        } catch (ExecutionException refusal) {
            equal(expected, refusal.getCause().getClass());
        }
    }

    private static byte[] bytes(String text) {
        return text.getBytes();
    }

    private static String text(byte[] bytes) {
        return bytes == null ? "null" : new String(bytes);
    }

    private static void equal(Object expected, Object found) {
        if (!Objects.equals(expected, found)) throw new IllegalStateException("expected " + expected + ", found " + found);
    }
}
