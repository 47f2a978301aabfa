"""A transactional producer on confluent-kafka that does what it is told. Commands and answers: compat-tests/DESIGN.md."""

import os
import sys
import traceback

import confluent_kafka

ARGS = dict(word.split("=", 1) for word in sys.argv[1:])
NAME = ARGS["name"]
PATIENCE = 30


def say(words):
    os.write(1, f"{NAME} {words}".strip().encode() + b"\n")


class Refused(Exception):
    """A delivery report with an error."""


class Transactor:
    def __init__(self):
        self.consumers = {}
        self.refusal = None
        self.producer = confluent_kafka.Producer(
            {
                "bootstrap.servers": ARGS["bootstrap"],
                "transactional.id": ARGS["transactional_id"],
                "transaction.timeout.ms": int(ARGS["timeout_ms"]),
                "reconnect.backoff.max.ms": 200,
                "metadata.recovery.strategy": "none",
            }
        )

    def settings(self, group, isolation):
        return {
            "bootstrap.servers": ARGS["bootstrap"],
            "group.id": group,
            "isolation.level": isolation,
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }

    def init(self):
        self.producer.init_transactions(PATIENCE)

    def begin(self):
        self.producer.begin_transaction()

    def commit(self):
        self.producer.commit_transaction(PATIENCE)

    def abort(self):
        self.producer.abort_transaction(PATIENCE)

    def delivered(self, error, _):
        if error is not None and self.refusal is None:
            self.refusal = error

    def flush(self):
        self.producer.flush(PATIENCE)
        refusal, self.refusal = self.refusal, None
        if refusal is not None:
            raise confluent_kafka.KafkaException(refusal)

    def send(self, topic, first, last, value):
        for partition in range(int(first), int(last) + 1):
            self.producer.produce(topic, value, "", partition, on_delivery=self.delivered)
        self.flush()

    def consumer(self, group):
        if group not in self.consumers:
            self.consumers[group] = (confluent_kafka.Consumer(self.settings(group, "read_committed")), set())
        return self.consumers[group]

    def offsets(self, group, topic, partition, offset):
        consumer, _ = self.consumer(group)
        place = confluent_kafka.TopicPartition(topic, int(partition), int(offset))
        self.producer.send_offsets_to_transaction([place], consumer.consumer_group_metadata(), PATIENCE)

    def copy(self, group, source, target, count, end):
        consumer, subscribed = self.consumer(group)
        if not subscribed:
            consumer.subscribe([source])
            subscribed.add(source)
        batch = []
        while len(batch) < int(count):
            message = consumer.poll(PATIENCE)
            if message is None:
                raise TimeoutError("no record comes")
            if message.error():
                raise confluent_kafka.KafkaException(message.error())
            batch.append(message)
        self.begin()
        nexts = {}
        for message in batch:
            self.producer.produce(target, message.value(), "", 0, on_delivery=self.delivered)
            nexts[message.partition()] = message.offset() + 1
        places = [confluent_kafka.TopicPartition(source, partition, offset) for partition, offset in nexts.items()]
        self.producer.send_offsets_to_transaction(places, consumer.consumer_group_metadata(), PATIENCE)
        if end == "commit":
            self.commit()
            return
        # What was not sent yet would never be.
        self.flush()
        self.abort()
        for message in reversed(batch):
            consumer.seek(confluent_kafka.TopicPartition(source, message.partition(), message.offset()))

    def read(self, isolation, topic, partitions):
        """Every partition until the record that says END."""
        consumer = confluent_kafka.Consumer(self.settings("only-reads", f"read_{isolation}"))
        still_open = set(range(int(partitions)))
        beginning = confluent_kafka.OFFSET_BEGINNING
        consumer.assign([confluent_kafka.TopicPartition(topic, partition, beginning) for partition in still_open])
        read = {}
        while still_open:
            message = consumer.poll(PATIENCE)
            if message is None:
                raise TimeoutError("no record comes")
            if message.error():
                raise confluent_kafka.KafkaException(message.error())
            value = message.value().decode()
            if value == "END":
                still_open.discard(message.partition())
            else:
                read.setdefault(message.partition(), []).append(f"{value}@{message.offset()}")
        consumer.close()
        return " ".join(f"{partition}:{','.join(read[partition])}" for partition in sorted(read))


def spoken(error):
    """The kind of an error and its name."""
    inner = error.args[0]
    kind = "fatal" if inner.fatal() else "abortable" if inner.txn_requires_abort() else "retriable" if inner.retriable() else "other"
    return f"{kind} {inner.name()}"


def main():
    transactor = Transactor()
    # When the commands end, whoever started us is gone.
    for line in sys.stdin:
        verb, *rest = line.split()
        if verb == "leave":
            say("left")
            break
        try:
            say("ok " + (getattr(transactor, verb)(*rest) or ""))
        except confluent_kafka.KafkaException as error:
            traceback.print_exc()
            say("error " + spoken(error))
        except TimeoutError as error:
            say(f"error other {error}")
    # Consumers leave their groups when they are closed, and an open transaction is nobody's concern any more.
    for consumer, _ in transactor.consumers.values():
        consumer.close()
    os._exit(0)


main()
