// Writes metadata_records.hex: one line per record, "<label> <hex>", encoded by Apache Kafka's own classes.
// How to run it is in README.md.

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.message.KRaftVersionRecord;
import org.apache.kafka.common.message.LeaderChangeMessage;
import org.apache.kafka.common.message.SnapshotFooterRecord;
import org.apache.kafka.common.message.SnapshotHeaderRecord;
import org.apache.kafka.common.message.VotersRecord;
import org.apache.kafka.common.metadata.*;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.protocol.ObjectSerializationCache;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.metadata.MetadataRecordSerde;
import org.apache.kafka.server.common.ApiMessageAndVersion;

public class GoldenRecords {
    static final Uuid A = new Uuid(0x0102030405060708L, 0x090a0b0c0d0e0f10L);
    static final Uuid B = new Uuid(0x1112131415161718L, 0x191a1b1c1d1e1f20L);
    static final Uuid C = new Uuid(0xf1f2f3f4f5f6f7f8L, 0xf9fafbfcfdfeff00L);

    static void hex(String label, ByteBuffer bytes) {
        StringBuilder line = new StringBuilder(label).append(' ');
        while (bytes.hasRemaining()) line.append(String.format("%02x", bytes.get()));
        System.out.println(line);
    }

    static void record(String label, ApiMessage message, int version) {
        MetadataRecordSerde serde = new MetadataRecordSerde();
        ApiMessageAndVersion record = new ApiMessageAndVersion(message, (short) version);
        ObjectSerializationCache cache = new ObjectSerializationCache();
        ByteBuffer bytes = ByteBuffer.allocate(serde.recordSize(record, cache));
        serde.write(record, cache, new ByteBufferAccessor(bytes));
        bytes.flip();
        hex(label + "-v" + version, bytes);
    }

    static void control(String label, Message message, int version) {
        hex(label + "-v" + version, MessageUtil.toByteBufferAccessor(message, (short) version).buffer());
    }

    static RegisterBrokerRecord.BrokerEndpointCollection endpoints() {
        RegisterBrokerRecord.BrokerEndpointCollection all = new RegisterBrokerRecord.BrokerEndpointCollection();
        all.add(new RegisterBrokerRecord.BrokerEndpoint().setName("PLAINTEXT").setHost("localhost").setPort(9092).setSecurityProtocol((short) 0));
        all.add(new RegisterBrokerRecord.BrokerEndpoint().setName("SECURE").setHost("broker.example").setPort(65535).setSecurityProtocol((short) 3));
        return all;
    }

    static RegisterBrokerRecord.BrokerFeatureCollection features() {
        RegisterBrokerRecord.BrokerFeatureCollection all = new RegisterBrokerRecord.BrokerFeatureCollection();
        all.add(new RegisterBrokerRecord.BrokerFeature().setName("metadata.version").setMinSupportedVersion((short) 22).setMaxSupportedVersion((short) 27));
        return all;
    }

    static RegisterBrokerRecord broker() {
        return new RegisterBrokerRecord().setBrokerId(1).setIncarnationId(A).setBrokerEpoch(11).setEndPoints(endpoints())
            .setFeatures(features()).setRack("rack-1").setFenced(true);
    }

    static PartitionRecord partition() {
        return new PartitionRecord().setPartitionId(7).setTopicId(A).setReplicas(List.of(1, 2, 3)).setIsr(List.of(1, 2))
            .setRemovingReplicas(List.of(3)).setAddingReplicas(List.of(4)).setLeader(1).setLeaderEpoch(5).setPartitionEpoch(9);
    }

    static PartitionChangeRecord change() {
        return new PartitionChangeRecord().setPartitionId(7).setTopicId(A);
    }

    public static void main(String[] arguments) {
        record("register-broker", broker(), 0);
        record("register-broker", broker().setInControlledShutdown(true), 1);
        record("register-broker", broker().setInControlledShutdown(true).setIsMigratingZkBroker(true), 2);
        record("register-broker", broker().setRack(null).setFenced(false).setLogDirs(List.of(A, B)), 3);
        record("register-broker-no-dirs", broker(), 3);
        record("register-broker", broker().setLogDirs(List.of(A)).setCordonedLogDirs(List.of(A)), 4);
        record("register-broker-nothing-cordoned", broker().setLogDirs(List.of(A)).setCordonedLogDirs(List.of()), 4);
        record("unregister-broker", new UnregisterBrokerRecord().setBrokerId(1).setBrokerEpoch(11), 0);
        record("topic", new TopicRecord().setName("orders.v1_a-b").setTopicId(A), 0);
        record("partition", partition(), 0);
        record("partition", partition().setLeaderRecoveryState((byte) 1).setDirectories(List.of(A, B, C)), 1);
        record("partition", partition().setDirectories(List.of(A, B, C)), 2);
        record("partition-elr", partition().setLeader(-1).setLeaderRecoveryState((byte) 1).setDirectories(List.of(A, B, C))
            .setEligibleLeaderReplicas(List.of(2)).setLastKnownElr(List.of(1)), 2);
        record("config", new ConfigRecord().setResourceType((byte) 2).setResourceName("orders").setName("retention.ms").setValue("1000"), 0);
        record("config-removed", new ConfigRecord().setResourceType((byte) 4).setResourceName("").setName("min.insync.replicas").setValue(null), 0);
        record("partition-change-nothing", change(), 0);
        record("partition-change", change().setIsr(List.of(1)).setLeader(1), 0);
        record("partition-change", change().setLeader(-1).setDirectories(List.of(A)), 1);
        record("partition-change", change().setIsr(List.of()).setLeader(2).setReplicas(List.of(2, 1)).setRemovingReplicas(List.of(1))
            .setAddingReplicas(List.of(2)).setLeaderRecoveryState((byte) 0).setEligibleLeaderReplicas(List.of(1)).setLastKnownElr(List.of())
            .setDirectories(List.of(A, B)), 2);
        record("fence-broker", new FenceBrokerRecord().setId(1).setEpoch(11), 0);
        record("unfence-broker", new UnfenceBrokerRecord().setId(1).setEpoch(11), 0);
        record("remove-topic", new RemoveTopicRecord().setTopicId(A), 0);
        record("delegation-token", new DelegationTokenRecord().setOwner("User:a").setRequester("User:b").setRenewers(List.of("User:c", "User:d"))
            .setIssueTimestamp(1).setMaxTimestamp(2).setExpirationTimestamp(3).setTokenId("token"), 0);
        record("user-scram-credential", new UserScramCredentialRecord().setName("alice").setMechanism((byte) 1).setSalt(new byte[]{1, 2})
            .setStoredKey(new byte[]{3}).setServerKey(new byte[]{}).setIterations(4096), 0);
        record("feature-level", new FeatureLevelRecord().setName("metadata.version").setFeatureLevel((short) 27), 0);
        record("client-quota", new ClientQuotaRecord().setEntity(List.of(
            new ClientQuotaRecord.EntityData().setEntityType("user").setEntityName("alice"),
            new ClientQuotaRecord.EntityData().setEntityType("client-id").setEntityName(null)))
            .setKey("producer_byte_rate").setValue(1048576.5).setRemove(false), 0);
        record("producer-ids", new ProducerIdsRecord().setBrokerId(1).setBrokerEpoch(11).setNextProducerId(3000), 0);
        record("broker-registration-change-unfence", new BrokerRegistrationChangeRecord().setBrokerId(1).setBrokerEpoch(11).setFenced((byte) -1), 0);
        record("broker-registration-change-fence", new BrokerRegistrationChangeRecord().setBrokerId(1).setBrokerEpoch(11).setFenced((byte) 1), 0);
        record("broker-registration-change", new BrokerRegistrationChangeRecord().setBrokerId(1).setBrokerEpoch(11).setInControlledShutdown((byte) 1), 1);
        record("broker-registration-change", new BrokerRegistrationChangeRecord().setBrokerId(1).setBrokerEpoch(11).setLogDirs(List.of(A, B)), 2);
        record("broker-registration-change", new BrokerRegistrationChangeRecord().setBrokerId(1).setBrokerEpoch(11).setCordonedLogDirs(List.of()), 3);
        record("access-control-entry", new AccessControlEntryRecord().setId(A).setResourceType((byte) 2).setResourceName("orders").setPatternType((byte) 3)
            .setPrincipal("User:alice").setHost("*").setOperation((byte) 3).setPermissionType((byte) 3), 0);
        record("remove-access-control-entry", new RemoveAccessControlEntryRecord().setId(A), 0);
        record("no-op", new NoOpRecord(), 0);
        record("zk-migration-state", new ZkMigrationStateRecord().setZkMigrationState((byte) 3), 0);
        record("remove-user-scram-credential", new RemoveUserScramCredentialRecord().setName("alice").setMechanism((byte) 2), 0);
        record("begin-transaction", new BeginTransactionRecord().setName("Bootstrap records"), 0);
        record("begin-transaction-unnamed", new BeginTransactionRecord(), 0);
        record("end-transaction", new EndTransactionRecord(), 0);
        record("abort-transaction", new AbortTransactionRecord().setReason("because"), 0);
        record("remove-delegation-token", new RemoveDelegationTokenRecord().setTokenId("token"), 0);
        RegisterControllerRecord.ControllerEndpointCollection listeners = new RegisterControllerRecord.ControllerEndpointCollection();
        listeners.add(new RegisterControllerRecord.ControllerEndpoint().setName("CONTROLLER").setHost("localhost").setPort(9093));
        RegisterControllerRecord.ControllerFeatureCollection levels = new RegisterControllerRecord.ControllerFeatureCollection();
        levels.add(new RegisterControllerRecord.ControllerFeature().setName("kraft.version").setMaxSupportedVersion((short) 1));
        record("register-controller", new RegisterControllerRecord().setControllerId(1).setIncarnationId(A).setEndPoints(listeners).setFeatures(levels), 0);
        record("clear-elr", new ClearElrRecord().setTopicName("orders"), 0);
        record("clear-elr-all", new ClearElrRecord(), 0);

        LeaderChangeMessage.Voter voter = new LeaderChangeMessage.Voter().setVoterId(1);
        control("leader-change", new LeaderChangeMessage().setLeaderId(1).setVoters(List.of(voter)).setGrantingVoters(List.of(voter)), 0);
        LeaderChangeMessage.Voter placed = new LeaderChangeMessage.Voter().setVoterId(1).setVoterDirectoryId(A);
        control("leader-change", new LeaderChangeMessage().setVersion((short) 1).setLeaderId(1).setVoters(List.of(placed)).setGrantingVoters(List.of(placed)), 1);
        control("snapshot-header", new SnapshotHeaderRecord().setLastContainedLogTimestamp(1234567890123L), 0);
        control("snapshot-footer", new SnapshotFooterRecord(), 0);
        control("kraft-version", new KRaftVersionRecord().setKRaftVersion((short) 1), 0);
        VotersRecord.EndpointCollection controllers = new VotersRecord.EndpointCollection();
        controllers.add(new VotersRecord.Endpoint().setName("CONTROLLER").setHost("localhost").setPort(9093));
        control("voters", new VotersRecord().setVoters(List.of(new VotersRecord.Voter().setVoterId(1).setVoterDirectoryId(A).setEndpoints(controllers)
            .setKRaftVersionFeature(new VotersRecord.KRaftVersionFeature().setMinSupportedVersion((short) 0).setMaxSupportedVersion((short) 1)))), 0);
    }
}
