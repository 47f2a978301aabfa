// Writes assignors.txt: groups, and the targets that Apache Kafka's own assignors compute for them.
// How to run it is in README.md.
//
// A case is a line "case <assignor> <partitions of topic 1>,<of topic 2>,..", then a line per member:
// "<member id> <instance id or -> <topics> <current> <target>", an assignment as <topic>:<partition>+<partition>/.., "-" for none.
// Members and topics are handed over in order, as we do; Kafka itself leaves both to hash maps.

import java.util.Collections;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;

import org.apache.kafka.common.Uuid;
import org.apache.kafka.coordinator.group.api.assignor.ConsumerGroupPartitionAssignor;
import org.apache.kafka.coordinator.group.api.assignor.GroupAssignment;
import org.apache.kafka.coordinator.group.api.assignor.MemberAssignment;
import org.apache.kafka.coordinator.group.api.assignor.SubscribedTopicDescriber;
import org.apache.kafka.coordinator.group.api.assignor.SubscriptionType;
import org.apache.kafka.coordinator.group.assignor.RangeAssignor;
import org.apache.kafka.coordinator.group.assignor.UniformAssignor;
import org.apache.kafka.coordinator.group.modern.Assignment;
import org.apache.kafka.coordinator.group.modern.GroupSpecImpl;
import org.apache.kafka.coordinator.group.modern.MemberSubscriptionAndAssignmentImpl;

public class GoldenAssignors {
    static class Member {
        Optional<String> instanceId = Optional.empty();
        TreeSet<Integer> topics = new TreeSet<>();
        TreeMap<Integer, TreeSet<Integer>> current = new TreeMap<>();
    }

    /// Topic n has id n, which hash sets of few elements keep in order.
    static Uuid id(int topic) {
        return new Uuid(0, topic);
    }

    static String text(Map<Integer, TreeSet<Integer>> assignment) {
        StringBuilder all = new StringBuilder();
        assignment.forEach((topic, partitions) -> {
            if (partitions.isEmpty()) return;
            all.append(all.length() == 0 ? "" : "/").append(topic).append(':');
            all.append(String.join("+", partitions.stream().map(String::valueOf).toList()));
        });
        return all.length() == 0 ? "-" : all.toString();
    }

    static TreeMap<String, TreeMap<Integer, TreeSet<Integer>>> assign(ConsumerGroupPartitionAssignor assignor, TreeMap<String, Member> members, int[] partitions) {
        TreeMap<String, MemberSubscriptionAndAssignmentImpl> specs = new TreeMap<>();
        TreeMap<Uuid, Map<Integer, String>> inverted = new TreeMap<>();
        members.forEach((memberId, member) -> {
            TreeSet<Uuid> topics = new TreeSet<>();
            member.topics.forEach(topic -> topics.add(id(topic)));
            TreeMap<Uuid, Set<Integer>> current = new TreeMap<>();
            member.current.forEach((topic, owned) -> {
                current.put(id(topic), owned);
                owned.forEach(partition -> inverted.computeIfAbsent(id(topic), __ -> new TreeMap<>()).put(partition, memberId));
            });
            specs.put(memberId, new MemberSubscriptionAndAssignmentImpl(Optional.empty(), member.instanceId, topics, new Assignment(current)));
        });
        boolean same = members.values().stream().map(member -> member.topics).distinct().count() == 1;
        SubscribedTopicDescriber describer = new SubscribedTopicDescriber() {
            @Override
            public int numPartitions(Uuid topicId) {
                return partitions[(int) topicId.getLeastSignificantBits() - 1];
            }

            @Override
            public Set<String> racksForPartition(Uuid topicId, int partition) {
                return Set.of();
            }
        };
        SubscriptionType type = same ? SubscriptionType.HOMOGENEOUS : SubscriptionType.HETEROGENEOUS;
        GroupAssignment result = assignor.assign(new GroupSpecImpl(Collections.unmodifiableMap(specs), type, inverted), describer);
        TreeMap<String, TreeMap<Integer, TreeSet<Integer>>> targets = new TreeMap<>();
        for (String memberId : members.keySet()) {
            TreeMap<Integer, TreeSet<Integer>> target = new TreeMap<>();
            MemberAssignment assignment = result.members().get(memberId);
            if (assignment != null) {
                assignment.partitions().forEach((topic, owned) -> target.put((int) topic.getLeastSignificantBits(), new TreeSet<>(owned)));
            }
            targets.put(memberId, target);
        }
        return targets;
    }

    static void run(ConsumerGroupPartitionAssignor assignor, TreeMap<String, Member> members, int[] partitions) {
        var targets = assign(assignor, members, partitions);
        System.out.println("case " + assignor.name() + " " + String.join(",", java.util.Arrays.stream(partitions).mapToObj(String::valueOf).toList()));
        members.forEach((memberId, member) -> {
            String topics = member.topics.isEmpty() ? "-" : String.join(",", member.topics.stream().map(String::valueOf).toList());
            System.out.println(memberId + " " + member.instanceId.orElse("-") + " " + topics + " " + text(member.current) + " " + text(targets.get(memberId)));
            member.current = targets.get(memberId);
        });
    }

    static void subscribe(Random random, Member member, boolean same, int topics) {
        member.topics.clear();
        for (int topic = 1; topic <= topics; topic++) {
            if (same || random.nextInt(3) > 0) member.topics.add(topic);
        }
    }

    static void add(Random random, TreeMap<String, Member> members, boolean same, int topics) {
        Member member = new Member();
        String memberId = "m" + random.nextInt(1000);
        if (random.nextInt(3) == 0) member.instanceId = Optional.of("i" + memberId);
        subscribe(random, member, same, topics);
        members.put(memberId, member);
    }

    public static void main(String[] args) {
        Random random = new Random(848);
        for (int scenario = 0; scenario < 80; scenario++) {
            ConsumerGroupPartitionAssignor assignor = scenario % 4 == 0 ? new RangeAssignor() : new UniformAssignor();
            boolean same = scenario % 8 < 4;
            int topics = 1 + random.nextInt(5);
            int[] partitions = new int[topics];
            for (int topic = 0; topic < topics; topic++) partitions[topic] = 1 + random.nextInt(12);
            TreeMap<String, Member> members = new TreeMap<>();
            for (int i = 1 + random.nextInt(8); i > 0; i--) add(random, members, same, topics);
            run(assignor, members, partitions);
            for (int step = 0; step < 5; step++) {
                String anybody = members.keySet().toArray(new String[0])[random.nextInt(members.size())];
                switch (random.nextInt(4)) {
                    case 0 -> add(random, members, same, topics);
                    case 1 -> { if (members.size() > 1) members.remove(anybody); }
                    case 2 -> partitions[random.nextInt(topics)] += 1 + random.nextInt(4);
                    default -> subscribe(random, members.get(anybody), same, topics);
                }
                run(assignor, members, partitions);
            }
        }
    }
}
