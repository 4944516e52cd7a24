import com.sun.management.OperatingSystemMXBean;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.WindowedSerdes;

/**
 * The windowed count of Kafka Streams with RocksDB: for each line `application input output records` it counts the input from its beginning
 * under that name, and answers with `milliseconds cpuMilliseconds`, from the first record to the end of the close.
 *
 * Arguments: broker, folder for states, window in milliseconds, commit interval in milliseconds.
 */
public class WindowedCount {
    public static void main(String[] arguments) throws Exception {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String[] round = line.split(" ");
            System.out.println(run(arguments, round[0], round[1], round[2], Long.parseLong(round[3])));
        }
    }

    private static String run(String[] arguments, String application, String input, String output, long records)
            throws Exception {
        long windowMs = Long.parseLong(arguments[2]);
        AtomicLong firstNanos = new AtomicLong();
        AtomicLong firstCpuNanos = new AtomicLong();
        AtomicLong seen = new AtomicLong();
        CountDownLatch done = new CountDownLatch(1);
        StreamsBuilder builder = new StreamsBuilder();
        builder.stream(input, Consumed.with(Serdes.String(), Serdes.String()))
            .peek((key, value) -> {
                if (firstNanos.compareAndSet(0, System.nanoTime())) firstCpuNanos.set(cpuNanos());
            })
            .groupByKey()
            .windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofMillis(windowMs), Duration.ofMillis(windowMs)))
            .count(Materialized.as("counts"))
            .toStream()
            .peek((key, count) -> {
                if (seen.incrementAndGet() == records) done.countDown();
            })
            .to(output, Produced.with(WindowedSerdes.timeWindowedSerdeFrom(String.class, windowMs), Serdes.Long()));

        KafkaStreams streams = new KafkaStreams(builder.build(), settings(arguments, application));
        streams.start();
        done.await();
        streams.close();
        long cpuMs = (cpuNanos() - firstCpuNanos.get()) / 1_000_000;
        return (System.nanoTime() - firstNanos.get()) / 1_000_000 + " " + cpuMs;
    }

    private static Properties settings(String[] arguments, String application) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0]);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, arguments[1]);
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, arguments[3]);
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, application);
        // As here: every record sends the new count on.
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
        settings.put("auto.offset.reset", "earliest");
        return settings;
    }

    private static long cpuNanos() {
        return ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class).getProcessCpuTime();
    }
}
