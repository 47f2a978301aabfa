"""A group member on one of the Python clients. Arguments, commands and what it says: compat-tests/DESIGN.md."""

import asyncio
import logging
import os
import queue
import sys
import threading
import traceback
import zlib

ARGS = dict(word.split("=", 1) for word in sys.argv[1:])
NAME, TOPIC, COMMIT = ARGS["name"], ARGS["topic"], ARGS.get("commit", "auto")
BY_HAND = COMMIT in ("sync", "async", "revoke")
POLL_SECONDS = 0.02
POLL_RECORDS = 200


def say(words):
    """One line, one write: other members write to the same pipe."""
    os.write(1, f"{NAME} {words}\n".encode())


def shown(partitions):
    return "".join(f" {partition}" for partition in sorted(partitions))


def said_commit(offsets):
    say("committed" + "".join(f" {partition}:{offset}" for partition, offset in offsets.items()))


def refused(error):
    say(f"refused {type(error).__name__} {error}".replace("\n", " "))


class Member:
    """What all clients have in common: the offsets after the last record said, and who is told what."""

    def __init__(self):
        self.positions = {}

    def assigned(self, partitions):
        say("assigned -" + shown(partitions))

    def read_of(self, partitions):
        return {partition: self.positions[partition] for partition in partitions if partition in self.positions}

    def gone(self, word, partitions):
        for partition in partitions:
            self.positions.pop(partition, None)
        say(word + shown(partitions))

    def revoked(self, partitions):
        if BY_HAND:
            self.commit(self.read_of(partitions))
        self.gone("revoked", partitions)

    def commit(self, offsets):
        if not offsets:
            return
        try:
            self.commit_sync(offsets)
            said_commit(offsets)
        except self.errors as error:
            refused(error)

    def run(self, commands):
        self.subscribe()
        say("ready")
        while True:
            records = self.poll()
            for partition, offset, key, value in records:
                say(f"record {partition} {offset} {zlib.crc32(value or b'', zlib.crc32(key or b'')):x}")
                self.positions[partition] = offset + 1
            if records and COMMIT == "sync":
                self.commit(dict(self.positions))
            if records and COMMIT == "async":
                self.commit_async(dict(self.positions))
            while not commands.empty():
                words = commands.get().split()
                if words[0] == "leave":
                    self.close()
                    say("left")
                    return
                self.obey(words)

    def obey(self, words):
        if words[0] == "pause":
            self.pause(int(words[1]))
            say(f"paused {words[1]}")
        elif words[0] == "resume":
            self.resume(int(words[1]))
            say(f"resumed {words[1]}")
        elif words[0] == "seek":
            self.seek(int(words[1]), int(words[2]))
            say(f"sought {words[1]} {words[2]}")
        elif words[0] == "commit":
            offsets = {int(words[2]): int(words[3])}
            self.commit(offsets) if words[1] == "sync" else self.commit_async(offsets)
        else:
            raise ValueError(words)


class Confluent(Member):
    """confluent-kafka: librdkafka as its wheel brings it."""

    def __init__(self):
        super().__init__()
        import confluent_kafka

        self.lib, self.errors = confluent_kafka, (confluent_kafka.KafkaException,)
        settings = {
            "bootstrap.servers": ARGS["bootstrap"],
            "group.id": ARGS["group"],
            "client.id": NAME,
            "group.protocol": ARGS["protocol"],
            "auto.offset.reset": ARGS.get("reset", "earliest"),
            "reconnect.backoff.max.ms": 200,
            "metadata.recovery.strategy": "none",
            "enable.auto.commit": COMMIT == "auto",
            "on_commit": self.on_commit,
        }
        if ARGS["protocol"] == "consumer":
            # The broker decides about sessions and heartbeats.
            if ARGS["assignor"] != "default":
                settings["group.remote.assignor"] = ARGS["assignor"]
        else:
            settings["session.timeout.ms"] = int(ARGS["session_ms"])
            settings["heartbeat.interval.ms"] = int(ARGS["heartbeat_ms"])
            if ARGS["assignor"] != "default":
                settings["partition.assignment.strategy"] = ARGS["assignor"]
        if "instance" in ARGS:
            settings["group.instance.id"] = ARGS["instance"]
        self.consumer = confluent_kafka.Consumer(settings)

    def on_commit(self, error, partitions):
        failed = error or next((partition.error for partition in partitions if partition.error), None)
        if failed:
            say(f"refused {failed}")
        else:
            said_commit({partition.partition: partition.offset for partition in partitions if partition.offset >= 0})

    def subscribe(self):
        numbers = lambda partitions: [partition.partition for partition in partitions]
        self.consumer.subscribe(
            [TOPIC],
            on_assign=lambda _, partitions: self.assigned(numbers(partitions)),
            on_revoke=lambda _, partitions: self.revoked(numbers(partitions)),
            on_lost=lambda _, partitions: self.gone("lost", numbers(partitions)),
        )

    def poll(self):
        # consume() hands out what was fetched before a rebalance of the same call; poll() does not mix them.
        records = []
        message = self.consumer.poll(POLL_SECONDS)
        if message is not None:
            if message.error():
                say(f"note {message.error()}")
            else:
                records.append((message.partition(), message.offset(), message.key(), message.value()))
        return records

    def places(self, offsets):
        return [self.lib.TopicPartition(TOPIC, partition, offset) for partition, offset in offsets.items()]

    def commit_sync(self, offsets):
        for partition in self.consumer.commit(offsets=self.places(offsets), asynchronous=False):
            if partition.error:
                raise self.lib.KafkaException(partition.error)

    def commit_async(self, offsets):
        self.consumer.commit(offsets=self.places(offsets), asynchronous=True)

    def pause(self, partition):
        self.consumer.pause([self.lib.TopicPartition(TOPIC, partition)])

    def resume(self, partition):
        self.consumer.resume([self.lib.TopicPartition(TOPIC, partition)])

    def seek(self, partition, offset):
        self.consumer.seek(self.lib.TopicPartition(TOPIC, partition, offset))

    def close(self):
        self.consumer.close()


def common_settings():
    """What kafka-python and aiokafka call alike."""
    settings = {
        "bootstrap_servers": ARGS["bootstrap"],
        "group_id": ARGS["group"],
        "client_id": NAME,
        "auto_offset_reset": ARGS.get("reset", "earliest"),
        "session_timeout_ms": int(ARGS["session_ms"]),
        "heartbeat_interval_ms": int(ARGS["heartbeat_ms"]),
        "enable_auto_commit": COMMIT == "auto",
        "max_poll_records": POLL_RECORDS,
        "group_instance_id": ARGS.get("instance"),
    }
    return settings


class KafkaPython(Member):
    """kafka-python with its own assignors."""

    def __init__(self):
        super().__init__()
        import kafka
        import kafka.errors

        self.lib, self.errors = kafka, (kafka.errors.KafkaError,)
        settings = common_settings() | {"reconnect_backoff_max_ms": 200}
        self.consumer = kafka.KafkaConsumer(**settings)

    def subscribe(self):
        member, numbers = self, lambda partitions: [partition.partition for partition in partitions]

        # Inside a callback of its loop it cannot wait for a commit in any other way.
        class Listener(self.lib.AsyncConsumerRebalanceListener):
            async def on_partitions_assigned(self, assigned):
                member.assigned(numbers(assigned))

            async def on_partitions_revoked(self, revoked):
                offsets = member.read_of(numbers(revoked)) if BY_HAND else {}
                if offsets:
                    try:
                        await member.consumer.commit_async(member.places(offsets))
                        said_commit(offsets)
                    except member.errors as error:
                        refused(error)
                member.gone("revoked", numbers(revoked))

            async def on_partitions_lost(self, lost):
                member.gone("lost", numbers(lost))

        self.consumer.subscribe([TOPIC], listener=Listener())
        # Wait for the topic before the first join. Otherwise its metadata comes later and begins a rebalance that may never be finished:
        # DESIGN.md, known limits of clients.
        self.consumer.partitions_for_topic(TOPIC)

    def place(self, partition):
        return self.lib.TopicPartition(TOPIC, partition)

    def places(self, offsets):
        return {self.place(partition): self.lib.OffsetAndMetadata(offset, "", -1) for partition, offset in offsets.items()}

    def poll(self):
        # Longer than a rebalance takes: one that poll() has to leave half done goes wrong in several ways (DESIGN.md).
        batches = self.consumer.poll(timeout_ms=1000)
        return [(record.partition, record.offset, record.key, record.value) for batch in batches.values() for record in batch]

    def commit_sync(self, offsets):
        self.consumer.commit(self.places(offsets))

    def commit_async(self, offsets):
        def done(_, answer):
            refused(answer) if isinstance(answer, Exception) else said_commit(offsets)

        self.consumer.commit_async(self.places(offsets), callback=done)

    def pause(self, partition):
        self.consumer.pause(self.place(partition))

    def resume(self, partition):
        self.consumer.resume(self.place(partition))

    def seek(self, partition, offset):
        self.consumer.seek(self.place(partition), offset)

    def close(self):
        self.consumer.close()


class AioKafka(Member):
    """aiokafka; its loop runs whenever this program waits for it."""

    def __init__(self):
        super().__init__()
        import aiokafka
        import aiokafka.errors

        self.lib, self.errors = aiokafka, (aiokafka.errors.KafkaError,)
        self.loop = asyncio.new_event_loop()
        self.consumer = self.loop.run_until_complete(self.start())

    async def start(self):
        consumer = self.lib.AIOKafkaConsumer(**common_settings())
        consumer.subscribe([TOPIC], listener=self.listener())
        self.consumer = consumer
        await consumer.start()
        return consumer

    def listener(self):
        member, numbers = self, lambda partitions: [partition.partition for partition in partitions]

        class Listener(self.lib.ConsumerRebalanceListener):
            async def on_partitions_revoked(self, revoked):
                offsets = member.read_of(numbers(revoked)) if BY_HAND else {}
                if offsets:
                    await member.commit_soon(offsets)
                member.gone("revoked", numbers(revoked))

            async def on_partitions_assigned(self, assigned):
                member.assigned(numbers(assigned))

        return Listener()

    def subscribe(self):
        pass

    def place(self, partition):
        return self.lib.TopicPartition(TOPIC, partition)

    def poll(self):
        batches = self.loop.run_until_complete(self.consumer.getmany(timeout_ms=int(POLL_SECONDS * 1000)))
        return [(record.partition, record.offset, record.key, record.value) for batch in batches.values() for record in batch]

    async def commit_soon(self, offsets):
        try:
            await self.consumer.commit({self.place(partition): offset for partition, offset in offsets.items()})
            said_commit(offsets)
        except self.errors as error:
            refused(error)

    def commit(self, offsets):
        if offsets:
            self.loop.run_until_complete(self.commit_soon(offsets))

    def commit_async(self, offsets):
        self.task = self.loop.create_task(self.commit_soon(offsets))

    def in_loop(self, verb, *values):
        """It wants its loop to run whatever it is asked."""

        async def call():
            verb(*values)

        self.loop.run_until_complete(call())

    def pause(self, partition):
        self.in_loop(self.consumer.pause, self.place(partition))

    def resume(self, partition):
        self.in_loop(self.consumer.resume, self.place(partition))

    def seek(self, partition, offset):
        self.in_loop(self.consumer.seek, self.place(partition), offset)

    def close(self):
        self.loop.run_until_complete(self.consumer.stop())


def listen(commands):
    """Lines of standard input. When it ends, whoever started us is gone."""
    for line in sys.stdin:
        commands.put(line.strip())
    os._exit(0)


def main():
    logging.basicConfig(level=logging.INFO, format="%(asctime)s.%(msecs)03d %(name)s %(message)s", datefmt="%H:%M:%S")
    commands = queue.Queue()
    threading.Thread(target=listen, args=(commands,), daemon=True).start()
    try:
        {"confluent": Confluent, "kafka-python": KafkaPython, "aiokafka": AioKafka}[ARGS["client"]]().run(commands)
    except Exception as error:
        traceback.print_exc()
        say(f"failed {type(error).__name__} {error}".replace("\n", " "))
        os._exit(1)


main()
