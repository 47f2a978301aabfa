//! kcat writes and reads everything back: the whole corpus with every codec, odd records, metadata, offsets by place and by time.

use anyhow::{Context, Result, ensure};
use compat_tests::corpus::{self, Tally};
use compat_tests::kcat::Kcat;
use compat_tests::rng::Rng;
use compat_tests::{BrokerOptions, need, story};
use std::fs;

#[test]
fn kcat_carries_the_whole_corpus_with_every_codec() {
    let name = "kcat_corpus";
    let Some(kcat) = need(name, Kcat::find()) else { return };
    story(name, BrokerOptions::new().set("num.partitions", 4), |broker| {
        let corpus = corpus::whole()?;
        let sent = corpus.tally();
        for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
            let topic = format!("corpus-{codec}");
            kcat.feed(broker, &["-P", "-t", &topic, "-K", "\t", "-z", codec], |to| corpus.write_lines(to))?.ok()?;
            let read = kcat.run(broker, &["-C", "-t", &topic, "-o", "beginning", "-e", "-q", "-f", "%K\n%k%S\n%s"])?.ok()?;
            let mut tally = Tally::default();
            let mut rest = read.stdout.as_slice();
            while !rest.is_empty() {
                let key = sized(&mut rest)?.context("every record has a key")?;
                let value = sized(&mut rest)?.context("every record has a value")?;
                tally.add(key, value);
            }
            tally.must_equal(&sent).with_context(|| codec)?;
        }
        Ok(())
    });
}

#[test]
fn kcat_sees_headers_nulls_and_sizes_from_one_byte_to_900_kb() {
    let name = "kcat_odd_records";
    let Some(kcat) = need(name, Kcat::find()) else { return };
    story(name, BrokerOptions::new(), |broker| {
        // No delimiter byte inside a file: kcat sends a file named on its command line as one message.
        let large = Rng::new(1).bytes(900_000);
        let scratch = broker.scratch_dir()?;
        let (one, huge) = (scratch.join("one"), scratch.join("huge"));
        fs::write(&one, b"x")?;
        fs::write(&huge, &large)?;
        let produce = ["-P", "-t", "odd", "-p", "0"];
        let with = |more: &[&'static str]| produce.iter().chain(more).copied().map(str::to_owned).collect::<Vec<_>>();
        let feed = |args: Vec<String>, text: &'static str| -> Result<()> {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            kcat.feed(broker, &args, |to| to.write_all(text.as_bytes()))?.ok().map(drop)
        };
        feed(with(&["-H", "twice=1", "-H", "twice=2", "-H", "bare", "-H", "empty=", "-k", "headers"]), "some headers\n")?;
        feed(with(&["-Z", "-K", ":"]), "key without value:\n:value without key\n:\n")?;
        feed(with(&["-K", ":"]), "empty:\n")?;
        let (one, huge) = (one.to_string_lossy(), huge.to_string_lossy());
        kcat.run(broker, &[&produce[..], &["-k", "one", &one]].concat())?.ok()?;
        kcat.run(broker, &[&produce[..], &["-k", "huge", &huge]].concat())?.ok()?;

        let read = kcat.run(broker, &["-C", "-t", "odd", "-p", "0", "-o", "beginning", "-e", "-q", "-f", "%o\n%h\n%K\n%k%S\n%s"])?.ok()?;
        let mut rest = read.stdout.as_slice();
        let mut records = Vec::new();
        while !rest.is_empty() {
            let (offset, headers) = (line(&mut rest)?, line(&mut rest)?);
            records.push((offset, headers, sized(&mut rest)?, sized(&mut rest)?));
        }
        let expected: [Record; 7] = [
            ("0", "twice=1,twice=2,bare=NULL,empty=", Some(b"headers"), Some(b"some headers")),
            ("1", "", Some(b"key without value"), None),
            ("2", "", None, Some(b"value without key")),
            ("3", "", None, None),
            ("4", "", Some(b"empty"), Some(b"")),
            ("5", "", Some(b"one"), Some(b"x")),
            ("6", "", Some(b"huge"), Some(&large)),
        ];
        ensure!(records.len() == expected.len(), "{} records", records.len());
        for (read, sent) in records.iter().zip(&expected) {
            let shown = |record: &Record| {
                format!("{} [{}] {:?} {:?} bytes", record.0, record.1, record.2.map(String::from_utf8_lossy), record.3.map(<[u8]>::len))
            };
            ensure!(read == sent, "sent {}\nread {}", shown(sent), shown(read));
        }
        Ok(())
    });
}

#[test]
fn kcat_lists_brokers_topics_and_partitions() {
    let name = "kcat_metadata";
    let Some(kcat) = need(name, Kcat::find()) else { return };
    story(name, BrokerOptions::new().set("num.partitions", 3), |broker| {
        kcat.feed(broker, &["-P", "-t", "listed"], |to| to.write_all(b"x\n"))?.ok()?;
        let text = kcat.run(broker, &["-L"])?.ok()?.text();
        ensure!(text.contains("1 brokers:") && text.contains("topic \"listed\" with 3 partitions:"), "{text}");
        let listed: serde_json::Value = serde_json::from_slice(&kcat.run(broker, &["-L", "-J", "-t", "listed"])?.ok()?.stdout)?;
        let id = &listed["brokers"][0]["id"];
        ensure!(id.is_i64() && listed["brokers"][0]["name"] == broker.bootstrap(), "{listed}");
        ensure!(listed["controllerid"] == *id, "a client finds a controller: {listed}");
        let partitions = listed["topics"][0]["partitions"].as_array().context("partitions")?;
        ensure!(partitions.len() == 3, "{listed}");
        for (index, partition) in partitions.iter().enumerate() {
            ensure!(partition["partition"] == index && partition["leader"] == *id, "{partition}");
            ensure!(partition["replicas"] == serde_json::json!([{"id": id}]) && partition["isrs"] == partition["replicas"], "{partition}");
        }
        Ok(())
    });
}

#[test]
fn kcat_finds_offsets_by_place_and_by_time() {
    let name = "kcat_offsets";
    let Some(kcat) = need(name, Kcat::find()) else { return };
    story(name, BrokerOptions::new(), |broker| {
        kcat.feed(broker, &["-P", "-t", "places"], |to| (0..1000).try_for_each(|i| writeln!(to, "{i}")))?.ok()?;
        let read = |places: &[&str]| -> Result<Vec<(u64, i64)>> {
            let args = [&["-C", "-t", "places", "-p", "0", "-e", "-q", "-f", "%o %T %s\n"], places].concat();
            let text = kcat.run(broker, &args)?.ok()?.text();
            let parsed = text.lines().map(|line| {
                let [offset, time, value] = line.split(' ').collect::<Vec<_>>()[..] else { anyhow::bail!("{line}") };
                ensure!(offset == value, "record {value} at offset {offset}");
                Ok((offset.parse()?, time.parse()?))
            });
            parsed.collect()
        };
        let offsets = |records: &[(u64, i64)]| records.iter().map(|record| record.0).collect::<Vec<_>>();
        let all = read(&["-o", "beginning"])?;
        ensure!(offsets(&all) == (0..1000).collect::<Vec<_>>(), "from the beginning: {}", all.len());
        ensure!(all.windows(2).all(|pair| pair[0].1 <= pair[1].1), "one producer's clock does not go back here");
        ensure!(offsets(&read(&["-o", "990"])?) == (990..1000).collect::<Vec<_>>(), "from offset 990");
        ensure!(offsets(&read(&["-o", "-5"])?) == (995..1000).collect::<Vec<_>>(), "the last five");
        ensure!(read(&["-o", "end"])?.is_empty(), "nothing after the end");
        ensure!(offsets(&read(&["-o", "10", "-c", "3"])?) == [10, 11, 12], "three from offset 10");

        let by_time = |time: i64| -> Result<String> {
            Ok(kcat.run(broker, &["-Q", "-t", &format!("places:0:{time}")])?.ok()?.text().trim().to_owned())
        };
        let middle = all[500].1;
        let first_at_middle = all.iter().find(|record| record.1 >= middle).context("there is one")?.0;
        ensure!(by_time(middle)? == format!("places [0] offset {first_at_middle}"), "{}", by_time(middle)?);
        ensure!(by_time(all[0].1 - 1)? == "places [0] offset 0", "{}", by_time(all[0].1 - 1)?);
        ensure!(by_time(-2)? == "places [0] offset 0" && by_time(-1)? == "places [0] offset 1000", "earliest and latest");
        // Nothing is that young: librdkafka says -1.
        ensure!(by_time(all[999].1 + 3_600_000)? == "places [0] offset -1", "{}", by_time(all[999].1 + 3_600_000)?);
        let since = read(&["-o", &format!("s@{middle}")])?;
        ensure!(offsets(&since) == (first_at_middle..1000).collect::<Vec<_>>(), "since a time: {}", since.len());
        Ok(())
    });
}

/// Offset, headers, key and value as kcat prints them.
type Record<'a> = (&'a str, &'a str, Option<&'a [u8]>, Option<&'a [u8]>);

/// Takes a text line off the front.
fn line<'a>(rest: &mut &'a [u8]) -> Result<&'a str> {
    let end = rest.iter().position(|&byte| byte == b'\n').context("a line")?;
    let (line, after) = rest.split_at(end);
    *rest = &after[1..];
    Ok(std::str::from_utf8(line)?)
}

/// Takes a byte string off the front that stands behind a line with its size; size -1 is null.
fn sized<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a [u8]>> {
    let size: i64 = line(rest)?.parse()?;
    let Ok(size) = usize::try_from(size) else { return Ok(None) };
    let (bytes, after) = rest.split_at_checked(size).context("torn output")?;
    *rest = after;
    Ok(Some(bytes))
}
