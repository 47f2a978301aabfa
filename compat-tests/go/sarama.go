package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/IBM/sarama"
)

// Sarama: its default balancer is range. It says nothing about commits that succeeded, so neither does this member.
type saramaMember struct {
	group  sarama.ConsumerGroup
	claims []int32
}

func newSarama() (member, error) {
	sarama.Logger = log.New(os.Stderr, "", log.Lmicroseconds)
	config := sarama.NewConfig()
	config.ClientID = args["name"]
	config.Consumer.Group.Session.Timeout = time.Duration(milliseconds("session_ms")) * time.Millisecond
	config.Consumer.Group.Heartbeat.Interval = time.Duration(milliseconds("heartbeat_ms")) * time.Millisecond
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = args["commit"] != "none"
	if args["commit"] == "sync" {
		// Its Commit after each record would be one request per record.
		config.Consumer.Offsets.AutoCommit.Interval = 50 * time.Millisecond
	}
	config.Consumer.Return.Errors = true
	if args["reset"] == "latest" {
		config.Consumer.Offsets.Initial = sarama.OffsetNewest
	}
	if args["instance"] != "" {
		config.Version = sarama.V2_3_0_0
		config.Consumer.Group.InstanceId = args["instance"]
	}
	group, err := sarama.NewConsumerGroup([]string{args["bootstrap"]}, args["group"], config)
	return &saramaMember{group: group}, err
}

func (m *saramaMember) run(leave <-chan struct{}) error {
	say("ready")
	session, end := context.WithCancel(context.Background())
	go func() {
		<-leave
		end()
	}()
	go func() {
		for err := range m.group.Errors() {
			say("note %v", err)
		}
	}()
	for session.Err() == nil {
		err := m.group.Consume(session, []string{args["topic"]}, m)
		// The last commit follows Cleanup; here it is done, and nobody has joined again yet.
		if m.claims != nil {
			say("revoked%s", shown(m.claims))
			m.claims = nil
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			say("note %v", err)
		}
	}
	return m.group.Close()
}

func (m *saramaMember) Setup(session sarama.ConsumerGroupSession) error {
	m.claims = append([]int32{}, session.Claims()[args["topic"]]...)
	say("assigned %d%s", session.GenerationID(), shown(m.claims))
	return nil
}

func (m *saramaMember) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (m *saramaMember) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case <-session.Context().Done():
			return nil
		case record, open := <-claim.Messages():
			if !open {
				return nil
			}
			sayRecord(record.Partition, record.Offset, record.Key, record.Value)
			session.MarkMessage(record, "")
		}
	}
}

func (m *saramaMember) obey(verb string, partition int32, _ int64) error {
	place := map[string][]int32{args["topic"]: {partition}}
	switch verb {
	case "pause":
		m.group.Pause(place)
		say("paused %d", partition)
	case "resume":
		m.group.Resume(place)
		say("resumed %d", partition)
	default:
		return fmt.Errorf("Sarama has no means to %s", verb)
	}
	return nil
}
