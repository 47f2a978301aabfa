package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// franz-go: its default balancer is cooperative-sticky. A rebalance waits for what was polled.
type franz struct {
	client *kgo.Client
	mutex  sync.Mutex
	// The offset after the last record said.
	positions map[int32]int64
	commit    string
}

func newFranz() (member, error) {
	m := &franz{positions: map[int32]int64{}, commit: args["commit"]}
	options := []kgo.Opt{
		kgo.SeedBrokers(args["bootstrap"]),
		kgo.ClientID(args["name"]),
		kgo.ConsumerGroup(args["group"]),
		kgo.ConsumeTopics(args["topic"]),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.SessionTimeout(time.Duration(milliseconds("session_ms")) * time.Millisecond),
		kgo.HeartbeatInterval(time.Duration(milliseconds("heartbeat_ms")) * time.Millisecond),
		kgo.BlockRebalanceOnPoll(),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, assigned map[string][]int32) {
			say("assigned -%s", shown(assigned[args["topic"]]))
		}),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, revoked map[string][]int32) { m.gone("revoked", revoked) }),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, lost map[string][]int32) { m.gone("lost", lost) }),
		kgo.WithLogger(kgo.BasicLogger(os.Stderr, kgo.LogLevelInfo, nil)),
	}
	if args["reset"] == "latest" {
		options = append(options, kgo.ConsumeResetOffset(kgo.NewOffset().AtEnd()))
	}
	if m.commit != "auto" {
		options = append(options, kgo.DisableAutoCommit())
	}
	if args["instance"] != "" {
		options = append(options, kgo.InstanceID(args["instance"]))
	}
	client, err := kgo.NewClient(options...)
	m.client = client
	return m, err
}

func (m *franz) run(leave <-chan struct{}) error {
	say("ready")
	for {
		select {
		case <-leave:
			m.client.CloseAllowingRebalance()
			return nil
		default:
		}
		limit, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		records := m.client.PollRecords(limit, 200)
		cancel()
		read := false
		records.EachRecord(func(record *kgo.Record) {
			sayRecord(record.Partition, record.Offset, record.Key, record.Value)
			m.mutex.Lock()
			m.positions[record.Partition] = record.Offset + 1
			m.mutex.Unlock()
			read = true
		})
		if read && m.commit == "sync" {
			m.commitSync(m.read(nil))
		}
		m.client.AllowRebalance()
	}
}

// How far these partitions, or all, were read.
func (m *franz) read(partitions []int32) map[int32]int64 {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	found := map[int32]int64{}
	for partition, offset := range m.positions {
		found[partition] = offset
	}
	if partitions == nil {
		return found
	}
	wanted := map[int32]int64{}
	for _, partition := range partitions {
		if offset, there := found[partition]; there {
			wanted[partition] = offset
		}
	}
	return wanted
}

func (m *franz) gone(word string, topics map[string][]int32) {
	partitions := append([]int32{}, topics[args["topic"]]...)
	if word == "revoked" && m.commit != "none" {
		m.commitSync(m.read(partitions))
	}
	m.mutex.Lock()
	for _, partition := range partitions {
		delete(m.positions, partition)
	}
	m.mutex.Unlock()
	say("%s%s", word, shown(partitions))
}

func (m *franz) commitSync(offsets map[int32]int64) {
	if len(offsets) == 0 {
		return
	}
	commits := map[int32]kgo.EpochOffset{}
	for partition, offset := range offsets {
		commits[partition] = kgo.EpochOffset{Epoch: -1, Offset: offset}
	}
	done := func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, answer *kmsg.OffsetCommitResponse, err error) {
		if err == nil {
			err = refusal(answer)
		}
		if err != nil {
			say("refused %v", err)
		} else {
			sayCommitted(offsets)
		}
	}
	m.client.CommitOffsetsSync(context.Background(), map[string]map[int32]kgo.EpochOffset{args["topic"]: commits}, done)
}

func refusal(answer *kmsg.OffsetCommitResponse) error {
	for _, topic := range answer.Topics {
		for _, partition := range topic.Partitions {
			if partition.ErrorCode != 0 {
				return fmt.Errorf("partition %d: error code %d", partition.Partition, partition.ErrorCode)
			}
		}
	}
	return nil
}

func (m *franz) obey(verb string, partition int32, offset int64) error {
	place := map[string][]int32{args["topic"]: {partition}}
	switch verb {
	case "pause":
		m.client.PauseFetchPartitions(place)
		say("paused %d", partition)
	case "resume":
		m.client.ResumeFetchPartitions(place)
		say("resumed %d", partition)
	case "seek":
		m.client.SetOffsets(map[string]map[int32]kgo.EpochOffset{args["topic"]: {partition: {Epoch: -1, Offset: offset}}})
		say("sought %d %d", partition, offset)
	case "commit sync", "commit async":
		m.commitSync(map[int32]int64{partition: offset})
	default:
		return fmt.Errorf("unknown command %s", verb)
	}
	return nil
}
