import java.util.*;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.acl.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.quota.*;
import org.apache.kafka.common.resource.*;
import org.apache.kafka.common.serialization.*;

/**
 * Every call of the Java admin client that Redpanda Console, Kafbat UI, AKHQ, kminion and their like make of a broker, and what it answers.
 * Arguments: bootstrap servers. One line per call; what a hash map orders is sorted.
 */
public class Consoles {
    private final Admin admin;
    private final String servers;

    public static void main(String[] args) throws Exception {
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", args[0], "default.api.timeout.ms", 20000, "request.timeout.ms", 10000))) {
            new Consoles(admin, args[0]).all();
        }
    }

    private Consoles(Admin admin, String servers) {
        this.admin = admin;
        this.servers = servers;
    }

    private void all() throws Exception {
        topics();
        records();
        configs();
        groups();
        replicas();
        security();
        transactions();
        cluster();
        end();
    }

    private void topics() {
        say("create", () -> admin.createTopics(List.of(new NewTopic("c", 2, (short) 1).configs(Map.of("retention.ms", "3600000")))).all().get());
        say("create, only checked", () -> admin.createTopics(List.of(new NewTopic("d", 3, (short) 1)), new CreateTopicsOptions().validateOnly(true)).numPartitions("d").get());
        say("create again", () -> admin.createTopics(List.of(new NewTopic("c", 2, (short) 1))).all().get());
        say("list", () -> admin.listTopics(new ListTopicsOptions().listInternal(true)).names().get());
        say("partitions", () -> admin.createPartitions(Map.of("c", NewPartitions.increaseTo(3))).all().get());
        say("fewer partitions", () -> admin.createPartitions(Map.of("c", NewPartitions.increaseTo(1))).all().get());
        say("partitions of nothing", () -> admin.createPartitions(Map.of("no", NewPartitions.increaseTo(1))).all().get());
        say("describe", () -> {
            // A broker may learn of the new partition a little later than its controller answers.
            TopicDescription topic = described();
            for (int tries = 0; topic.partitions().size() < 3 && tries < 100; tries++) topic = described();
            return topic.partitions() + " " + show(topic.authorizedOperations());
        });
        say("describe nothing", () -> admin.describeTopics(List.of("no")).allTopicNames().get());
    }

    private TopicDescription described() throws Exception {
        return admin.describeTopics(List.of("c"), new DescribeTopicsOptions().includeAuthorizedOperations(true)).allTopicNames().get().get("c");
    }

    private void records() {
        say("produce", () -> {
            try (Producer<String, String> producer = new KafkaProducer<>(Map.of("bootstrap.servers", servers, "acks", "all"), new StringSerializer(), new StringSerializer())) {
                for (int number = 0; number < 30; number++) producer.send(new ProducerRecord<>("c", number % 3, 1000L * number, "k" + number, "v" + number)).get();
            }
            return null;
        });
        for (OffsetSpec spec : List.of(OffsetSpec.earliest(), OffsetSpec.latest(), OffsetSpec.maxTimestamp(), OffsetSpec.forTimestamp(15000)))
            say("offsets " + spec.getClass().getSimpleName(), () -> admin.listOffsets(Map.of(at(0), spec, at(1), spec)).all().get());
        say("delete records", () -> admin.deleteRecords(Map.of(at(0), RecordsToDelete.beforeOffset(4))).lowWatermarks().get(at(0)).get().lowWatermark());
        say("delete all records", () -> admin.deleteRecords(Map.of(at(1), RecordsToDelete.beforeOffset(-1))).lowWatermarks().get(at(1)).get().lowWatermark());
        say("delete too many", () -> admin.deleteRecords(Map.of(at(0), RecordsToDelete.beforeOffset(400))).all().get());
        say("earliest after it", () -> admin.listOffsets(Map.of(at(0), OffsetSpec.earliest(), at(1), OffsetSpec.earliest())).all().get());
        say("producers", () -> admin.describeProducers(List.of(at(0))).all().get().get(at(0)).activeProducers().size());
    }

    private void configs() {
        ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, "c");
        ConfigResource broker = new ConfigResource(ConfigResource.Type.BROKER, "1");
        say("topic configs", () -> set(topic, "retention.ms=3600000"));
        say("set", () -> admin.incrementalAlterConfigs(Map.of(topic, List.of(op("cleanup.policy", "compact", AlterConfigOp.OpType.SET)))).all().get());
        say("append", () -> admin.incrementalAlterConfigs(Map.of(topic, List.of(op("cleanup.policy", "delete", AlterConfigOp.OpType.APPEND)))).all().get());
        say("topic configs", () -> set(topic, "cleanup.policy=compact,delete"));
        say("subtract", () -> admin.incrementalAlterConfigs(Map.of(topic, List.of(op("cleanup.policy", "compact", AlterConfigOp.OpType.SUBTRACT)))).all().get());
        say("delete", () -> admin.incrementalAlterConfigs(Map.of(topic, List.of(op("retention.ms", "", AlterConfigOp.OpType.DELETE)))).all().get());
        say("only checked", () -> admin.incrementalAlterConfigs(Map.of(topic, List.of(op("retention.ms", "1", AlterConfigOp.OpType.SET))), new AlterConfigsOptions().validateOnly(true)).all().get());
        say("a bad value", () -> admin.incrementalAlterConfigs(Map.of(topic, List.of(op("retention.ms", "soon", AlterConfigOp.OpType.SET)))).all().get());
        say("an unknown key", () -> admin.incrementalAlterConfigs(Map.of(topic, List.of(op("no.such.key", "1", AlterConfigOp.OpType.SET)))).all().get());
        say("append to what is no list", () -> admin.incrementalAlterConfigs(Map.of(topic, List.of(op("retention.ms", "1", AlterConfigOp.OpType.APPEND)))).all().get());
        say("topic configs", () -> set(topic, "[cleanup.policy=delete"));
        say("broker key", () -> admin.incrementalAlterConfigs(Map.of(broker, List.of(op("log.cleaner.threads", "2", AlterConfigOp.OpType.SET)))).all().get());
        say("broker keys", () -> set(broker, "[log.cleaner.threads=2 "));
        say("a static broker key", () -> admin.incrementalAlterConfigs(Map.of(broker, List.of(op("node.id", "2", AlterConfigOp.OpType.SET)))).all().get());
        say("all keys of a topic", () -> admin.describeConfigs(List.of(topic)).all().get().get(topic).entries().stream().map(ConfigEntry::name).collect(Collectors.toSet()));
        say("resources", () -> admin.listConfigResources().all().get().stream().map(Object::toString).filter(text -> !text.contains("__")).collect(Collectors.toSet()));
    }

    private void groups() {
        say("consume", () -> {
            try (Consumer<String, String> consumer = consumer("g")) {
                consumer.assign(List.of(at(2)));
                int seen = consumer.poll(java.time.Duration.ofSeconds(10)).count();
                consumer.commitSync(Map.of(at(2), new OffsetAndMetadata(7, "note"), at(0), new OffsetAndMetadata(4)));
                return seen;
            }
        });
        say("groups", () -> admin.listGroups().all().get().stream().map(GroupListing::groupId).collect(Collectors.toSet()));
        say("describe group", () -> admin.describeConsumerGroups(List.of("g")).all().get());
        say("describe no group", () -> admin.describeConsumerGroups(List.of("no")).all().get());
        say("group offsets", () -> admin.listConsumerGroupOffsets("g").partitionsToOffsetAndMetadata().get());
        say("alter group offsets", () -> admin.alterConsumerGroupOffsets("g", Map.of(at(2), new OffsetAndMetadata(2))).all().get());
        say("delete group offsets", () -> admin.deleteConsumerGroupOffsets("g", Set.of(at(0))).all().get());
        say("group offsets", () -> admin.listConsumerGroupOffsets("g").partitionsToOffsetAndMetadata().get());
        say("delete group", () -> admin.deleteConsumerGroups(List.of("g")).all().get());
        say("delete no group", () -> admin.deleteConsumerGroups(List.of("no")).all().get());
    }

    private void replicas() {
        say("log dirs", () -> admin.describeLogDirs(List.of(1)).allDescriptions().get().get(1).values().stream().map(dir -> dir.error() + " space told: " + (dir.totalBytes().orElse(-1) > 0 && dir.usableBytes().orElse(-1) > 0) + " " + show(dir.replicaInfos().entrySet().stream().filter(entry -> entry.getKey().topic().equals("c")).collect(Collectors.toMap(Map.Entry::getKey, Map.Entry::getValue)))).collect(Collectors.toList()));
        say("log dirs of no broker", () -> admin.describeLogDirs(List.of(9), new DescribeLogDirsOptions().timeoutMs(2000)).allDescriptions().get());
        TopicPartitionReplica replica = new TopicPartitionReplica("c", 0, 1);
        say("replica log dirs", () -> admin.describeReplicaLogDirs(List.of(replica)).all().get().get(replica).getCurrentReplicaOffsetLag());
        say("reassignments", () -> admin.listPartitionReassignments().reassignments().get());
        say("reassign to itself", () -> admin.alterPartitionReassignments(Map.of(at(0), Optional.of(new NewPartitionReassignment(List.of(1))))).all().get());
        say("reassign to nobody", () -> admin.alterPartitionReassignments(Map.of(at(0), Optional.of(new NewPartitionReassignment(List.of(9))))).all().get());
        say("cancel no reassignment", () -> admin.alterPartitionReassignments(Map.of(at(0), Optional.empty())).all().get());
        say("elect", () -> admin.electLeaders(ElectionType.PREFERRED, Set.of(at(0))).partitions().get());
        say("elect all", () -> admin.electLeaders(ElectionType.PREFERRED, null).partitions().get());
    }

    private void security() {
        say("acls", () -> admin.describeAcls(AclBindingFilter.ANY).values().get());
        AclBinding binding = new AclBinding(new ResourcePattern(ResourceType.TOPIC, "c", PatternType.LITERAL), new AccessControlEntry("User:a", "*", AclOperation.READ, AclPermissionType.ALLOW));
        say("create acl", () -> admin.createAcls(List.of(binding)).all().get());
        say("delete acl", () -> admin.deleteAcls(List.of(binding.toFilter())).all().get());
        say("scram users", () -> admin.describeUserScramCredentials().all().get());
        say("a scram user", () -> admin.alterUserScramCredentials(List.of(new UserScramCredentialUpsertion("ann", new ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, 8192), "secret"))).all().get());
        say("scram users", () -> {
            Map<String, UserScramCredentialsDescription> found = Map.of();
            for (int tries = 0; found.isEmpty() && tries < 100; tries++) found = admin.describeUserScramCredentials().all().get();
            return found;
        });
        say("no scram user", () -> admin.describeUserScramCredentials(List.of("bob")).all().get());
        say("delete scram user", () -> admin.alterUserScramCredentials(List.of(new UserScramCredentialDeletion("ann", ScramMechanism.SCRAM_SHA_256))).all().get());
        say("delete no scram user", () -> admin.alterUserScramCredentials(List.of(new UserScramCredentialDeletion("ann", ScramMechanism.SCRAM_SHA_256))).all().get());
        ClientQuotaEntity entity = new ClientQuotaEntity(Map.of("client-id", "app"));
        say("a quota", () -> admin.alterClientQuotas(List.of(new ClientQuotaAlteration(entity, List.of(new ClientQuotaAlteration.Op("producer_byte_rate", 1e6))))).all().get());
        say("quotas", () -> {
            Map<ClientQuotaEntity, Map<String, Double>> found = Map.of();
            for (int tries = 0; found.isEmpty() && tries < 100; tries++) found = admin.describeClientQuotas(ClientQuotaFilter.all()).entities().get();
            return found;
        });
        say("quotas of one", () -> admin.describeClientQuotas(ClientQuotaFilter.contains(List.of(ClientQuotaFilterComponent.ofEntity("client-id", "app")))).entities().get());
        say("quotas of default", () -> admin.describeClientQuotas(ClientQuotaFilter.containsOnly(List.of(ClientQuotaFilterComponent.ofDefaultEntity("client-id")))).entities().get());
        say("an unknown quota", () -> admin.alterClientQuotas(List.of(new ClientQuotaAlteration(entity, List.of(new ClientQuotaAlteration.Op("no_rate", 1.0))))).all().get());
        say("delete quota", () -> admin.alterClientQuotas(List.of(new ClientQuotaAlteration(entity, List.of(new ClientQuotaAlteration.Op("producer_byte_rate", null))))).all().get());
        say("delegation tokens", () -> admin.describeDelegationToken().delegationTokens().get());
    }

    private void transactions() {
        say("transactions", () -> admin.listTransactions().all().get());
        say("no transaction", () -> admin.describeTransactions(List.of("no")).all().get());
        say("fence", () -> admin.fenceProducers(List.of("fenced")).all().get());
        say("transaction", () -> admin.describeTransactions(List.of("fenced")).all().get().get("fenced").state());
    }

    private void cluster() {
        say("cluster", () -> {
            DescribeClusterResult cluster = admin.describeCluster(new DescribeClusterOptions().includeAuthorizedOperations(true));
            return cluster.nodes().get().size() + " " + cluster.controller().get().id() + " " + show(cluster.authorizedOperations().get());
        });
        say("quorum", () -> {
            QuorumInfo quorum = admin.describeMetadataQuorum().quorumInfo().get();
            return quorum.leaderId() + " " + quorum.voters().stream().map(QuorumInfo.ReplicaState::replicaId).toList() + " " + quorum.observers().size() + " " + (quorum.highWatermark() > 0) + " " + quorum.nodes().keySet();
        });
        say("features", () -> admin.describeFeatures().featureMetadata().get().finalizedFeatures().keySet().stream().filter(name -> !name.startsWith("share") && !name.startsWith("streams")).collect(Collectors.toSet()));
        say("unregister nobody", () -> admin.unregisterBroker(99).all().get());
        say("metrics subscriptions", () -> admin.listConfigResources(Set.of(ConfigResource.Type.CLIENT_METRICS), new ListConfigResourcesOptions()).all().get());
    }

    private void end() {
        say("delete topic", () -> admin.deleteTopics(List.of("c")).all().get());
        say("delete no topic", () -> admin.deleteTopics(List.of("no")).all().get());
        say("list", () -> admin.listTopics().names().get());
    }

    /** What was set, once it says `text`: a broker may learn of it a little later than its controller answers. */
    private Object set(ConfigResource resource, String text) throws Exception {
        List<String> found = List.of();
        for (int tries = 0; !found.toString().contains(text) && tries < 100; tries++) found = set(resource);
        return found;
    }

    private List<String> set(ConfigResource resource) throws Exception {
        return admin.describeConfigs(List.of(resource), new DescribeConfigsOptions().includeSynonyms(true)).all().get().get(resource).entries().stream()
            .filter(entry -> entry.source() == ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG || entry.source() == ConfigEntry.ConfigSource.DYNAMIC_BROKER_CONFIG)
            .map(entry -> entry.name() + "=" + entry.value() + " " + entry.source() + " " + entry.synonyms().stream().map(synonym -> synonym.name() + "=" + synonym.value() + ":" + synonym.source()).toList())
            .sorted().toList();
    }

    private static AlterConfigOp op(String key, String value, AlterConfigOp.OpType type) {
        return new AlterConfigOp(new ConfigEntry(key, value), type);
    }

    private static TopicPartition at(int partition) {
        return new TopicPartition("c", partition);
    }

    private Consumer<String, String> consumer(String group) {
        return new KafkaConsumer<>(Map.of("bootstrap.servers", servers, "group.id", group, "auto.offset.reset", "earliest", "enable.auto.commit", false), new StringDeserializer(), new StringDeserializer());
    }

    private static void say(String what, Callable<?> call) {
        String answer;
        try {
            answer = show(call.call());
        } catch (ExecutionException failure) {
            answer = "! " + failure.getCause();
        } catch (Exception failure) {
            answer = "! " + failure;
        }
        System.out.println("$ " + what + ": " + answer);
    }

    /** As text, with the elements of sets and the keys of maps in order. */
    private static String show(Object value) {
        if (value instanceof Map<?, ?> map) return map.entrySet().stream().map(entry -> show(entry.getKey()) + "=" + show(entry.getValue())).sorted().collect(Collectors.joining(", ", "{", "}"));
        if (value instanceof Collection<?> all) return all.stream().map(Consoles::show).sorted().collect(Collectors.joining(", ", "[", "]"));
        return String.valueOf(value).replaceAll("@[0-9a-f]{5,8}", "");
    }
}
