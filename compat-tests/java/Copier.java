import java.io.*;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.ConcurrentLinkedQueue;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.serialization.*;

/** A copier on the Java client: consume, transform, produce and commit offsets, all in one transaction. Its words: compat-tests/DESIGN.md. */
public class Copier implements ConsumerRebalanceListener {
    /** One line, one write: other copiers write to the same pipe. */
    private static final FileOutputStream OUT = new FileOutputStream(FileDescriptor.out);

    private final Map<String, String> args;
    private final String name, from, to;
    private final Queue<String> commands = new ConcurrentLinkedQueue<>();
    private KafkaConsumer<byte[], byte[]> consumer;
    private KafkaProducer<byte[], byte[]> producer;
    private int transactions;
    /** In the next transaction, when the copies and the offsets are written. */
    private boolean dies;

    public static void main(String[] words) {
        Map<String, String> args = new HashMap<>();
        for (String word : words) args.put(word.substring(0, word.indexOf('=')), word.substring(word.indexOf('=') + 1));
        Copier copier = new Copier(args);
        try {
            copier.run();
        } catch (Throwable failure) {
            failure.printStackTrace();
            copier.say("failed fatal " + text(failure));
            Runtime.getRuntime().halt(1);
        }
    }

    private Copier(Map<String, String> args) {
        this.args = args;
        name = args.get("name");
        from = args.get("from");
        to = args.get("to");
    }

    private void run() throws Exception {
        Thread ears = new Thread(this::listen);
        ears.setDaemon(true);
        ears.start();
        producer = new KafkaProducer<>(producerSettings(), new ByteArraySerializer(), new ByteArraySerializer());
        consumer = new KafkaConsumer<>(consumerSettings(), new ByteArrayDeserializer(), new ByteArrayDeserializer());
        // Its predecessor's transaction is aborted here; the group must not give away partitions before.
        insist("init", producer::initTransactions);
        consumer.subscribe(List.of(from), this);
        say("ready");
        for (;;) {
            String command = commands.poll();
            if (command != null) {
                if (command.equals("leave")) break;
                if (!command.equals("die")) throw new IllegalArgumentException(command);
                dies = true;
            }
            // What one poll returns is owned when it returns.
            ConsumerRecords<byte[], byte[]> batch = consumer.poll(Duration.ofMillis(10));
            if (!batch.isEmpty()) copy(batch);
        }
        consumer.close();
        producer.close();
        say("left");
    }

    /** One transaction: the copies and the offsets, or neither. */
    private void copy(ConsumerRecords<byte[], byte[]> batch) {
        String transaction = name + "." + ++transactions;
        try {
            attempt(batch, transaction);
            say("committed " + transaction);
            return;
        } catch (ProducerFencedException | InvalidProducerEpochException | FencedInstanceIdException | OutOfOrderSequenceException
                | AuthorizationException | UnsupportedVersionException | TimeoutException fatal) {
            // After a timeout of commitTransaction nobody knows: only the next life with this transactional id finds out.
            throw fatal;
        } catch (KafkaException abortable) {
            say("aborting " + transaction + " " + text(abortable));
        }
        insist("abort", producer::abortTransaction);
        say("aborted " + transaction);
        // What was read is read again, unless a rebalance that is waiting in the next poll gives it to somebody else.
        for (TopicPartition partition : batch.partitions()) {
            if (consumer.assignment().contains(partition)) consumer.seek(partition, batch.records(partition).get(0).offset());
        }
    }

    private void attempt(ConsumerRecords<byte[], byte[]> batch, String transaction) {
        producer.beginTransaction();
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        int index = 0;
        for (ConsumerRecord<byte[], byte[]> record : batch) {
            byte[] line = (record.partition() + " " + record.offset() + " " + transaction + " " + index++ + " " + batch.count() + "\n")
                .getBytes(StandardCharsets.US_ASCII);
            byte[] original = record.value() == null ? new byte[0] : record.value();
            byte[] value = Arrays.copyOf(line, line.length + original.length);
            for (int place = 0; place < original.length; place++) value[value.length - 1 - place] = original[place];
            int target = (int) ((record.partition() + record.offset()) % Long.parseLong(args.get("targets")));
            producer.send(new ProducerRecord<>(to, target, record.key(), value));
            offsets.put(new TopicPartition(from, record.partition()), new OffsetAndMetadata(record.offset() + 1));
        }
        if (args.get("plant").equals("offsets-outside")) consumer.commitSync(offsets);
        else producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
        if (dies) {
            producer.flush();
            say("dying");
            Runtime.getRuntime().halt(9);
        }
        insist("commit", producer::commitTransaction);
    }

    /** What timed out is tried again, three times. */
    private void insist(String what, Runnable call) {
        for (int tries = 1; ; tries++) {
            try {
                call.run();
                return;
            } catch (TimeoutException late) {
                if (tries == 3) throw late;
                say("note " + what + ": " + text(late) + ": again");
            }
        }
    }

    private Properties commonSettings() {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", args.get("bootstrap"));
        settings.put("client.id", name);
        settings.put("reconnect.backoff.ms", "20");
        settings.put("reconnect.backoff.max.ms", "200");
        return settings;
    }

    private Properties producerSettings() {
        Properties settings = commonSettings();
        settings.put("transactional.id", args.get("transactional_id"));
        settings.put("transaction.timeout.ms", args.get("timeout_ms"));
        settings.put("max.block.ms", "20000");
        return settings;
    }

    private Properties consumerSettings() {
        Properties settings = commonSettings();
        settings.put("group.id", args.get("group"));
        settings.put("group.protocol", args.get("protocol"));
        settings.put("isolation.level", "read_committed");
        // Every partition has a committed offset: who finds none has been misled.
        settings.put("auto.offset.reset", "none");
        settings.put("enable.auto.commit", "false");
        settings.put("max.poll.records", args.get("batch_max"));
        if (args.get("protocol").equals("classic")) {
            settings.put("session.timeout.ms", args.get("session_ms"));
            settings.put("heartbeat.interval.ms", "500");
            if (args.get("assignor").equals("cooperative-sticky"))
                settings.put("partition.assignment.strategy", "org.apache.kafka.clients.consumer.CooperativeStickyAssignor");
        }
        return settings;
    }

    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> partitions) {}

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> partitions) {}

    private static String text(Throwable failure) {
        String text = failure.toString();
        for (Throwable cause = failure.getCause(); cause != null; cause = cause.getCause()) text += " <- " + cause;
        return text.replace('\n', ' ');
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

    private synchronized void say(String words) {
        try {
            OUT.write((name + " " + words + "\n").getBytes(StandardCharsets.UTF_8));
        } catch (IOException gone) {
            Runtime.getRuntime().halt(1);
        }
    }
}
