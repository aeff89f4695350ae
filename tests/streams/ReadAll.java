package io.quintet.kafka;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.flink.kafka.shaded.org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.flink.kafka.shaded.org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.flink.kafka.shaded.org.apache.kafka.common.TopicPartition;
import org.apache.flink.kafka.shaded.org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Prints the places that a reader with the interceptor is handed: ReadAll servers registry topic changes|events. */
public final class ReadAll {
    public static void main(String[] given) {
        Map<String, Object> options = Map.of(
                "bootstrap.servers", given[0],
                "security.protocol", "PLAINTEXT",
                "client.id", "read-all",
                "isolation.level", "read_committed",
                "interceptor.classes", DeadLetters.class.getName(),
                DeadLetters.REGISTRY, given[1],
                DeadLetters.RECORDS, given[3]);
        ByteArrayDeserializer bytes = new ByteArrayDeserializer();
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(options, bytes, bytes)) {
            List<TopicPartition> parts = consumer.partitionsFor(given[2]).stream()
                    .map(part -> new TopicPartition(given[2], part.partition()))
                    .collect(Collectors.toList());
            consumer.assign(parts);
            consumer.seekToBeginning(parts);
            Map<TopicPartition, Long> ends = consumer.endOffsets(parts);
            while (ends.entrySet().stream().anyMatch(end -> consumer.position(end.getKey()) < end.getValue())) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(1))) {
                    System.out.println(record.topic() + "/" + record.partition() + "/" + record.offset());
                }
            }
        }
    }

    private ReadAll() {}
}
