//! librdkafka, current version: defaults, every codec, idempotent and not, every acks, odd records, offsets by time, refusals.

use anyhow::{Context, Result, ensure};
use compat_tests::librdkafka::{PATIENCE, Producer, Receipt, consumer, read_to_end, read_topic, send_corpus, tally_topic};
use compat_tests::rng::Rng;
use compat_tests::{Broker, BrokerOptions, corpus, story};
use rdkafka::Offset;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders, Timestamp};
use rdkafka::producer::BaseRecord;
use rdkafka::topic_partition_list::TopicPartitionList;
use std::collections::BTreeMap;

type Record<'a> = BaseRecord<'a, [u8], [u8], usize>;

#[test]
fn the_whole_corpus_survives_with_default_settings() {
    story("rdkafka_defaults", BrokerOptions::new().set("num.partitions", 4), |broker| {
        let corpus = corpus::whole()?;
        let receipts = send_corpus(broker, "corpus", corpus, &[])?;
        offsets_are_dense(&receipts.iter().filter_map(|(_, receipt)| receipt.ok()).collect::<Vec<_>>())?;
        tally_topic(broker, "corpus", &[])?.must_equal(&corpus.tally())
    });
}

#[test]
fn every_codec_works_idempotent_and_not() {
    story("rdkafka_codecs", BrokerOptions::new().set("num.partitions", 4), |broker| {
        let corpus = corpus::small()?;
        let sent = corpus.tally();
        for idempotent in ["false", "true"] {
            for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
                let topic = format!("{codec}-{idempotent}");
                let settings = [("compression.type", codec), ("enable.idempotence", idempotent)];
                let told = || format!("{codec}, enable.idempotence={idempotent}");
                send_corpus(broker, &topic, corpus, &settings).with_context(told)?;
                tally_topic(broker, &topic, &[])?.must_equal(&sent).with_context(told)?;
            }
        }
        Ok(())
    });
}

#[test]
fn acks_0_1_and_all_deliver_everything_on_a_healthy_broker() {
    story("rdkafka_acks", BrokerOptions::new().set("num.partitions", 4), |broker| {
        let corpus = corpus::small()?;
        let sent = corpus.tally();
        for acks in ["0", "1", "all"] {
            let topic = format!("acks-{acks}");
            let receipts = send_corpus(broker, &topic, corpus, &[("acks", acks)])?;
            tally_eventually(broker, &topic, sent.count)?;
            tally_topic(broker, &topic, &[])?.must_equal(&sent).with_context(|| format!("acks={acks}"))?;
            if acks != "0" {
                offsets_are_dense(&receipts.iter().filter_map(|(_, receipt)| receipt.ok()).collect::<Vec<_>>())?;
            }
        }
        Ok(())
    });
}

#[test]
fn receipts_name_the_offset_at_which_the_record_is_found() {
    story("rdkafka_receipts", BrokerOptions::new().set("num.partitions", 3), |broker| {
        let producer = Producer::new(broker, &[("enable.idempotence", "true"), ("linger.ms", "1")])?;
        for number in 0..2000 {
            let value = number.to_string();
            producer.send(number, Record::with_opaque_to("receipts", 0).key(&value.as_bytes()[..1]).payload(value.as_bytes()))?;
        }
        let mut expected = BTreeMap::new();
        for (number, receipt) in producer.finish(PATIENCE)? {
            expected.insert(receipt?, number.to_string());
        }
        let mut found = BTreeMap::new();
        read_topic(broker, "receipts", &[], |record| {
            let value = String::from_utf8_lossy(record.payload().unwrap_or_default()).into_owned();
            found.insert((record.partition(), record.offset()), value);
        })?;
        ensure!(found == expected, "records lie where the receipts say");
        Ok(())
    });
}

#[test]
fn headers_nulls_and_timestamps_come_back_as_sent() {
    story("rdkafka_odd_records", BrokerOptions::new(), |broker| {
        let producer = Producer::new(broker, &[])?;
        let twice = OwnedHeaders::new()
            .insert(Header { key: "twice", value: Some("1") })
            .insert(Header { key: "twice", value: Some("2") })
            .insert(Header { key: "null", value: None::<&str> })
            .insert(Header { key: "", value: Some("") });
        producer.send(0, Record::with_opaque_to("odd", 0).key(b"headers").payload(b"v").headers(twice).timestamp(1_000_000_000_000))?;
        producer.send(1, Record::with_opaque_to("odd", 0).key(b"only a key").timestamp(1_600_000_000_000))?;
        producer.send(2, Record::with_opaque_to("odd", 0).payload(b"only a value").timestamp(1_500_000_000_000))?;
        producer.send(3, Record::with_opaque_to("odd", 0).timestamp(1))?;
        producer.send(4, Record::with_opaque_to("odd", 0).key(b"").payload(b"").timestamp(1))?;
        all_taken(&producer.finish(PATIENCE)?)?;
        let mut seen = Vec::new();
        read_topic(broker, "odd", &[], |record| {
            let headers: Vec<String> =
                record.headers().map(|headers| headers.iter().map(|header| format!("{header:?}")).collect()).unwrap_or_default();
            seen.push((record.key().map(<[u8]>::to_vec), record.payload().map(<[u8]>::to_vec), record.timestamp(), headers));
        })?;
        let header = |key: &str, value: Option<&str>| format!("{:?}", Header { key, value: value.map(str::as_bytes) });
        let headers = vec![header("twice", Some("1")), header("twice", Some("2")), header("null", None), header("", Some(""))];
        let bytes = |text: &str| Some(text.as_bytes().to_vec());
        let at = Timestamp::CreateTime;
        let expected = vec![
            (bytes("headers"), bytes("v"), at(1_000_000_000_000), headers),
            (bytes("only a key"), None, at(1_600_000_000_000), vec![]),
            (None, bytes("only a value"), at(1_500_000_000_000), vec![]),
            (None, None, at(1), vec![]),
            (bytes(""), bytes(""), at(1), vec![]),
        ];
        ensure!(seen == expected, "sent {expected:?}\nread {seen:?}");
        Ok(())
    });
}

#[test]
fn a_record_from_the_future_takes_its_batch_with_it() {
    story("rdkafka_future", BrokerOptions::new(), |broker| {
        let producer = Producer::new(broker, &[("linger.ms", "500"), ("enable.idempotence", "true")])?;
        for number in 0..5 {
            let record = Record::with_opaque_to("future", 0).key(b"k").payload(b"v");
            // More than an hour ahead: message.timestamp.after.max.ms.
            producer.send(number, if number == 2 { record.timestamp(4_000_000_000_000) } else { record })?;
        }
        let receipts = producer.finish(PATIENCE)?;
        ensure!(receipts.len() == 5, "{receipts:?}");
        ensure!(receipts.iter().all(|(_, receipt)| *receipt == Err(RDKafkaErrorCode::InvalidTimestamp)), "{receipts:?}");
        producer.send(5, Record::with_opaque_to("future", 0).payload(b"now"))?;
        ensure!(producer.finish(PATIENCE)? == [(5, Ok((0, 0)))], "nothing was written before");
        ensure!(read_topic(broker, "future", &[], |_| ())? == 1, "one record");
        Ok(())
    });
}

#[test]
fn watermarks_and_offsets_for_times_agree_with_the_log() {
    story("rdkafka_offsets", BrokerOptions::new(), |broker| {
        let producer = Producer::new(broker, &[("batch.num.messages", "10")])?;
        let start = 1_700_000_000_000;
        for number in 0..100 {
            producer.send(number, Record::with_opaque_to("times", 0).payload(b"x").timestamp(start + 10 * number as i64))?;
        }
        all_taken(&producer.finish(PATIENCE)?)?;
        let consumer = consumer(broker, &[])?;
        ensure!(consumer.fetch_watermarks("times", 0, PATIENCE)? == (0, 100), "watermarks");
        let first_since = |time: i64| -> Result<Offset> {
            let mut question = TopicPartitionList::new();
            question.add_partition_offset("times", 0, Offset::Offset(time))?;
            let answer = consumer.offsets_for_times(question, PATIENCE)?;
            Ok(answer.find_partition("times", 0).context("the partition asked for")?.offset())
        };
        for (time, offset) in [(start - 1, 0), (start, 0), (start + 1, 1), (start + 10, 1), (start + 555, 56), (start + 990, 99)] {
            ensure!(first_since(time)? == Offset::Offset(offset), "first since {time}: {:?}", first_since(time)?);
        }
        ensure!(first_since(start + 991)? == Offset::End, "nothing since then: {:?}", first_since(start + 991)?);
        for (from, count) in [(Offset::Offset(90), 10), (Offset::OffsetTail(3), 3), (Offset::End, 0), (Offset::Beginning, 100)] {
            let mut first = None;
            let read = read_to_end(&consumer, "times", &[(0, from)], |record| _ = first.get_or_insert(record.offset()))?;
            ensure!(read == count, "{from:?}: {read}");
            ensure!(first == (count > 0).then_some(100 - count as i64), "{from:?} begins at {first:?}");
        }
        Ok(())
    });
}

#[test]
fn a_place_beyond_the_log_is_out_of_range_and_resets_as_the_consumer_wishes() {
    story("rdkafka_out_of_range", BrokerOptions::new(), |broker| {
        let producer = Producer::new(broker, &[])?;
        (0..10).try_for_each(|number| producer.send(number, Record::with_opaque_to("short", 0).payload(b"x")))?;
        all_taken(&producer.finish(PATIENCE)?)?;
        let beyond = [(0, Offset::Offset(1000))];
        ensure!(read_to_end(&consumer(broker, &[("auto.offset.reset", "earliest")])?, "short", &beyond, |_| ())? == 10, "earliest");
        ensure!(read_to_end(&consumer(broker, &[("auto.offset.reset", "latest")])?, "short", &beyond, |_| ())? == 0, "latest");
        let refused = read_to_end(&consumer(broker, &[("auto.offset.reset", "error")])?, "short", &beyond, |_| ());
        let error = refused.expect_err("error").downcast::<KafkaError>()?;
        ensure!(error.rdkafka_error_code() == Some(RDKafkaErrorCode::AutoOffsetReset), "{error}");
        // The end itself is no error: nothing there yet.
        ensure!(read_to_end(&consumer(broker, &[])?, "short", &[(0, Offset::Offset(10))], |_| ())? == 0, "the end");
        Ok(())
    });
}

#[test]
fn sizes_from_one_byte_to_900_kb_pass_and_a_batch_over_the_limit_is_refused() {
    story("rdkafka_sizes", BrokerOptions::new(), |broker| {
        let mut rng = Rng::new(7);
        let sizes = [0, 1, 2, 63, 64, 8191, 8192, 65_535, 65_536, 300_000, 900_000];
        let values: Vec<Vec<u8>> = sizes.iter().map(|&size_bytes| rng.bytes(size_bytes)).collect();
        let producer = Producer::new(broker, &[("message.max.bytes", "5000000"), ("enable.idempotence", "true")])?;
        for (number, value) in values.iter().enumerate() {
            producer.send(number, Record::with_opaque_to("sizes", 0).payload(value))?;
        }
        all_taken(&producer.finish(PATIENCE)?)?;
        // 1,048,588 bytes is Kafka's message.max.bytes.
        producer.send(99, Record::with_opaque_to("sizes", 0).payload(&rng.bytes(2_000_000)))?;
        let refused = producer.finish(PATIENCE)?;
        ensure!(refused == [(99, Err(RDKafkaErrorCode::MessageSizeTooLarge))], "{refused:?}");
        producer.send(100, Record::with_opaque_to("sizes", 0).payload(b"the next one passes"))?;
        ensure!(producer.finish(PATIENCE)? == [(100, Ok((0, values.len() as i64)))], "after a refusal");
        let mut read = Vec::new();
        read_topic(broker, "sizes", &[], |record| read.push(record.payload().unwrap_or_default().to_vec()))?;
        ensure!(read.pop().is_some_and(|last| last == b"the next one passes") && read == values, "as sent");
        Ok(())
    });
}

#[test]
fn a_topic_that_nobody_may_create_is_unknown() {
    story("rdkafka_unknown", BrokerOptions::new().set("auto.create.topics.enable", "false"), |broker| {
        let producer = Producer::new(broker, &[("message.timeout.ms", "8000"), ("topic.metadata.propagation.max.ms", "500")])?;
        producer.send(0, Record::with_opaque_to("nowhere", 0).payload(b"x"))?;
        let receipts = producer.finish(PATIENCE)?;
        ensure!(receipts == [(0, Err(RDKafkaErrorCode::UnknownTopicOrPartition))], "{receipts:?}");
        let refused =
            read_to_end(&consumer(broker, &[("topic.metadata.propagation.max.ms", "500")])?, "nowhere", &[(0, Offset::Beginning)], |_| ());
        let error = refused.expect_err("unknown").downcast::<KafkaError>()?;
        ensure!(error.rdkafka_error_code() == Some(RDKafkaErrorCode::UnknownTopicOrPartition), "{error}");
        Ok(())
    });
}

/// acks=0 says nothing of arrival: waits, by reading, until the broker has worked off what it was sent.
fn tally_eventually(broker: &Broker, topic: &str, count: u64) -> Result<()> {
    let consumer = consumer(broker, &[])?;
    let partitions = compat_tests::librdkafka::partitions(&consumer, topic)?;
    let mut assignment = TopicPartitionList::new();
    partitions.iter().try_for_each(|&partition| assignment.add_partition_offset(topic, partition, Offset::Beginning))?;
    consumer.assign(&assignment)?;
    let mut seen = 0;
    while seen < count {
        match consumer.poll(PATIENCE) {
            Some(Ok(_)) => seen += 1,
            Some(Err(KafkaError::PartitionEOF(_))) => {}
            Some(Err(error)) => return Err(error.into()),
            None => anyhow::bail!("{seen} of {count} records, then nothing"),
        }
    }
    Ok(())
}

fn all_taken(receipts: &[(usize, Receipt)]) -> Result<()> {
    let refused = receipts.iter().find(|(_, receipt)| receipt.is_err());
    ensure!(refused.is_none(), "not acknowledged: {refused:?}");
    Ok(())
}

/// Per partition: 0, 1, 2, ... without a hole.
fn offsets_are_dense(places: &[(i32, i64)]) -> Result<()> {
    let mut sorted = places.to_vec();
    sorted.sort_unstable();
    let mut next = BTreeMap::new();
    for (partition, offset) in sorted {
        let expected = next.entry(partition).or_insert(0);
        ensure!(*expected == offset, "partition {partition}: offset {offset} where {expected} is due");
        *expected += 1;
    }
    Ok(())
}
