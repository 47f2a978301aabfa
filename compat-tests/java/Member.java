import java.io.*;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.stream.Collectors;
import java.util.zip.CRC32;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** A group member on the Java client. Arguments, commands and what it says: compat-tests/DESIGN.md. */
public class Member implements ConsumerRebalanceListener {
    private static final Map<String, String> ASSIGNORS = Map.of(
        "range", "org.apache.kafka.clients.consumer.RangeAssignor",
        "roundrobin", "org.apache.kafka.clients.consumer.RoundRobinAssignor",
        "sticky", "org.apache.kafka.clients.consumer.StickyAssignor",
        "cooperative-sticky", "org.apache.kafka.clients.consumer.CooperativeStickyAssignor");
    /** One line, one write: other members write to the same pipe. */
    private static final FileOutputStream OUT = new FileOutputStream(FileDescriptor.out);

    private final Map<String, String> args;
    private final String name, topic, commit;
    private final Map<TopicPartition, OffsetAndMetadata> positions = new HashMap<>();
    private final Queue<String> commands = new ConcurrentLinkedQueue<>();
    private KafkaConsumer<byte[], byte[]> consumer;

    public static void main(String[] words) {
        Map<String, String> args = new HashMap<>();
        for (String word : words) args.put(word.substring(0, word.indexOf('=')), word.substring(word.indexOf('=') + 1));
        Member member = new Member(args);
        try {
            member.run();
        } catch (Throwable failure) {
            failure.printStackTrace();
            member.say("failed " + failure.toString().replace('\n', ' '));
            Runtime.getRuntime().halt(1);
        }
    }

    private Member(Map<String, String> args) {
        this.args = args;
        name = args.get("name");
        topic = args.get("topic");
        commit = args.getOrDefault("commit", "auto");
    }

    private void run() throws Exception {
        Thread ears = new Thread(this::listen);
        ears.setDaemon(true);
        ears.start();
        consumer = new KafkaConsumer<>(settings(), new ByteArrayDeserializer(), new ByteArrayDeserializer());
        consumer.subscribe(List.of(topic), this);
        say("ready");
        boolean left = false;
        while (!left) {
            ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(20));
            for (ConsumerRecord<byte[], byte[]> record : records) {
                CRC32 sum = new CRC32();
                if (record.key() != null) sum.update(record.key());
                if (record.value() != null) sum.update(record.value());
                say("record " + record.partition() + " " + record.offset() + " " + Long.toHexString(sum.getValue()));
                positions.put(new TopicPartition(topic, record.partition()), new OffsetAndMetadata(record.offset() + 1));
            }
            if (!records.isEmpty() && commit.equals("sync")) commitSync(Map.copyOf(positions));
            if (!records.isEmpty() && commit.equals("async")) commitAsync(Map.copyOf(positions));
            for (String command = commands.poll(); command != null && !left; command = commands.poll()) left = obey(command.split(" "));
        }
        consumer.close();
        say("left");
    }

    private Properties settings() {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", args.get("bootstrap"));
        settings.put("group.id", args.get("group"));
        settings.put("client.id", name);
        settings.put("group.protocol", args.get("protocol"));
        settings.put("auto.offset.reset", args.getOrDefault("reset", "earliest"));
        settings.put("reconnect.backoff.max.ms", "200");
        String assignor = args.get("assignor");
        if (args.get("protocol").equals("consumer")) {
            // The broker decides about sessions and heartbeats.
            if (!assignor.equals("default")) settings.put("group.remote.assignor", assignor);
        } else {
            settings.put("session.timeout.ms", args.get("session_ms"));
            settings.put("heartbeat.interval.ms", args.get("heartbeat_ms"));
            if (!assignor.equals("default")) settings.put("partition.assignment.strategy", ASSIGNORS.get(assignor));
        }
        if (args.containsKey("instance")) settings.put("group.instance.id", args.get("instance"));
        if (commit.equals("auto")) settings.put("auto.commit.interval.ms", "100");
        else settings.put("enable.auto.commit", "false");
        return settings;
    }

    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
        // A member epoch may be ahead of the assignment it came with; a generation is not.
        boolean classic = args.get("protocol").equals("classic");
        say("assigned " + (classic ? Integer.toString(consumer.groupMetadata().generationId()) : "-") + shown(partitions));
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
        if (!commit.equals("auto") && !commit.equals("none")) {
            Map<TopicPartition, OffsetAndMetadata> read = new HashMap<>(positions);
            read.keySet().retainAll(partitions);
            commitSync(read);
        }
        positions.keySet().removeAll(partitions);
        say("revoked" + shown(partitions));
    }

    @Override
    public void onPartitionsLost(Collection<TopicPartition> partitions) {
        positions.keySet().removeAll(partitions);
        say("lost" + shown(partitions));
    }

    private void commitSync(Map<TopicPartition, OffsetAndMetadata> offsets) {
        if (offsets.isEmpty()) return;
        try {
            consumer.commitSync(offsets);
            committed(offsets);
        } catch (CommitFailedException | org.apache.kafka.common.errors.RetriableException
                | org.apache.kafka.common.errors.RebalanceInProgressException | org.apache.kafka.common.errors.FencedInstanceIdException refusal) {
            say("refused " + refusal.toString().replace('\n', ' '));
        }
    }

    private void commitAsync(Map<TopicPartition, OffsetAndMetadata> offsets) {
        if (offsets.isEmpty()) return;
        consumer.commitAsync(offsets, (done, error) -> {
            if (error == null) committed(done);
            else say("refused " + error.toString().replace('\n', ' '));
        });
    }

    private void committed(Map<TopicPartition, OffsetAndMetadata> offsets) {
        say("committed" + offsets.entrySet().stream().map(entry -> " " + entry.getKey().partition() + ":" + entry.getValue().offset())
            .collect(Collectors.joining()));
    }

    /** True when it was told to leave. */
    private boolean obey(String[] words) {
        if (words[0].equals("leave")) return true;
        TopicPartition partition = new TopicPartition(topic, Integer.parseInt(words[words[0].equals("commit") ? 2 : 1]));
        switch (words[0]) {
            case "pause" -> {
                consumer.pause(List.of(partition));
                say("paused " + words[1]);
            }
            case "resume" -> {
                consumer.resume(List.of(partition));
                say("resumed " + words[1]);
            }
            case "seek" -> {
                consumer.seek(partition, Long.parseLong(words[2]));
                say("sought " + words[1] + " " + words[2]);
            }
            case "commit" -> {
                Map<TopicPartition, OffsetAndMetadata> offsets = Map.of(partition, new OffsetAndMetadata(Long.parseLong(words[3])));
                if (words[1].equals("sync")) commitSync(offsets);
                else commitAsync(offsets);
            }
            default -> throw new IllegalArgumentException(String.join(" ", words));
        }
        return false;
    }

    /** Lines of standard input. When it ends, whoever started us is gone. */
    private void listen() {
        try (BufferedReader in = new BufferedReader(new InputStreamReader(System.in))) {
            for (String line = in.readLine(); line != null; line = in.readLine()) commands.add(line);
        } catch (IOException gone) {
            // The same.
        }
        Runtime.getRuntime().halt(0);
    }

    private static String shown(Collection<TopicPartition> partitions) {
        return partitions.stream().map(partition -> " " + partition.partition()).collect(Collectors.joining());
    }

    private synchronized void say(String words) {
        try {
            OUT.write((name + " " + words + "\n").getBytes(StandardCharsets.UTF_8));
        } catch (IOException gone) {
            Runtime.getRuntime().halt(1);
        }
    }
}
