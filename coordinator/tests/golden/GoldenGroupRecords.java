// Writes group_records.hex: one line per record, "<label> <key> <value>", encoded by Apache Kafka's own classes; "-" is no value.
// How to run it is in README.md.

import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeMap;

import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.protocol.types.RawTaggedField;
import org.apache.kafka.coordinator.common.runtime.CoordinatorRecord;
import org.apache.kafka.coordinator.group.GroupCoordinatorRecordHelpers;
import org.apache.kafka.coordinator.group.GroupCoordinatorRecordSerde;
import org.apache.kafka.coordinator.group.OffsetAndMetadata;
import org.apache.kafka.coordinator.group.generated.*;
import org.apache.kafka.coordinator.group.modern.MemberState;
import org.apache.kafka.coordinator.group.modern.consumer.ConsumerGroupMember;
import org.apache.kafka.coordinator.group.modern.consumer.ResolvedRegularExpression;
import org.apache.kafka.server.common.ApiMessageAndVersion;

public class GoldenGroupRecords {
    static final Uuid A = new Uuid(0x0102030405060708L, 0x090a0b0c0d0e0f10L);
    static final Uuid B = new Uuid(0x1112131415161718L, 0x191a1b1c1d1e1f20L);

    static String hex(byte[] bytes) {
        return bytes == null ? "-" : HexFormat.of().formatHex(bytes);
    }

    static void record(String label, CoordinatorRecord record) {
        GroupCoordinatorRecordSerde serde = new GroupCoordinatorRecordSerde();
        System.out.println(label + ' ' + hex(serde.serializeKey(record)) + ' ' + hex(serde.serializeValue(record)));
    }

    static void record(String label, ApiMessage key, ApiMessage value, int version) {
        record(label + "-v" + version, CoordinatorRecord.record(key, new ApiMessageAndVersion(value, (short) version)));
    }

    static void offsets() {
        OffsetCommitKey key = new OffsetCommitKey().setGroup("group").setTopic("orders").setPartition(7);
        OffsetAndMetadata full = new OffsetAndMetadata(-1, 42, OptionalInt.of(5), "text \u00e9", 1234567890123L, OptionalLong.empty(), A);
        OffsetAndMetadata bare = new OffsetAndMetadata(-1, 0, OptionalInt.empty(), "", 1, OptionalLong.empty(), Uuid.ZERO_UUID);
        OffsetAndMetadata expiring = new OffsetAndMetadata(-1, 42, OptionalInt.of(5), "m", 1000, OptionalLong.of(2000), A);
        record("offset-commit", GroupCoordinatorRecordHelpers.newOffsetCommitRecord("group", "orders", 7, full));
        record("offset-commit-bare", GroupCoordinatorRecordHelpers.newOffsetCommitRecord("", "", -1, bare));
        record("offset-commit-expiring", GroupCoordinatorRecordHelpers.newOffsetCommitRecord("group", "orders", 7, expiring));
        record("offset-commit-tombstone", GroupCoordinatorRecordHelpers.newOffsetCommitTombstoneRecord("group", "orders", 7));
        for (int version = 0; version <= 4; version++) {
            OffsetCommitValue value = new OffsetCommitValue().setOffset(42).setLeaderEpoch(5).setMetadata("m").setCommitTimestamp(1000).setTopicId(A);
            if (version == 1) value.setExpireTimestamp(2000);
            record("offset-commit", key, value, version);
        }
        OffsetCommitValue future = new OffsetCommitValue().setOffset(42).setMetadata("m").setCommitTimestamp(1000).setTopicId(A);
        future.unknownTaggedFields().add(new RawTaggedField(9, new byte[]{1, 2, 3}));
        record("offset-commit-unknown-tag", key, future, 4);
        LegacyOffsetCommitKey legacy = new LegacyOffsetCommitKey().setGroup("group").setTopic("orders").setPartition(7);
        record("legacy-offset-commit", legacy, new LegacyOffsetCommitValue().setOffset(42).setMetadata("m").setCommitTimestamp(1000), 0);
        record("legacy-offset-commit-tombstone", CoordinatorRecord.tombstone(legacy));
    }

    static GroupMetadataValue classicGroup() {
        return new GroupMetadataValue().setProtocolType("consumer").setGeneration(3).setProtocol("range").setLeader("m-1").setCurrentStateTimestamp(1000)
            .setMembers(List.of(
                new GroupMetadataValue.MemberMetadata().setMemberId("m-1").setGroupInstanceId("static").setClientId("client").setClientHost("/127.0.0.1")
                    .setRebalanceTimeout(60000).setSessionTimeout(45000).setSubscription(new byte[]{0, 1, (byte) 0xff}).setAssignment(new byte[]{9}),
                new GroupMetadataValue.MemberMetadata().setMemberId("m-2").setClientId("").setClientHost("").setRebalanceTimeout(1).setSessionTimeout(2)
                    .setSubscription(new byte[]{}).setAssignment(new byte[]{})));
    }

    static void classic() {
        GroupMetadataKey key = new GroupMetadataKey().setGroup("group");
        for (int version = 0; version <= 4; version++) record("group-metadata", key, classicGroup(), version);
        GroupMetadataValue empty = new GroupMetadataValue().setProtocolType("").setGeneration(0).setProtocol(null).setLeader(null)
            .setCurrentStateTimestamp(1000).setMembers(List.of());
        record("group-metadata-empty", key, empty, 3);
        record("group-metadata-empty", key, empty, 4);
        record("group-metadata-tombstone", GroupCoordinatorRecordHelpers.newGroupMetadataTombstoneRecord("group"));
    }

    static void members() {
        ConsumerGroupMember full = new ConsumerGroupMember.Builder("m-1").setInstanceId("static").setRackId("rack").setClientId("client")
            .setClientHost("/127.0.0.1").setSubscribedTopicNames(List.of("b", "a")).setSubscribedTopicRegex("a.*").setServerAssignorName("uniform")
            .setRebalanceTimeoutMs(60000).build();
        ConsumerGroupMember bare = new ConsumerGroupMember.Builder("m-2").setInstanceId(null).setRackId(null).setClientId("").setClientHost("")
            .setSubscribedTopicNames(List.of()).setSubscribedTopicRegex(null).setServerAssignorName(null).build();
        ConsumerGroupMember classic = new ConsumerGroupMember.Builder("m-3").setInstanceId(null).setRackId(null).setClientId("client").setClientHost("/127.0.0.1")
            .setSubscribedTopicNames(List.of("a")).setSubscribedTopicRegex("").setServerAssignorName(null).setRebalanceTimeoutMs(1000)
            .setClassicMemberMetadata(new ConsumerGroupMemberMetadataValue.ClassicMemberMetadata().setSessionTimeoutMs(45000).setSupportedProtocols(List.of(
                new ConsumerGroupMemberMetadataValue.ClassicProtocol().setName("range").setMetadata(new byte[]{1, 2}),
                new ConsumerGroupMemberMetadataValue.ClassicProtocol().setName("").setMetadata(new byte[]{})))).build();
        record("member-metadata", GroupCoordinatorRecordHelpers.newConsumerGroupMemberSubscriptionRecord("group", full));
        record("member-metadata-bare", GroupCoordinatorRecordHelpers.newConsumerGroupMemberSubscriptionRecord("group", bare));
        record("member-metadata-classic", GroupCoordinatorRecordHelpers.newConsumerGroupMemberSubscriptionRecord("group", classic));
        record("member-metadata-tombstone", GroupCoordinatorRecordHelpers.newConsumerGroupMemberSubscriptionTombstoneRecord("group", "m-1"));
        // The class's own default for the classic side is not null, and is what is not written.
        record("member-metadata-default-classic", new ConsumerGroupMemberMetadataKey().setGroupId("group").setMemberId("m-4"),
            new ConsumerGroupMemberMetadataValue().setInstanceId(null).setRackId(null).setSubscribedTopicRegex(null).setServerAssignor(null), 0);

        TreeMap<Integer, Integer> epochs = new TreeMap<>(Map.of(0, 3, 5, 4));
        Map<Uuid, Map<Integer, Integer>> assigned = new LinkedHashMap<>();
        assigned.put(A, epochs);
        assigned.put(B, new TreeMap<>(Map.of(1, 1)));
        ConsumerGroupMember current = new ConsumerGroupMember.Builder("m-1").setMemberEpoch(4).setPreviousMemberEpoch(3).setState(MemberState.UNREVOKED_PARTITIONS)
            .setAssignedPartitions(assigned).setPartitionsPendingRevocation(Map.of(B, new TreeMap<>(Map.of(2, 2)))).build();
        ConsumerGroupMember fresh = new ConsumerGroupMember.Builder("m-2").setMemberEpoch(1).setPreviousMemberEpoch(0).build();
        record("current-assignment", GroupCoordinatorRecordHelpers.newConsumerGroupCurrentAssignmentRecord("group", current));
        record("current-assignment-bare", GroupCoordinatorRecordHelpers.newConsumerGroupCurrentAssignmentRecord("group", fresh));
        record("current-assignment-tombstone", GroupCoordinatorRecordHelpers.newConsumerGroupCurrentAssignmentTombstoneRecord("group", "m-1"));
        // As Kafka 4.0 to 4.2 wrote it, and with epochs that do not fit the partitions.
        ConsumerGroupCurrentMemberAssignmentKey key = new ConsumerGroupCurrentMemberAssignmentKey().setGroupId("group").setMemberId("m-1");
        record("current-assignment-no-epochs", key, new ConsumerGroupCurrentMemberAssignmentValue().setMemberEpoch(4).setPreviousMemberEpoch(3).setState((byte) 0)
            .setAssignedPartitions(List.of(new ConsumerGroupCurrentMemberAssignmentValue.TopicPartitions().setTopicId(A).setPartitions(List.of(0, 5)))), 0);
        record("current-assignment-wrong-epochs", key, new ConsumerGroupCurrentMemberAssignmentValue().setMemberEpoch(4).setPreviousMemberEpoch(3).setState((byte) 0)
            .setAssignedPartitions(List.of(new ConsumerGroupCurrentMemberAssignmentValue.TopicPartitions().setTopicId(A).setPartitions(List.of(0, 5))
                .setAssignmentEpochs(List.of(1)))), 0);
    }

    static void consumerGroups() {
        record("group-epoch", GroupCoordinatorRecordHelpers.newConsumerGroupEpochRecord("group", 7, -2));
        record("group-epoch-no-hash", GroupCoordinatorRecordHelpers.newConsumerGroupEpochRecord("group", 7, 0));
        record("group-epoch-tombstone", GroupCoordinatorRecordHelpers.newConsumerGroupEpochTombstoneRecord("group"));
        record("target-epoch", GroupCoordinatorRecordHelpers.newConsumerGroupTargetAssignmentMetadataRecord("group", 7, 1000));
        record("target-epoch-no-time", GroupCoordinatorRecordHelpers.newConsumerGroupTargetAssignmentMetadataRecord("group", 7, 0));
        record("target-epoch-tombstone", GroupCoordinatorRecordHelpers.newConsumerGroupTargetAssignmentMetadataTombstoneRecord("group"));
        Map<Uuid, Set<Integer>> target = new LinkedHashMap<>();
        target.put(A, new LinkedHashSet<>(List.of(0, 5)));
        target.put(B, new LinkedHashSet<>(List.of(1)));
        record("target-assignment", GroupCoordinatorRecordHelpers.newConsumerGroupTargetAssignmentRecord("group", "m-1", target));
        record("target-assignment-empty", GroupCoordinatorRecordHelpers.newConsumerGroupTargetAssignmentRecord("group", "m-1", Map.of()));
        record("target-assignment-tombstone", GroupCoordinatorRecordHelpers.newConsumerGroupTargetAssignmentTombstoneRecord("group", "m-1"));
        record("regex", GroupCoordinatorRecordHelpers.newConsumerGroupRegularExpressionRecord("group", "a.*",
            new ResolvedRegularExpression(Set.of("ab", "a"), 77, 1000)));
        record("regex-nothing", GroupCoordinatorRecordHelpers.newConsumerGroupRegularExpressionRecord("group", "", ResolvedRegularExpression.EMPTY));
        record("regex-tombstone", GroupCoordinatorRecordHelpers.newConsumerGroupRegularExpressionTombstone("group", "a.*"));
        ConsumerGroupPartitionMetadataKey key = new ConsumerGroupPartitionMetadataKey().setGroupId("group");
        ConsumerGroupPartitionMetadataValue.TopicMetadata plain =
            new ConsumerGroupPartitionMetadataValue.TopicMetadata().setTopicId(A).setTopicName("orders").setNumPartitions(3);
        record("partition-metadata", key, new ConsumerGroupPartitionMetadataValue().setTopics(List.of(plain)), 0);
        record("partition-metadata-racks", key, new ConsumerGroupPartitionMetadataValue().setTopics(List.of(plain.duplicate().setPartitionMetadata(List.of(
            new ConsumerGroupPartitionMetadataValue.PartitionMetadata().setPartition(0).setRacks(List.of("r1", "r2")))))), 0);
        record("partition-metadata-tombstone", GroupCoordinatorRecordHelpers.newConsumerGroupSubscriptionMetadataTombstoneRecord("group"));
    }

    static void foreign() {
        record("foreign-share", new ShareGroupMetadataKey().setGroupId("group"), new ShareGroupMetadataValue().setEpoch(1), 0);
        record("foreign-share-tombstone", CoordinatorRecord.tombstone(new ShareGroupMetadataKey().setGroupId("group")));
        record("foreign-streams", new StreamsGroupMetadataKey().setGroupId("group"), new StreamsGroupMetadataValue().setEpoch(1), 0);
    }

    public static void main(String[] arguments) {
        offsets();
        classic();
        members();
        consumerGroups();
        foreign();
    }
}
