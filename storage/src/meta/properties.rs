//! The text of `java.util.Properties`, read and written: all that `meta.properties` needs to go to and fro between us and Kafka.
//!
//! The text is Latin-1 with `\uXXXX` for the rest, as Java reads a stream; what we write is plain ASCII.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Reads the text into key and value; of a key named twice the last counts. An error says the line (from 1) and what is wrong there.
pub fn parse_properties(bytes: &[u8]) -> Result<BTreeMap<String, String>, String> {
    let mut properties = BTreeMap::new();
    let mut lines = Lines { rest: bytes, number: 0 };
    while let Some((number, line)) = lines.next_logical() {
        let (key, value) = split_key(&line);
        let read = |part| unescape(part).map_err(|reason| format!("line {number}: {reason}"));
        properties.insert(read(key)?, read(value)?);
    }
    Ok(properties)
}

/// Writes key and value on one line each, in the order given.
#[must_use]
pub fn encode_properties(entries: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (key, value) in entries {
        escape(&mut text, key, true);
        text.push('=');
        escape(&mut text, value, false);
        text.push('\n');
    }
    text
}

struct Lines<'a> {
    rest: &'a [u8],
    number: usize,
}

impl<'a> Lines<'a> {
    /// The next line that is neither blank nor a comment, with its continuations joined, and the number of its first line.
    fn next_logical(&mut self) -> Option<(usize, Vec<u8>)> {
        let (number, mut line) = loop {
            let line = self.next_natural()?;
            if !matches!(line.first(), None | Some(b'#' | b'!')) {
                break (self.number, line.to_vec());
            }
        };
        while line.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1 {
            line.pop();
            let Some(more) = self.next_natural() else { break };
            line.extend_from_slice(more);
        }
        Some((number, line))
    }

    /// The next line of the file without its end and without leading blanks.
    fn next_natural(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        self.number += 1;
        let end = self.rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')).unwrap_or(self.rest.len());
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest.strip_prefix(b"\r\n").or(rest.get(1..)).unwrap_or_default();
        Some(skip_blanks(line))
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0x0c)
}

fn skip_blanks(line: &[u8]) -> &[u8] {
    &line[line.iter().take_while(|byte| is_blank(**byte)).count()..]
}

/// The key ends at the first blank, `=` or `:` that no backslash protects; one such sign and blanks around it are not the value.
fn split_key(line: &[u8]) -> (&[u8], &[u8]) {
    let mut end = 0;
    while let Some(byte) = line.get(end) {
        match byte {
            b'\\' => end += 2,
            b'=' | b':' => break,
            byte if is_blank(*byte) => break,
            _ => end += 1,
        }
    }
    let (key, rest) = line.split_at(end.min(line.len()));
    let rest = skip_blanks(rest);
    let rest = rest.strip_prefix(b"=").or(rest.strip_prefix(b":")).unwrap_or(rest);
    (key, skip_blanks(rest))
}

fn unescape(part: &[u8]) -> Result<String, String> {
    let mut units: Vec<u16> = Vec::with_capacity(part.len());
    let mut bytes = part.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            units.push(byte.into());
            continue;
        }
        units.push(match bytes.next() {
            Some(b't') => 0x09,
            Some(b'n') => 0x0a,
            Some(b'f') => 0x0c,
            Some(b'r') => 0x0d,
            Some(b'u') => {
                let digits: String = bytes.by_ref().take(4).map(char::from).collect();
                let all_hex = digits.len() == 4 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
                u16::from_str_radix(&digits, 16).ok().filter(|_| all_hex).ok_or("\\u wants four hexadecimal digits")?
            }
            Some(other) => other.into(),
            None => break,
        });
    }
    String::from_utf16(&units).map_err(|_| "half a surrogate pair".to_owned())
}

fn escape(text: &mut String, part: &str, is_key: bool) {
    for (at, character) in part.chars().enumerate() {
        match character {
            '\t' => text.push_str("\\t"),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\x0c' => text.push_str("\\f"),
            '\\' | '=' | ':' | '#' | '!' => text.extend(['\\', character]),
            ' ' if is_key || at == 0 => text.push_str("\\ "),
            ' '..='~' => text.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    let _ = write!(text, "\\u{unit:04X}");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> (String, String) {
        let properties = parse_properties(text.as_bytes()).expect("readable");
        assert_eq!(properties.len(), 1, "{text:?}");
        properties.into_iter().next().expect("one")
    }

    #[test]
    fn keys_and_values_are_parted_as_java_parts_them() {
        for text in [
            "a=b c",
            "a = b c",
            "a : b c",
            "a b c",
            " \t a\tb c",
            "a:b c\r\n",
            "a=b c\r# x",
            "# x\n!y\n\na=b c",
            "a=b \\\n   c",
            "\\a=b c",
            "a\\\r\n=b c",
        ] {
            assert_eq!(one(text), ("a".to_owned(), "b c".to_owned()), "{text:?}");
        }
        assert_eq!(one("a\\ b\\=c\\:=d=e:f"), ("a b=c:".to_owned(), "d=e:f".to_owned()));
        assert_eq!(one("a"), ("a".to_owned(), String::new()));
        assert_eq!(one("a=b\\\\\n"), ("a".to_owned(), "b\\".to_owned()));
        assert_eq!(one("a=1\na=2").1, "2");
        assert_eq!(one("a=\\u00e4\\ud83D\\ude00\\t.\\n.\\f.\\r\\q").1, "ä😀\t.\n.\u{c}.\rq");
        assert_eq!(parse_properties(b"a=\xe4").expect("Latin-1")["a"], "ä");
        assert_eq!(one("a=b\\").1, "b");
    }

    #[test]
    fn a_broken_escape_is_refused_with_its_line() {
        for text in ["x=1\na=\\u12", "x=1\na=\\u12g4", "x=1\na=\\u+123", "x=1\na=\\ud83d"] {
            assert!(parse_properties(text.as_bytes()).expect_err("refused").starts_with("line 2:"), "{text:?}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let entries = [("a b", " c d "), ("=:#!", "\\\t\n\r\u{c}=:#!"), ("ä", "😀\u{0}\u{7f}")];
        let text = encode_properties(&entries);
        assert!(text.is_ascii());
        let read = parse_properties(text.as_bytes()).expect("readable");
        assert_eq!(read.len(), 3);
        for (key, value) in entries {
            assert_eq!(read[key], value);
        }
    }
}
