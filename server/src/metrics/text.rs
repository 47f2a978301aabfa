//! Prometheus' text format 0.0.4, and OpenMetrics 1.0 for those who ask for it, made piece by piece.

use super::families;
use super::family::{Family, Kind};
use super::snapshot::Snapshot;
use bytes::Bytes;
use std::fmt::Display;
use std::io::Write;

/// A piece is handed over when it has come to so many bytes.
const PIECE_BYTES: usize = 64 * 1024;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Prometheus,
    OpenMetrics,
}

impl Format {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// An `Accept` header that names OpenMetrics. Prometheus prefers it whenever it names it.
    pub(super) fn is_open_asked_for(accept: &str) -> bool {
        accept
            .split(',')
            .any(|item| item.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/openmetrics-text")))
    }
}

/// The text of one scrape.
pub(super) struct Pieces {
    snapshot: Snapshot,
    format: Format,
    /// What comes after the current one.
    families: Box<dyn Iterator<Item = &'static Family> + Send>,
    current: Option<&'static Family>,
    row: usize,
    ended: bool,
}

impl Pieces {
    pub(super) fn new(snapshot: Snapshot, format: Format) -> Self {
        let mut families = families::all();
        Self { snapshot, format, current: families.next(), families: Box::new(families), row: 0, ended: false }
    }

    /// The next piece; `None` when all is told.
    pub(super) fn next(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        let mut out = Vec::with_capacity(PIECE_BYTES + PIECE_BYTES / 8);
        while let Some(family) = self.current {
            let rows = family.rows.count(&self.snapshot);
            if self.row == 0 && rows > 0 {
                head(&mut out, family, self.format);
            }
            while self.row < rows {
                family.rows.write(&self.snapshot, self.row, &mut Samples { out: &mut out, name: family.name });
                self.row += 1;
                if out.len() >= PIECE_BYTES {
                    return Some(out.into());
                }
            }
            self.current = self.families.next();
            self.row = 0;
        }
        self.ended = true;
        if self.format == Format::OpenMetrics {
            out.extend_from_slice(b"# EOF\n");
        }
        Some(Bytes::from(out)).filter(|bytes| !bytes.is_empty())
    }
}

fn head(out: &mut Vec<u8>, family: &Family, format: Format) {
    // OpenMetrics names a family of counters without the ending that its samples have.
    let name = match (format, family.kind) {
        (Format::OpenMetrics, Kind::Counter) => family.name.strip_suffix("_total").unwrap_or(family.name),
        _ => family.name,
    };
    let _ = writeln!(out, "# HELP {name} {}\n# TYPE {name} {}", family.help, family.kind.word());
}

/// Where a family's samples go.
pub(super) struct Samples<'a> {
    out: &'a mut Vec<u8>,
    name: &'static str,
}

impl Samples<'_> {
    /// Begins a sample.
    pub(super) fn sample(&mut self) -> Sample<'_> {
        self.sample_of("")
    }

    /// Begins a sample whose name ends so: `_bucket`, `_sum`, `_count`.
    pub(super) fn sample_of(&mut self, ending: &str) -> Sample<'_> {
        self.out.extend_from_slice(self.name.as_bytes());
        self.out.extend_from_slice(ending.as_bytes());
        Sample { out: self.out, labels: false }
    }
}

/// A line half written.
#[must_use]
pub(super) struct Sample<'a> {
    out: &'a mut Vec<u8>,
    labels: bool,
}

impl Sample<'_> {
    /// A label with any text.
    pub(super) fn label(mut self, name: &str, value: &str) -> Self {
        self.open(name);
        if value.bytes().any(|byte| matches!(byte, b'\\' | b'"' | b'\n')) {
            for byte in value.bytes() {
                match byte {
                    b'\\' | b'"' => self.out.extend([b'\\', byte]),
                    b'\n' => self.out.extend(b"\\n"),
                    _ => self.out.push(byte),
                }
            }
        } else {
            self.out.extend_from_slice(value.as_bytes());
        }
        self.out.push(b'"');
        self
    }

    /// A label with a text that needs no escaping.
    pub(super) fn plain(mut self, name: &str, value: impl Display) -> Self {
        self.open(name);
        let _ = write!(self.out, "{value}\"");
        self
    }

    /// A label with a number.
    pub(super) fn number(mut self, name: &str, value: i32) -> Self {
        self.open(name);
        push_whole(self.out, value.into());
        self.out.push(b'"');
        self
    }

    fn open(&mut self, name: &str) {
        self.out.extend_from_slice(if self.labels { b"," } else { b"{" });
        self.labels = true;
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"=\"");
    }

    /// Ends the line.
    pub(super) fn value(self, value: impl Into<Number>) {
        self.out.extend_from_slice(if self.labels { b"} " } else { b" " });
        match value.into() {
            Number::Whole(number) => push_whole(self.out, number),
            Number::Count(number) => push_count(self.out, number),
            Number::Real(number) => push_real(self.out, number),
        }
        self.out.push(b'\n');
    }
}

fn push_whole(out: &mut Vec<u8>, number: i64) {
    if number < 0 {
        out.push(b'-');
    }
    push_count(out, number.unsigned_abs());
}

/// There are hundreds of thousands of these in a scrape of many partitions; `write!` takes twice as long.
fn push_count(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[first..]);
}

fn push_real(out: &mut Vec<u8>, number: f64) {
    let _ = match number {
        _ if number.is_nan() => write!(out, "NaN"),
        f64::INFINITY => write!(out, "+Inf"),
        f64::NEG_INFINITY => write!(out, "-Inf"),
        _ => write!(out, "{number}"),
    };
}

/// A value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Whole(i64),
    Count(u64),
    Real(f64),
}

impl From<i64> for Number {
    fn from(number: i64) -> Self {
        Self::Whole(number)
    }
}

impl From<i32> for Number {
    fn from(number: i32) -> Self {
        Self::Whole(number.into())
    }
}

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Self::Count(number)
    }
}

impl From<usize> for Number {
    fn from(number: usize) -> Self {
        Self::Count(number as u64)
    }
}

impl From<bool> for Number {
    fn from(is: bool) -> Self {
        Self::Count(is.into())
    }
}

impl From<f64> for Number {
    fn from(number: f64) -> Self {
        Self::Real(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_prometheus_reads_them() {
        let written = |number: Number| {
            let mut out = Vec::new();
            Samples { out: &mut out, name: "x" }.sample().value(number);
            String::from_utf8(out).expect("text")
        };
        for number in [0, 7, -1, 10, 1_234_567_890, i64::MAX, i64::MIN] {
            assert_eq!(written(number.into()), format!("x {number}\n"));
        }
        assert_eq!(written(u64::MAX.into()), format!("x {}\n", u64::MAX));
        for (number, text) in [(0.5, "0.5"), (f64::NAN, "NaN"), (f64::INFINITY, "+Inf"), (f64::NEG_INFINITY, "-Inf")] {
            assert_eq!(written(number.into()), format!("x {text}\n"));
        }
    }
}
