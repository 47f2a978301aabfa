import java.io.File;
import java.util.*;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.server.util.KafkaScheduler;
import org.apache.kafka.storage.internals.log.*;
import org.apache.kafka.storage.internals.utils.Throttler;
import org.apache.kafka.storage.log.metrics.BrokerTopicStats;

/**
 * Lets Apache Kafka's own cleaner clean one log on the spot, without a broker. Arguments: the log's directory, then `topic.key=value` for the
 * topic, `dedupe=BYTES`, `io=BYTES`, and `at=MILLIS` for each pass at that time. The active segment is not touched. One line for each
 * pass, then the process's CPU time in ms and the peak of its memory in KiB.
 */
public class Compact {
    public static void main(String[] args) throws Exception {
        Map<String, Object> topic = new HashMap<>(Map.of("cleanup.policy", "compact"));
        List<Long> passes = new ArrayList<>();
        int dedupe = 32 << 20, io = 512 << 10;
        for (String arg : args) {
            int is = arg.indexOf('=');
            String key = is < 0 ? "" : arg.substring(0, is), value = arg.substring(is + 1);
            if (key.startsWith("topic.")) topic.put(key.substring(6), value);
            else if (key.equals("dedupe")) dedupe = Integer.parseInt(value);
            else if (key.equals("io")) io = Integer.parseInt(value);
            else if (key.equals("at")) passes.add(Long.parseLong(value));
        }
        Time time = fixedAt(passes.get(0));
        KafkaScheduler scheduler = new KafkaScheduler(1);
        scheduler.startup();
        UnifiedLog log = UnifiedLog.create(new File(args[0]), new LogConfig(topic), 0L, 0L, scheduler, new BrokerTopicStats(), time, 900_000,
            new ProducerStateManagerConfig(Integer.MAX_VALUE, false), 600_000, new LogDirFailureChannel(1), true, Optional.empty());
        log.updateHighWatermark(log.logEndOffset());
        Cleaner cleaner = new Cleaner(0, new SkimpyOffsetMap(dedupe), io / 2, 1 << 24, 0.9,
            new Throttler(Double.MAX_VALUE, 1000, "compact", "bytes", Time.SYSTEM), Time.SYSTEM, partition -> { });
        for (long now : passes) {
            long dirty = 0, seconds = System.nanoTime(), read = 0, written = 0, mapped = 0;
            long end = Math.min(log.activeSegment().baseOffset(), log.lastStableOffset());
            while (true) {
                LogToClean found = new LogToClean(log, dirty, Math.max(dirty, end), false);
                if (found.cleanableBytes() == 0) break;
                Map.Entry<Long, CleanerStats> done = cleaner.doClean(found, now);
                if (done.getKey() <= dirty) throw new IllegalStateException("no progress at " + dirty);
                dirty = done.getKey();
                read += done.getValue().bytesRead();
                mapped++;
                written = done.getValue().bytesWritten();
            }
            System.out.printf("clean to %d passes %d read %d written %d nanos %d%n", dirty, mapped, read, written, System.nanoTime() - seconds);
        }
        log.close();
        scheduler.shutdown();
        System.out.println("cpu " + ProcessHandle.current().info().totalCpuDuration().orElseThrow().toMillis());
        for (String line : java.nio.file.Files.readAllLines(java.nio.file.Path.of("/proc/self/status")))
            if (line.startsWith("VmHWM")) System.out.println("peak " + line.replaceAll("[^0-9]", ""));
    }

    /** The system's clock but for the date, by which producers expire. */
    private static Time fixedAt(long now) {
        return (Time) java.lang.reflect.Proxy.newProxyInstance(Compact.class.getClassLoader(), new Class<?>[] {Time.class},
            (proxy, method, args) -> method.getName().equals("milliseconds") ? now : method.invoke(Time.SYSTEM, args));
    }
}
