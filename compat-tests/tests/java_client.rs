//! The Java client with stock defaults (idempotent): the whole corpus, and what Java programs rely on beyond plain text.

use anyhow::{Context, Result, ensure};
use compat_tests::corpus::{self, Corpus, Tally};
use compat_tests::java::Java;
use compat_tests::{Broker, BrokerOptions, need, story};
use std::fs::{self, File};
use std::io::{BufWriter, Write};

#[test]
fn the_whole_corpus_survives_a_stock_java_producer() {
    let name = "java_corpus";
    let Some(java) = need(name, Java::find()) else { return };
    story(name, BrokerOptions::new().set("num.partitions", 4), |broker| round_trip(broker, &java, corpus::whole()?, "corpus", &[]));
}

#[test]
fn every_codec_and_acks_of_the_java_producer_works() {
    let name = "java_settings";
    let Some(java) = need(name, Java::find()) else { return };
    story(name, BrokerOptions::new().set("num.partitions", 4), |broker| {
        for codec in ["gzip", "snappy", "lz4", "zstd"] {
            let setting = format!("compression.type={codec}");
            round_trip(broker, &java, corpus::small()?, codec, &[&setting]).context(setting)?;
        }
        let acks_1 = ["acks=1", "enable.idempotence=false"];
        round_trip(broker, &java, corpus::small()?, "acks-1", &acks_1).context("acks=1")
    });
}

#[test]
fn headers_nulls_times_sizes_and_refusals_look_right_to_java() {
    let name = "java_odd_records";
    let Some(java) = need(name, Java::find()) else { return };
    story(name, BrokerOptions::new(), |broker| {
        let said = java.source("OddRecords.java", &[&broker.bootstrap()])?.quiet()?.text();
        ensure!(said.trim() == "as expected", "{said}");
        Ok(())
    });
}

fn round_trip(broker: &Broker, java: &Java, corpus: &Corpus, topic: &str, settings: &[&str]) -> Result<()> {
    let scratch = broker.scratch_dir()?;
    let (sent, read) = (scratch.join("sent"), scratch.join("read"));
    let mut file = BufWriter::new(File::create(&sent)?);
    corpus.write_framed(&mut file)?;
    file.flush()?;
    let (from, to, servers) = (sent.to_string_lossy(), read.to_string_lossy(), broker.bootstrap());
    java.source("Corpus.java", &[&[&servers, topic, &from, &to], settings].concat())?.ok()?;
    let mut tally = Tally::default();
    tally.add_framed(&fs::read(&read)?)?;
    tally.must_equal(&corpus.tally())
}
