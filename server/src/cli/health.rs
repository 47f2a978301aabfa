//! `ottla health`: one ApiVersions request over TCP, for health checks that have no other client at hand.
//!
//! Written out by hand and in version 0, which every broker understands, so that it also works against Apache Kafka.

use anyhow::{Context, bail, ensure};
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// How long a healthy server may take for each step.
const PATIENCE: Duration = Duration::from_secs(5);
/// More than any ApiVersions answer: whoever sends more is no broker.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
const CORRELATION_ID: i32 = 0x0771_a000;

/// Ends well if a broker at `bootstrap` answers.
pub(super) fn check(bootstrap: &str) -> anyhow::Result<()> {
    let addresses: Vec<_> = bootstrap.to_socket_addrs().with_context(|| format!("{bootstrap} is no address"))?.collect();
    let mut last = anyhow::anyhow!("{bootstrap} has no address");
    for address in addresses {
        match ask(TcpStream::connect_timeout(&address, PATIENCE)) {
            Ok(()) => return Ok(()),
            Err(error) => last = error.context(format!("{bootstrap} ({address})")),
        }
    }
    Err(last)
}

fn ask(stream: std::io::Result<TcpStream>) -> anyhow::Result<()> {
    let mut stream = stream.context("cannot connect")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(&request()).context("cannot send")?;
    let mut size = [0; 4];
    stream.read_exact(&mut size).with_context(|| format!("no answer within {} s", PATIENCE.as_secs()))?;
    let size = usize::try_from(i32::from_be_bytes(size)).unwrap_or(usize::MAX);
    ensure!(size <= ANSWER_BYTES_MAX, "the answer is none of a Kafka broker");
    let mut answer = vec![0; size];
    stream.read_exact(&mut answer).with_context(|| format!("no whole answer within {} s", PATIENCE.as_secs()))?;
    read_answer(&answer)
}

/// ApiVersions v0 with a v1 header: key, version, correlation id, client id; no body.
fn request() -> Vec<u8> {
    const CLIENT_ID: &[u8] = b"ottla-health";
    let mut body = Vec::new();
    body.extend(18_i16.to_be_bytes());
    body.extend(0_i16.to_be_bytes());
    body.extend(CORRELATION_ID.to_be_bytes());
    body.extend((CLIENT_ID.len() as i16).to_be_bytes());
    body.extend(CLIENT_ID);
    let mut frame = (body.len() as i32).to_be_bytes().to_vec();
    frame.extend(body);
    frame
}

fn read_answer(answer: &[u8]) -> anyhow::Result<()> {
    let Some((correlation_id, rest)) = answer.split_first_chunk() else { bail!("the answer is too short") };
    ensure!(i32::from_be_bytes(*correlation_id) == CORRELATION_ID, "the answer belongs to another request");
    let Some((error_code, rest)) = rest.split_first_chunk() else { bail!("the answer is too short") };
    let error_code = i16::from_be_bytes(*error_code);
    ensure!(error_code == 0, "the broker answers with error code {error_code}");
    let Some((apis, _)) = rest.split_first_chunk() else { bail!("the answer is too short") };
    ensure!(i32::from_be_bytes(*apis) > 0, "the broker offers no API");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn answer(correlation_id: i32, error_code: i16, apis: i32) -> Vec<u8> {
        let mut bytes = correlation_id.to_be_bytes().to_vec();
        bytes.extend(error_code.to_be_bytes());
        bytes.extend(apis.to_be_bytes());
        bytes
    }

    #[test]
    fn only_a_whole_answer_to_our_question_without_an_error_is_healthy() {
        assert!(read_answer(&answer(CORRELATION_ID, 0, 60)).is_ok());
        for bad in [
            answer(1, 0, 60),
            answer(CORRELATION_ID, 35, 60),
            answer(CORRELATION_ID, 0, 0),
            answer(CORRELATION_ID, 0, 1)[..9].to_vec(),
            vec![],
        ] {
            assert!(read_answer(&bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_server_of_another_kind_is_not_healthy() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let bootstrap = listener.local_addr().expect("bound").to_string();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            let mut question = vec![0; request().len()];
            stream.read_exact(&mut question).expect("a question");
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").expect("sent");
        });
        let error = format!("{:#}", check(&bootstrap).expect_err("no broker"));
        assert!(error.contains("the answer is none of a Kafka broker"), "{error}");
        server.join().expect("served");
        let error = format!("{:#}", check(&bootstrap).expect_err("nobody there any more"));
        assert!(error.contains("cannot connect"), "{error}");
    }
}
