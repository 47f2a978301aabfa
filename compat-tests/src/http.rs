//! Just enough HTTP/1.1 to talk to a REST interface on loopback: one connection per question, JSON both ways.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(90);

/// A REST interface on a loopback port.
#[derive(Clone, Copy, Debug)]
pub struct Rest {
    port: u16,
    content_type: &'static str,
}

/// Status and body; `Null` where there is none, a string where it is not JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Answer {
    /// The body, when the status is one of success.
    pub fn ok(self) -> Result<Value> {
        ensure!((200..300).contains(&self.status), "status {}: {}", self.status, self.body);
        Ok(self.body)
    }
}

impl Rest {
    /// Speaks `application/json`.
    pub fn new(port: u16) -> Rest {
        Rest { port, content_type: "application/json" }
    }

    /// The same with another content type.
    pub fn speaking(self, content_type: &'static str) -> Rest {
        Rest { content_type, ..self }
    }

    pub fn get(&self, path: &str) -> Result<Answer> {
        self.ask("GET", path, None)
    }

    pub fn post(&self, path: &str, body: &Value) -> Result<Answer> {
        self.ask("POST", path, Some(body))
    }

    pub fn put(&self, path: &str, body: Option<&Value>) -> Result<Answer> {
        self.ask("PUT", path, body)
    }

    pub fn delete(&self, path: &str) -> Result<Answer> {
        self.ask("DELETE", path, None)
    }

    /// Asks until `is_done` says so of an answer; a server that does not listen yet is waited for too.
    pub fn until(&self, path: &str, limit: Duration, mut is_done: impl FnMut(&Answer) -> bool) -> Result<Answer> {
        let began = Instant::now();
        loop {
            let answer = self.get(path);
            if let Ok(answer) = &answer
                && is_done(answer)
            {
                return Ok(answer.clone());
            }
            ensure!(began.elapsed() < limit, "waited {limit:?} for {path}, at last {answer:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).with_context(|| format!("{method} {path}"))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let body = body.map(Value::to_string).unwrap_or_default();
        let (port, kind, length) = (self.port, self.content_type, body.len());
        let head = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nAccept: {kind}, */*\r\n");
        write!(stream, "{head}Content-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}")?;
        parse(&mut BufReader::new(stream)).with_context(|| format!("{method} {path}"))
    }
}

fn parse(from: &mut impl BufRead) -> Result<Answer> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|status| status.parse().ok()).with_context(|| format!("a status line: {line:?}"))?;
    let mut is_chunked = false;
    loop {
        line.clear();
        from.read_line(&mut line)?;
        let header = line.trim_end().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        is_chunked |= header == "transfer-encoding: chunked";
    }
    let mut body = Vec::new();
    if is_chunked {
        unchunk(from, &mut body)?;
    } else {
        from.read_to_end(&mut body)?;
    }
    let text = String::from_utf8_lossy(&body);
    let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap_or_else(|_| Value::from(&*text)) };
    Ok(Answer { status, body })
}

fn unchunk(from: &mut impl BufRead, body: &mut Vec<u8>) -> Result<()> {
    loop {
        let mut line = String::new();
        from.read_line(&mut line)?;
        let size_bytes = usize::from_str_radix(line.trim(), 16).with_context(|| format!("a chunk's size: {line:?}"))?;
        let at = body.len();
        body.resize(at + size_bytes, 0);
        from.read_exact(&mut body[at..])?;
        line.clear();
        from.read_line(&mut line)?;
        if size_bytes == 0 {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Answer, parse};
    use serde_json::{Value, json};

    #[test]
    fn bodies_come_whole_in_chunks_or_not_at_all() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[1,2]";
        assert_eq!(parse(&mut &whole[..]).expect("whole"), Answer { status: 200, body: json!([1, 2]) });
        let chunks = b"HTTP/1.1 409 Conflict\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n5\r\n\": 1}\r\n0\r\n\r\n";
        assert_eq!(parse(&mut &chunks[..]).expect("chunks"), Answer { status: 409, body: json!({"a": 1}) });
        let none = b"HTTP/1.1 204 No Content\r\n\r\n";
        assert_eq!(parse(&mut &none[..]).expect("none"), Answer { status: 204, body: Value::Null });
    }
}
