package io.quintet.kafka;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.client.CachedSchemaRegistryClient;
import org.apache.flink.avro.registry.confluent.shaded.io.confluent.kafka.schemaregistry.client.rest.exceptions.RestClientException;
import org.apache.flink.avro.shaded.org.apache.avro.Schema;
import org.apache.flink.avro.shaded.org.apache.avro.generic.GenericDatumReader;
import org.apache.flink.avro.shaded.org.apache.avro.generic.GenericRecord;
import org.apache.flink.avro.shaded.org.apache.avro.io.BinaryDecoder;
import org.apache.flink.avro.shaded.org.apache.avro.io.DecoderFactory;
import org.apache.flink.kafka.shaded.org.apache.kafka.clients.consumer.ConsumerInterceptor;
import org.apache.flink.kafka.shaded.org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.flink.kafka.shaded.org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.flink.kafka.shaded.org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.flink.kafka.shaded.org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.flink.kafka.shaded.org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.flink.kafka.shaded.org.apache.kafka.common.TopicPartition;
import org.apache.flink.kafka.shaded.org.apache.kafka.common.header.Header;
import org.apache.flink.kafka.shaded.org.apache.kafka.common.header.Headers;
import org.apache.flink.kafka.shaded.org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.flink.kafka.shaded.org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Puts records that cannot be read beside their topic, before a job of Flink sees them.
 *
 * <p>Flink's Avro formats have no way around a record: they fail, and the job restarts at it without end. Kafka's client
 * hands every batch to its interceptors first; this one reads each record with the schema it was written with, sends what
 * cannot be read to {@code <topic>.dlq} and hands the others on. A table asks for it by its options:
 *
 * <pre>
 *   'properties.interceptor.classes' = 'io.quintet.kafka.DeadLetters',
 *   'properties.quintet.registry.url' = '{{ registry.url }}'
 * </pre>
 *
 * <p>A record is asked to be the change of a row, as Debezium writes it. Of a topic of plain events, which may have no key,
 * it is only asked to be read: {@code 'properties.quintet.records' = 'events'}.
 *
 * <p>What counts as readable and how a dead letter looks is what {@code quintet.cdc.records} and
 * {@code quintet.streams.deadletters} say; the key of a letter is the place of its record, so that one which is read again
 * after a restart, or by another reader, is kept once.
 *
 * <p>Nothing is lost when this fails: Kafka's client logs what an interceptor throws and hands the batch on as it was, and
 * Flink stops at the record. That is so while the registry or the broker does not answer, and the next attempt comes here.
 */
public final class DeadLetters implements ConsumerInterceptor<byte[], byte[]> {
    /** Option with the address of the schema registry. */
    static final String REGISTRY = "quintet.registry.url";
    /** Option that says what the records are: changes of rows, unless it says events. */
    static final String RECORDS = "quintet.records";

    private static final System.Logger LOG = System.getLogger(DeadLetters.class.getName());
    private static final String CHANGES = "changes";
    private static final String EVENTS = "events";
    private static final int SCHEMAS = 1000;
    private static final int HEAD = 5;
    private static final int UNKNOWN = 404;
    private static final int LARGEST = 8 * 1024 * 1024;
    private static final int DETAIL = 2000;
    private static final long DELIVERY_SECONDS = 60;
    /** What every change has: the row before and after it, and what was done. */
    private static final List<String> FIELDS = List.of("before", "after", "op");
    private static final Set<String> OPERATIONS = Set.of("r", "c", "u", "d");
    /** Options of a consumer that say where the broker is and how one enters: the producer's, too. */
    private static final List<String> DOOR = List.of("bootstrap.servers", "security.", "sasl.", "ssl.");

    private final Map<String, Object> door = new HashMap<>();
    private final Map<Integer, GenericDatumReader<Object>> readers = new HashMap<>();
    private boolean areChanges;
    private CachedSchemaRegistryClient registry;
    private KafkaProducer<byte[], byte[]> producer;

    @Override
    public void configure(Map<String, ?> options) {
        Object url = options.get(REGISTRY);
        if (url == null) {
            throw new IllegalArgumentException("the option properties." + REGISTRY + " does not name the schema registry");
        }
        Object records = options.get(RECORDS);
        if (records != null && !records.equals(CHANGES) && !records.equals(EVENTS)) {
            throw new IllegalArgumentException(
                    "the option properties." + RECORDS + " is " + records + ": write " + CHANGES + " or " + EVENTS);
        }
        areChanges = !EVENTS.equals(records);
        registry = new CachedSchemaRegistryClient(url.toString(), SCHEMAS);
        options.forEach((name, value) -> {
            if (value != null && DOOR.stream().anyMatch(name::startsWith)) {
                door.put(name, value);
            }
        });
        door.put("client.id", options.get("client.id") + "-dead-letters");
        door.put("max.request.size", LARGEST);
        door.put("delivery.timeout.ms", (int) TimeUnit.SECONDS.toMillis(DELIVERY_SECONDS));
        door.put("request.timeout.ms", (int) TimeUnit.SECONDS.toMillis(DELIVERY_SECONDS / 2));
    }

    @Override
    public ConsumerRecords<byte[], byte[]> onConsume(ConsumerRecords<byte[], byte[]> records) {
        Map<TopicPartition, List<ConsumerRecord<byte[], byte[]>>> readable = new HashMap<>();
        List<Future<?>> letters = new ArrayList<>();
        for (TopicPartition part : records.partitions()) {
            List<ConsumerRecord<byte[], byte[]>> kept = new ArrayList<>();
            for (ConsumerRecord<byte[], byte[]> record : records.records(part)) {
                try {
                    require(record);
                    kept.add(record);
                } catch (Unreadable why) {
                    letters.add(send(record, why));
                }
            }
            if (!kept.isEmpty()) {
                readable.put(part, kept);
            }
        }
        if (letters.isEmpty()) {
            return records;
        }
        // Before the others go on: what a checkpoint has passed must be kept.
        letters.forEach(DeadLetters::await);
        return new ConsumerRecords<>(readable);
    }

    @Override
    public void onCommit(Map<TopicPartition, OffsetAndMetadata> offsets) {
        // Places are Flink's to keep.
    }

    @Override
    public void close() {
        if (producer != null) {
            producer.close();
        }
    }

    /** Whether key and value can be read and tell a change of a row; a record without value is a tombstone. */
    private void require(ConsumerRecord<byte[], byte[]> record) throws Unreadable {
        if (record.value() == null) {
            return;
        }
        if (!areChanges) {
            read(record.value());
            return;
        }
        if (record.key() == null) {
            throw new Unreadable("null-key", "the record has no key, so that no row can be named");
        }
        GenericRecord change = read(record.value());
        read(record.key());
        Schema schema = change.getSchema();
        boolean isChange = FIELDS.stream().allMatch(name -> schema.getField(name) != null);
        String operation = isChange ? String.valueOf(change.get("op")) : "none";
        if (!OPERATIONS.contains(operation)) {
            throw new Unreadable("no-change", "the value is no change of a row: operation " + operation);
        }
        if ((change.get("after") == null) != operation.equals("d")) {
            String has = change.get("after") == null ? "without" : "with";
            throw new Unreadable("no-change", "a change " + operation + " " + has + " a row");
        }
    }

    private GenericRecord read(byte[] data) throws Unreadable {
        if (data.length < HEAD || data[0] != 0) {
            throw new Unreadable("malformed", "it does not begin with a zero byte and the id of a schema");
        }
        int number = ByteBuffer.wrap(data, 1, HEAD - 1).getInt();
        GenericDatumReader<Object> reader = reader(number);
        try {
            // Skipped first: a damaged length would have memory taken for as many bytes, skipping only finds the end.
            BinaryDecoder decoder = DecoderFactory.get().binaryDecoder(data, HEAD, data.length - HEAD, null);
            GenericDatumReader.skip(reader.getSchema(), decoder);
            if (decoder.isEnd()) {
                decoder = DecoderFactory.get().binaryDecoder(data, HEAD, data.length - HEAD, decoder);
                if (reader.read(null, decoder) instanceof GenericRecord found) {
                    return found;
                }
            }
        } catch (IOException | RuntimeException error) { // Avro throws what the bytes lead it to
            throw new Unreadable("malformed", "it cannot be read with schema " + number + ": " + error);
        }
        throw new Unreadable("malformed", "it is longer than a record of schema " + number + ", or none");
    }

    private GenericDatumReader<Object> reader(int number) throws Unreadable {
        GenericDatumReader<Object> known = readers.get(number);
        if (known != null) {
            return known;
        }
        try {
            Schema schema = (Schema) registry.getSchemaById(number).rawSchema();
            GenericDatumReader<Object> made = new GenericDatumReader<>(schema);
            readers.put(number, made);
            return made;
        } catch (RestClientException error) {
            if (error.getStatus() == UNKNOWN) {
                throw new Unreadable("unknown-schema", "the registry has no schema " + number);
            }
            throw new IllegalStateException("the schema registry cannot tell schema " + number, error);
        } catch (IOException error) {
            throw new IllegalStateException("the schema registry does not answer", error);
        }
    }

    private Future<?> send(ConsumerRecord<byte[], byte[]> record, Unreadable why) {
        String place = record.topic() + "/" + record.partition() + "/" + record.offset();
        LOG.log(System.Logger.Level.WARNING, "{0} is put aside ({1}): {2}", place, why.reason, why.getMessage());
        Headers headers = new RecordHeaders();
        for (Header given : record.headers()) {
            headers.add("quintet.header." + given.key(), given.value() == null ? new byte[0] : given.value());
        }
        String detail = why.getMessage();
        headers.add("quintet.reason", bytes(why.reason));
        headers.add("quintet.detail", bytes(detail.substring(0, Math.min(detail.length(), DETAIL))));
        headers.add("quintet.found_at", bytes(Instant.now().truncatedTo(ChronoUnit.MICROS).toString()));
        headers.add("quintet.absent", bytes(record.key() == null ? "k" : ""));
        headers.add("quintet.key", record.key() == null ? new byte[0] : record.key());
        if (producer == null) {
            producer = new KafkaProducer<>(door, new ByteArraySerializer(), new ByteArraySerializer());
        }
        return producer.send(new ProducerRecord<>(record.topic() + ".dlq", null, bytes(place), record.value(), headers));
    }

    private static void await(Future<?> letter) {
        try {
            letter.get(2 * DELIVERY_SECONDS, TimeUnit.SECONDS);
        } catch (ExecutionException | TimeoutException error) {
            throw new IllegalStateException("a record that cannot be read could not be put aside", error);
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while a record was put aside", error);
        }
    }

    private static byte[] bytes(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /** Why a record cannot be read: one word for the reason, and a sentence about it. */
    private static final class Unreadable extends Exception {
        private static final long serialVersionUID = 1L;
        private final String reason;

        Unreadable(String reason, String detail) {
            super(detail, null, false, false);
            this.reason = reason;
        }
    }
}
