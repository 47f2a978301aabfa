// A group member on one of the Go clients, with its defaults. Arguments, commands and what it says: compat-tests/DESIGN.md.
package main

import (
	"bufio"
	"fmt"
	"hash/crc32"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
)

var args = map[string]string{}

// A member on one client.
type member interface {
	// Runs until leave is closed.
	run(leave <-chan struct{}) error
	// Obeys a command other than leave.
	obey(verb string, partition int32, offset int64) error
}

func main() {
	for _, word := range os.Args[1:] {
		key, value, _ := strings.Cut(word, "=")
		args[key] = value
	}
	var m member
	var err error
	switch args["client"] {
	case "franz-go":
		m, err = newFranz()
	case "sarama":
		m, err = newSarama()
	default:
		err = fmt.Errorf("unknown client %q", args["client"])
	}
	if err != nil {
		failed(err)
	}
	leave := make(chan struct{})
	go listen(m, leave)
	if err := m.run(leave); err != nil {
		failed(err)
	}
	say("left")
}

// Lines of standard input. When it ends, whoever started us is gone.
func listen(m member, leave chan<- struct{}) {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		words := strings.Fields(lines.Text())
		if words[0] == "leave" {
			close(leave)
			continue
		}
		verb := words[0]
		if verb == "commit" {
			verb += " " + words[1]
			words = words[1:]
		}
		partition, err := strconv.ParseInt(words[1], 10, 32)
		offset := int64(-1)
		if err == nil && len(words) > 2 {
			offset, err = strconv.ParseInt(words[2], 10, 64)
		}
		if err == nil {
			err = m.obey(verb, int32(partition), offset)
		}
		if err != nil {
			failed(err)
		}
	}
	os.Exit(0)
}

var mouth sync.Mutex

// One line, one write: other members write to the same pipe.
func say(format string, values ...any) {
	mouth.Lock()
	defer mouth.Unlock()
	words := strings.ReplaceAll(fmt.Sprintf(format, values...), "\n", " ")
	if _, err := os.Stdout.WriteString(args["name"] + " " + words + "\n"); err != nil {
		os.Exit(1)
	}
}

func failed(err error) {
	fmt.Fprintln(os.Stderr, err)
	say("failed %v", err)
	os.Exit(1)
}

func sayRecord(partition int32, offset int64, key, value []byte) {
	say("record %d %d %x", partition, offset, crc32.Update(crc32.ChecksumIEEE(key), crc32.IEEETable, value))
}

func sayCommitted(offsets map[int32]int64) {
	words := ""
	for partition, offset := range offsets {
		words += fmt.Sprintf(" %d:%d", partition, offset)
	}
	say("committed%s", words)
}

func shown(partitions []int32) string {
	sorted := append([]int32(nil), partitions...)
	sort.Slice(sorted, func(i, j int) bool { return sorted[i] < sorted[j] })
	words := ""
	for _, partition := range sorted {
		words += fmt.Sprintf(" %d", partition)
	}
	return words
}

func milliseconds(key string) int {
	number, err := strconv.Atoi(args[key])
	if err != nil {
		failed(err)
	}
	return number
}
