import java.io.*;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;

/**
 * Transactional producers, and consumers of both isolation levels, told what to do line by line; compiles with clients from 2.8 on.
 * Arguments: bootstrap servers. Commands and answers: compat-tests/DESIGN.md.
 */
public class Transactor {
    private static final Duration PATIENCE = Duration.ofSeconds(150);

    private final String servers;
    private final Map<String, KafkaProducer<String, String>> producers = new HashMap<>();
    private final Map<String, KafkaConsumer<String, String>> members = new HashMap<>();
    private final Map<String, CompletableFuture<String>> later = new HashMap<>();
    private final Map<String, KafkaConsumer<String, String>> readers = new HashMap<>();

    public static void main(String[] args) throws Exception {
        Transactor transactor = new Transactor(args[0]);
        PrintStream out = new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            out.println(transactor.answer(line.split(" ")));
        }
        // Whoever told us what to do is gone; producers are left as they are.
        Runtime.getRuntime().halt(0);
    }

    private Transactor(String servers) {
        this.servers = servers;
    }

    /** The last line begins with "ok" or "error". */
    private String answer(String[] words) {
        try {
            String said = obey(words);
            return said.isEmpty() ? "ok" : said.contains(" end ") ? said + "\nok" : "ok " + said;
        } catch (Throwable failure) {
            failure.printStackTrace();
            return "error " + names(failure);
        }
    }

    /** The classes from the outside to the root, without the wrapping of futures. */
    private static String names(Throwable failure) {
        List<String> names = new ArrayList<>();
        for (Throwable at = failure; at != null; at = at.getCause()) {
            if (!(at instanceof ExecutionException || at instanceof CompletionException)) names.add(at.getClass().getSimpleName());
        }
        return names.stream().distinct().collect(Collectors.joining(" by "));
    }

    private String obey(String[] words) throws Exception {
        switch (words[0]) {
            case "topic": return topic(words[1], Integer.parseInt(words[2]));
            case "producer": return producer(words);
            case "init": producers.get(words[1]).initTransactions(); return "";
            case "begin": producers.get(words[1]).beginTransaction(); return "";
            case "send": return send(words[1], words[2], Integer.parseInt(words[3]), words[4]);
            case "spread": return spread(words[1], words[2], Integer.parseInt(words[3]), Integer.parseInt(words[4]), words[5]);
            case "offsets": return offsets(words);
            case "commit": producers.get(words[1]).commitTransaction(); return "";
            case "abort": producers.get(words[1]).abortTransaction(); return "";
            case "close": producers.remove(words[1]).close(); return "";
            // As a crash would: nothing is said to the broker.
            case "drop": producers.remove(words[1]).close(Duration.ZERO); return "";
            case "many": return many(words[1], words[2], Integer.parseInt(words[3]), Integer.parseInt(words[4]));
            case "plain": return plain(words[1], Integer.parseInt(words[2]), words[3]);
            case "join": return join(words[1], words[2], words[3], Integer.parseInt(words[4]));
            case "leave": members.remove(words[1]).close(); return "";
            case "read": return read(words[1], words[2]);
            case "values": return read(words[1], words[2]).replaceAll("@\\d+| end \\d+", "").replace("\n", ", ");
            case "count": return count(words[1], words[2]);
            case "settled": return settled(words[1]);
            case "grown": return grown(words[1], Integer.parseInt(words[2]), Long.parseLong(words[3]));
            case "committed": return committed(words[1], words[2], Integer.parseInt(words[3]), words[4]);
            case "later": return later(words);
            case "now": return later.remove(words[1]).get(PATIENCE.toMillis(), TimeUnit.MILLISECONDS);
            default: throw new IllegalArgumentException(String.join(" ", words));
        }
    }

    private String topic(String name, int partitions) throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", servers))) {
            admin.createTopics(List.of(new NewTopic(name, partitions, (short) 1))).all().get();
            // Apache Kafka tells its brokers only after it answered.
            long deadline = System.nanoTime() + PATIENCE.toNanos();
            while (System.nanoTime() < deadline) {
                if (reader("uncommitted").partitionsFor(name).size() == partitions) return "";
            }
            throw new TimeoutException(name);
        }
    }

    /** producer NAME TRANSACTIONAL-ID TIMEOUT-MS [KEY=VALUE...] */
    private String producer(String[] words) {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", servers);
        settings.put("client.id", words[1]);
        settings.put("transactional.id", words[2]);
        settings.put("transaction.timeout.ms", words[3]);
        settings.put("max.block.ms", "120000");
        settings.put("delivery.timeout.ms", "120000");
        settings.put("request.timeout.ms", "10000");
        settings.put("reconnect.backoff.max.ms", "200");
        settings.put("retry.backoff.ms", "20");
        settings.put("linger.ms", "0");
        for (int index = 4; index < words.length; index++) {
            String[] setting = words[index].split("=", 2);
            settings.put(setting[0], setting[1]);
        }
        producers.put(words[1], new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer()));
        return "";
    }

    private String send(String producer, String topic, int partition, String value) throws Exception {
        RecordMetadata place = producers.get(producer).send(new ProducerRecord<>(topic, partition, null, value)).get();
        return place.partition() + ":" + place.offset();
    }

    /** One record to each of these partitions, all at once. */
    private String spread(String producer, String topic, int from, int to, String value) throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (int partition = from; partition < to; partition++) {
            sent.add(producers.get(producer).send(new ProducerRecord<>(topic, partition, null, value)));
        }
        for (Future<RecordMetadata> one : sent) one.get();
        return sent.size() + " sent";
    }

    /** Records without a transaction. */
    private String plain(String topic, int partition, String values) throws Exception {
        Map<String, Object> settings = Map.of("bootstrap.servers", servers);
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            for (String value : values.split(",")) producer.send(new ProducerRecord<>(topic, partition, null, value)).get();
        }
        return "";
    }

    /** So many transactions of one record each; every third is aborted. */
    private String many(String name, String topic, int partition, int count) throws Exception {
        KafkaProducer<String, String> producer = producers.get(name);
        long began = System.nanoTime();
        for (int number = 0; number < count; number++) {
            producer.beginTransaction();
            producer.send(new ProducerRecord<>(topic, partition, null, Integer.toString(number)));
            if (number % 3 == 2) {
                producer.flush();
                producer.abortTransaction();
            } else {
                producer.commitTransaction();
            }
        }
        System.err.println(count + " transactions in " + (System.nanoTime() - began) / 1_000_000 + " ms");
        return count + " done";
    }

    /** offsets PRODUCER TOPIC PARTITION OFFSET in GROUP | of MEMBER | as GROUP GENERATION MEMBER-ID */
    private String offsets(String[] words) {
        Map<TopicPartition, OffsetAndMetadata> offsets =
            Map.of(new TopicPartition(words[2], Integer.parseInt(words[3])), new OffsetAndMetadata(Long.parseLong(words[4])));
        ConsumerGroupMetadata group;
        switch (words[5]) {
            case "in": group = new ConsumerGroupMetadata(words[6]); break;
            case "of": group = members.get(words[6]).groupMetadata(); break;
            default: group = new ConsumerGroupMetadata(words[6], Integer.parseInt(words[7]), words[8], Optional.empty());
        }
        producers.get(words[1]).sendOffsetsToTransaction(offsets, group);
        return "";
    }

    /** Joins a group; comes back when it has read so many records. */
    private String join(String name, String group, String topic, int count) throws Exception {
        Map<String, Object> settings = Map.of("bootstrap.servers", servers, "group.id", group, "enable.auto.commit", "false",
            "auto.offset.reset", "earliest", "isolation.level", "read_committed", "client.id", name);
        KafkaConsumer<String, String> member = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
        members.put(name, member);
        member.subscribe(List.of(topic));
        List<String> read = new ArrayList<>();
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (read.size() < count) {
            if (System.nanoTime() > deadline) throw new TimeoutException("read " + read);
            for (ConsumerRecord<String, String> record : member.poll(Duration.ofMillis(50))) read.add(record.value());
        }
        return String.join(" ", read);
    }

    private KafkaConsumer<String, String> reader(String isolation) {
        return readers.computeIfAbsent(isolation, level -> new KafkaConsumer<>(Map.of("bootstrap.servers", servers,
            "enable.auto.commit", "false", "auto.offset.reset", "earliest", "isolation.level", "read_" + level,
            // An open transaction keeps a read_committed fetch waiting.
            "fetch.max.wait.ms", "50", "reconnect.backoff.max.ms", "100"), new StringDeserializer(), new StringDeserializer()));
    }

    private List<TopicPartition> partitions(KafkaConsumer<String, String> reader, String topic) {
        return reader.partitionsFor(topic).stream().map(info -> new TopicPartition(topic, info.partition()))
            .sorted(Comparator.comparingInt(TopicPartition::partition)).collect(Collectors.toList());
    }

    /** Everything this isolation level shows, with offsets; one line for all neighbours that look alike. */
    private String read(String topic, String isolation) throws Exception {
        KafkaConsumer<String, String> reader = reader(isolation);
        List<TopicPartition> partitions = partitions(reader, topic);
        Map<TopicPartition, Long> ends = reader.endOffsets(partitions);
        Map<TopicPartition, StringBuilder> found = new LinkedHashMap<>();
        for (TopicPartition partition : partitions) found.put(partition, new StringBuilder());
        reader.assign(partitions);
        reader.seekToBeginning(partitions);
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (!partitions.stream().allMatch(partition -> reader.position(partition) >= ends.get(partition))) {
            if (System.nanoTime() > deadline) throw new TimeoutException("read " + found + " of " + ends);
            for (ConsumerRecord<String, String> record : reader.poll(Duration.ofMillis(50))) {
                if (record.offset() >= ends.get(new TopicPartition(topic, record.partition()))) continue;
                found.get(new TopicPartition(topic, record.partition())).append(' ').append(record.value()).append('@').append(record.offset());
            }
        }
        for (TopicPartition partition : partitions) found.get(partition).append(" end ").append(ends.get(partition));
        reader.unsubscribe();
        StringBuilder text = new StringBuilder();
        int from = 0;
        for (int index = 1; index <= partitions.size(); index++) {
            String one = found.get(partitions.get(from)).toString();
            if (index < partitions.size() && one.contentEquals(found.get(partitions.get(index)))) continue;
            text.append(from == index - 1 ? Integer.toString(from) : from + "-" + (index - 1)).append(':').append(one).append('\n');
            from = index;
        }
        return text.toString().stripTrailing();
    }

    /** How many records there are, and where they end; for topics too long to be shown. */
    private String count(String topic, String isolation) throws Exception {
        int records = 0;
        String shown = read(topic, isolation);
        for (String word : shown.split(" ")) if (word.contains("@")) records++;
        return records + " records," + shown.substring(shown.lastIndexOf(" end")).trim();
    }

    /** Waits until no transaction is open or half done in the topic. */
    private String settled(String topic) throws Exception {
        List<TopicPartition> partitions = partitions(reader("uncommitted"), topic);
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (true) {
            Map<TopicPartition, Long> stable = reader("committed").endOffsets(partitions);
            if (stable.equals(reader("uncommitted").endOffsets(partitions))) return "";
            if (System.nanoTime() > deadline) throw new TimeoutException(topic + " is stable to " + stable);
            Thread.sleep(5);
        }
    }

    /** Waits until a partition reaches an offset: for a marker below which another transaction is still open. */
    private String grown(String topic, int partition, long offset) throws Exception {
        TopicPartition place = new TopicPartition(topic, partition);
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (true) {
            long end = reader("uncommitted").endOffsets(List.of(place)).get(place);
            if (end >= offset) return "";
            Thread.sleep(5);
            if (System.nanoTime() > deadline) throw new TimeoutException(place + " ends at " + end);
        }
    }

    /** What a group has committed; consumers wait for open transactions to end ("pending": and here not for long), admins do not ("any"). */
    private String committed(String group, String topic, int partition, String how) throws Exception {
        TopicPartition place = new TopicPartition(topic, partition);
        OffsetAndMetadata found;
        if (how.equals("any")) {
            try (Admin admin = Admin.create(Map.of("bootstrap.servers", servers))) {
                found = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().get(place);
            }
        } else {
            Map<String, Object> settings = Map.of("bootstrap.servers", servers, "group.id", group, "enable.auto.commit", "false");
            try (KafkaConsumer<String, String> asking = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
                Duration limit = how.equals("pending") ? Duration.ofMillis(1000) : PATIENCE;
                found = asking.committed(Set.of(place), limit).get(place);
            }
        }
        return found == null ? "none" : Long.toString(found.offset());
    }

    /** Starts a command; "now NAME" waits for its answer. */
    private String later(String[] words) throws InterruptedException {
        CountDownLatch started = new CountDownLatch(1);
        later.put(words[1], CompletableFuture.supplyAsync(() -> {
            started.countDown();
            return answer(Arrays.copyOfRange(words, 2, words.length));
        }));
        started.await();
        return "";
    }
}
