//! Transactions on Java clients of three times: what producers are told, and what readers of both isolation levels see, offset by offset.
//!
//! The same commands were given at Apache Kafka; `golden/transactions-*.txt` holds what came out there.

use anyhow::{Context, Result, ensure};
use compat_tests::java::same_as_golden;
use compat_tests::losing_proxy::{LosingProxy, Then};
use compat_tests::transactor::{self, Transactor};
use compat_tests::{Broker, BrokerOptions, need, story};
use std::time::Duration;

const PRODUCE: i16 = 0;
const INIT_PRODUCER_ID: i16 = 22;
const ADD_PARTITIONS_TO_TXN: i16 = 24;
const ADD_OFFSETS_TO_TXN: i16 = 25;
const END_TXN: i16 = 26;
const TXN_OFFSET_COMMIT: i16 = 28;
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn java_4_with_transaction_version_2_sees_what_it_sees_at_apache_kafka() {
    play("transactions-4", None);
}

#[test]
fn java_3_with_transaction_version_1_sees_what_it_sees_at_apache_kafka() {
    play("transactions-3", Some("3.9.1"));
}

#[test]
fn java_2_with_the_oldest_versions_sees_what_it_sees_at_apache_kafka() {
    play("transactions-2", Some("2.8.2"));
}

fn play(name: &str, client: Option<&'static str>) {
    let Some(java) = need(name, transactor::find(client)) else { return };
    let proxy = LosingProxy::start().expect("a loopback port");
    let options = BrokerOptions::new()
        .set("advertised.listeners", format!("PLAINTEXT://localhost:{}", proxy.port()))
        .set("transaction.abort.timed.out.transaction.cleanup.interval.ms", 200);
    story(name, options, |broker| {
        proxy.forward_to(broker.port());
        let mut told = Transactor::start(&java, &broker.bootstrap(), broker.scratch_dir()?.join("transactor.log"))?;
        everyday(&mut told)?;
        side_by_side(&mut told)?;
        wide(&mut told)?;
        fencing(&mut told)?;
        timeouts(&mut told)?;
        offsets(&mut told)?;
        lost_answers(&mut told, &proxy, client.is_none())?;
        restarts(&mut told, &proxy, broker)?;
        let transcript = told.finish()?;
        let waits = transcript.lines().zip(transcript.lines().skip(1)).filter(|(asked, _)| asked.starts_with("$ settled "));
        let stuck: Vec<&str> = waits.filter(|(_, said)| *said != "ok").map(|(asked, _)| asked).collect();
        ensure!(stuck.is_empty(), "a transaction never ends: {stuck:?}\n{transcript}");
        same_as_golden(&format!("{name}.txt"), &transcript)
    });
}

fn everyday(told: &mut Transactor) -> Result<()> {
    told.chapter("commit, abort, nothing at all");
    told.play(
        "topic t 2
        producer p tx-p 600000
        init p
        begin p
        send p t 0 a
        send p t 0 b
        send p t 1 c
        read t uncommitted
        read t committed
        commit p
        settled t
        read t uncommitted
        read t committed
        begin p
        send p t 0 d
        send p t 1 e
        abort p
        settled t
        begin p
        commit p
        begin p
        abort p
        begin p
        send p t 1 f
        commit p
        settled t
        plain t 0 x,y
        read t uncommitted
        read t committed
        topic many 1
        many p many 0 40
        settled many
        read many uncommitted
        read many committed",
    )
}

fn side_by_side(told: &mut Transactor) -> Result<()> {
    told.chapter("transactions of three producers overlap in one partition");
    told.play(
        "topic u 1
        producer q tx-q 600000
        init q
        producer r tx-r 600000
        init r
        begin p
        begin q
        begin r
        send p u 0 p1
        send q u 0 q1
        plain u 0 n1
        send r u 0 r1
        send q u 0 q2
        commit q
        grown u 0 6
        read u committed
        read u uncommitted
        abort p
        grown u 0 7
        read u committed
        begin p
        send p u 0 p2
        abort r
        grown u 0 9
        read u committed
        abort p
        settled u
        read u committed
        read u uncommitted",
    )
}

fn wide(told: &mut Transactor) -> Result<()> {
    told.chapter("transactions over 120 partitions");
    told.play(
        "topic w 120
        begin p
        spread p w 0 120 a
        commit p
        begin p
        spread p w 0 100 b
        spread p w 60 120 c
        abort p
        settled w
        begin q
        spread q w 30 90 d
        commit q
        settled w
        read w uncommitted
        read w committed",
    )
}

fn fencing(told: &mut Transactor) -> Result<()> {
    told.chapter("a second instance fences the first");
    told.play(
        "topic f 1
        producer a1 tx-a 600000
        init a1
        begin a1
        send a1 f 0 a1-open
        producer a2 tx-a 600000
        init a2
        settled f
        send a1 f 0 a1-zombie
        commit a1
        abort a1
        close a1
        begin a2
        send a2 f 0 a2
        producer a3 tx-a 600000
        init a3
        commit a2
        abort a2
        close a2
        begin a3
        producer a4 tx-a 600000
        init a4
        send a3 f 0 a3-zombie
        abort a3
        close a3
        begin a4
        send a4 f 0 a4
        commit a4
        close a4
        producer a5 tx-a 600000
        init a5
        begin a5
        producer a6 tx-a 600000
        init a6
        offsets a5 f 0 1 in fenced-group
        commit a5
        begin a6
        send a6 f 0 a6
        drop a6
        producer a7 tx-a 600000
        init a7
        settled f
        begin a7
        send a7 f 0 a7
        commit a7
        settled f
        read f uncommitted
        read f committed",
    )
}

fn timeouts(told: &mut Transactor) -> Result<()> {
    told.chapter("the broker aborts what takes too long");
    told.play(
        "topic o 1
        producer s1 tx-s 1000
        init s1
        begin s1
        send s1 o 0 slow1
        settled o
        read o committed
        commit s1
        abort s1
        close s1
        producer s2 tx-s 1000
        init s2
        begin s2
        send s2 o 0 slow2
        settled o
        send s2 o 0 late
        commit s2
        abort s2
        begin s2
        send s2 o 0 after
        commit s2
        close s2
        producer s3 tx-s 1000
        init s3
        begin s3
        send s3 o 0 slow3
        settled o
        abort s3
        close s3
        producer s4 tx-s 600000
        init s4
        begin s4
        send s4 o 0 good
        commit s4
        settled o
        read o uncommitted
        read o committed
        producer s5 tx-too-long 900001
        init s5",
    )
}

fn offsets(told: &mut Transactor) -> Result<()> {
    told.chapter("offsets of a group in a transaction");
    told.play(
        "topic in 1
        topic out 1
        plain in 0 1,2,3
        join m g in 3
        begin p
        send p out 0 x
        offsets p in 0 2 of m
        committed g in 0 any
        committed g in 0 pending
        commit p
        committed g in 0 stable
        begin p
        offsets p in 0 3 of m
        committed g in 0 any
        abort p
        committed g in 0 stable
        begin p
        send p out 0 y
        offsets p in 0 3 as g 99 nobody
        commit p
        abort p
        begin p
        offsets p in 0 1 of m
        send p out 0 z
        offsets p in 0 3 of m
        commit p
        committed g in 0 stable
        leave m
        begin p
        offsets p in 0 2 in unheard-of
        commit p
        committed unheard-of in 0 stable
        settled out
        read out uncommitted
        read out committed",
    )
}

/// The broker did what it was asked, the answer never arrived, and the client asks again.
fn lost_answers(told: &mut Transactor, proxy: &LosingProxy, implicit_adds: bool) -> Result<()> {
    told.chapter("answers get lost");
    told.play("topic l 1\nproducer b tx-b 600000")?;
    let lose = |told: &mut Transactor, api_key: i16, command: &str| {
        proxy.lose(api_key, Then::HangUp);
        told.ask(command)?;
        proxy.wait_lost(Duration::ZERO).with_context(|| command.to_owned())
    };
    lose(told, INIT_PRODUCER_ID, "init b")?;
    told.ask("begin b")?;
    lose(told, PRODUCE, "send b l 0 once")?;
    lose(told, END_TXN, "commit b")?;
    told.ask("begin b")?;
    // From version 12 on Produce adds partitions, from version 5 on TxnOffsetCommit adds the group.
    let (add_partitions, add_offsets) =
        if implicit_adds { (PRODUCE, TXN_OFFSET_COMMIT) } else { (ADD_PARTITIONS_TO_TXN, ADD_OFFSETS_TO_TXN) };
    lose(told, add_partitions, "send b l 0 aborted")?;
    lose(told, add_offsets, "offsets b l 0 7 in lossy")?;
    lose(told, END_TXN, "abort b")?;
    told.ask("begin b")?;
    lose(told, TXN_OFFSET_COMMIT, "offsets b l 0 1 in lossy")?;
    lose(told, END_TXN, "commit b")?;
    told.play("committed lossy l 0 stable\nsettled l\nread l uncommitted\nread l committed")
}

/// Open transactions, and a decided one whose producer does not know, over stops and kills.
fn restarts(told: &mut Transactor, proxy: &LosingProxy, broker: &mut Broker) -> Result<()> {
    told.chapter("the broker comes and goes");
    told.play("topic k 3\nbegin p\nspread p k 0 3 a\nbegin q\nsend q k 1 b")?;
    broker.restart()?;
    proxy.forward_to(broker.port());
    told.play("read k committed\nread k uncommitted\nsend p k 2 c\ncommit p\ngrown k 0 2\ngrown k 1 3\ngrown k 2 3")?;
    // An open transaction: the one before it is complete.
    told.play("read k committed\nbegin p\nsend p k 0 e")?;
    kill(broker)?;
    told.play("read k committed\nread k uncommitted\nspread q k 0 2 d\nabort q\nspread p k 0 3 f\nbegin q\nspread q k 1 3 g")?;
    // From here on offsets are chance: whoever dies between markers and the end of a transaction writes the markers again.
    for decision in ["commit p", "abort q"] {
        proxy.lose(END_TXN, Then::Silence);
        told.ask(&format!("later end {decision}"))?;
        proxy.wait_lost(PATIENCE)?;
        kill(broker)?;
        told.ask("now end")?;
    }
    told.play("settled k\nvalues k uncommitted\nvalues k committed\nbegin p\nspread p k 0 2 h\ncommit p\nsettled k")?;
    kill(broker)?;
    told.play("values k uncommitted\nvalues k committed\nread t committed\nread u committed\nread o committed\ncommitted g in 0 stable")
}

fn kill(broker: &mut Broker) -> Result<()> {
    broker.kill9()?;
    let took = broker.restart()?;
    ensure!(took <= broker.recovery_limit(), "ready {took:?} after a kill");
    Ok(())
}

#[test]
fn epochs_run_out_and_the_producer_does_not_notice() {
    let name = "transactions-epochs";
    if std::env::var("OTTLA_COMPAT_FULL").as_deref() != Ok("1") {
        return;
    }
    let Some(java) = need(name, transactor::find(None)) else { return };
    story(name, BrokerOptions::new(), |broker| {
        let mut told = Transactor::start(&java, &broker.bootstrap(), broker.scratch_dir()?.join("transactor.log"))?;
        // Each transaction takes an epoch, and there are 32766 of them.
        told.play("topic x 1\nproducer p tx-p 60000\ninit p")?;
        for _ in 0..7 {
            ensure!(told.ask("many p x 0 5000")? == ["ok 5000 done"], "{}", told.transcript);
        }
        // A record and a marker each; of 5000 in a row 1666 are aborted.
        told.play("settled x\ncount x uncommitted\ncount x committed")?;
        let seen = told.finish()?;
        let right = seen.ends_with("$ count x uncommitted\nok 35000 records,end 70000\n$ count x committed\nok 23338 records,end 70000\n");
        ensure!(right, "{seen}");
        Ok(())
    });
}
