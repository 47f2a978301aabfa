// A transactional producer on franz-go that does what it is told. Commands and answers: compat-tests/DESIGN.md.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const patience = 30 * time.Second

var args = map[string]string{}

type transactor struct {
	client *kgo.Client
	// Copies for a group: one session, which is a client of its own with the same transactional id.
	session *kgo.GroupTransactSession
}

func main() {
	for _, word := range os.Args[1:] {
		key, value, _ := strings.Cut(word, "=")
		args[key] = value
	}
	t := &transactor{}
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if words[0] == "leave" {
			say("left")
			break
		}
		text, err := t.obey(words)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			say("error " + spoken(err))
		} else {
			say("ok " + text)
		}
	}
	// When the commands end, whoever started us is gone.
	if t.session != nil {
		t.session.Close()
	}
}

func say(words string) {
	if _, err := os.Stdout.WriteString(strings.TrimSpace(args["name"]+" "+words) + "\n"); err != nil {
		os.Exit(1)
	}
}

// The kind of an error and its name. The client knows two kinds: what is the broker's word, and what is its own.
func spoken(err error) string {
	var broker *kerr.Error
	if errors.As(err, &broker) {
		return "broker " + broker.Message
	}
	return "other " + strings.ReplaceAll(err.Error(), "\n", " ")
}

func options() []kgo.Opt {
	timeout, _ := strconv.Atoi(args["timeout_ms"])
	return []kgo.Opt{
		kgo.SeedBrokers(args["bootstrap"]),
		kgo.TransactionalID(args["transactional_id"]),
		kgo.TransactionTimeout(time.Duration(timeout) * time.Millisecond),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.WithLogger(kgo.BasicLogger(os.Stderr, kgo.LogLevelInfo, nil)),
	}
}

func (t *transactor) obey(words []string) (string, error) {
	limit, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	switch words[0] {
	case "init":
		client, err := kgo.NewClient(options()...)
		if err != nil {
			return "", err
		}
		t.client = client
		_, _, err = client.ProducerID(limit)
		return "", err
	case "begin":
		return "", t.client.BeginTransaction()
	case "send":
		return "", t.send(limit, words[1], words[2], words[3], words[4])
	case "commit":
		return "", t.client.EndTransaction(limit, kgo.TryCommit)
	case "abort":
		return "", t.client.EndTransaction(limit, kgo.TryAbort)
	case "copy":
		return "", t.copy(limit, words[1], words[2], words[3], words[4], words[5])
	case "read":
		return read(limit, words[1], words[2], words[3])
	}
	return "", fmt.Errorf("unknown command %v", words)
}

func (t *transactor) send(limit context.Context, topic, first, last, value string) error {
	from, _ := strconv.Atoi(first)
	to, _ := strconv.Atoi(last)
	var records []*kgo.Record
	for partition := from; partition <= to; partition++ {
		records = append(records, &kgo.Record{Topic: topic, Partition: int32(partition), Key: []byte{}, Value: []byte(value)})
	}
	return t.client.ProduceSync(limit, records...).FirstErr()
}

func (t *transactor) copy(limit context.Context, group, from, to, count, end string) error {
	if t.session == nil {
		more := []kgo.Opt{
			kgo.ConsumerGroup(group),
			kgo.ConsumeTopics(from),
			kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
			kgo.FetchIsolationLevel(kgo.ReadCommitted()),
			kgo.RequireStableFetchOffsets(),
		}
		session, err := kgo.NewGroupTransactSession(append(options(), more...)...)
		if err != nil {
			return err
		}
		t.session = session
	}
	wanted, _ := strconv.Atoi(count)
	var batch []*kgo.Record
	for len(batch) < wanted {
		fetches := t.session.PollRecords(limit, wanted-len(batch))
		if err := fetches.Err(); err != nil {
			return err
		}
		batch = append(batch, fetches.Records()...)
	}
	if err := t.session.Begin(); err != nil {
		return err
	}
	var copies []*kgo.Record
	for _, record := range batch {
		copies = append(copies, &kgo.Record{Topic: to, Partition: 0, Key: []byte{}, Value: record.Value})
	}
	if err := t.session.ProduceSync(limit, copies...).FirstErr(); err != nil {
		return err
	}
	committed, err := t.session.End(limit, kgo.TransactionEndTry(end == "commit"))
	if err == nil && committed != (end == "commit") {
		err = fmt.Errorf("committed: %v", committed)
	}
	return err
}

// Every partition until the record that says END.
func read(limit context.Context, isolation, topic, partitions string) (string, error) {
	count, _ := strconv.Atoi(partitions)
	level := kgo.ReadUncommitted()
	if isolation == "committed" {
		level = kgo.ReadCommitted()
	}
	starts := map[int32]kgo.Offset{}
	for partition := 0; partition < count; partition++ {
		starts[int32(partition)] = kgo.NewOffset().AtStart()
	}
	reader, err := kgo.NewClient(
		kgo.SeedBrokers(args["bootstrap"]),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: starts}),
		kgo.FetchIsolationLevel(level),
	)
	if err != nil {
		return "", err
	}
	defer reader.Close()
	found := map[int32][]string{}
	for ended := 0; ended < count; {
		fetches := reader.PollFetches(limit)
		if err := fetches.Err(); err != nil {
			return "", err
		}
		fetches.EachRecord(func(record *kgo.Record) {
			if string(record.Value) == "END" {
				ended++
			} else {
				found[record.Partition] = append(found[record.Partition], fmt.Sprintf("%s@%d", record.Value, record.Offset))
			}
		})
	}
	var words []string
	for partition, values := range found {
		words = append(words, fmt.Sprintf("%d:%s", partition, strings.Join(values, ",")))
	}
	sort.Strings(words)
	return strings.Join(words, " "), nil
}
