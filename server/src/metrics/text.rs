//! Prometheus' text format 0.0.4, and OpenMetrics 1.0 for those who ask for it, made piece by piece.

use super::families;
use super::family::{Family, Kind};
use super::snapshot::Snapshot;
use bytes::{Bytes, BytesMut};
use std::fmt::{self, Display, Write};

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
        let mut out = BytesMut::with_capacity(PIECE_BYTES + PIECE_BYTES / 8);
        while let Some(family) = self.current {
            let rows = family.rows.count(&self.snapshot);
            if self.row == 0 && rows > 0 {
                head(&mut out, family, self.format);
            }
            while self.row < rows {
                family.rows.write(&self.snapshot, self.row, &mut Samples { out: &mut out, name: family.name });
                self.row += 1;
                if out.len() >= PIECE_BYTES {
                    return Some(out.freeze());
                }
            }
            self.current = self.families.next();
            self.row = 0;
        }
        self.ended = true;
        if self.format == Format::OpenMetrics {
            out.extend_from_slice(b"# EOF\n");
        }
        Some(out.freeze()).filter(|bytes| !bytes.is_empty())
    }
}

fn head(out: &mut BytesMut, family: &Family, format: Format) {
    // OpenMetrics names a family of counters without the ending that its samples have.
    let name = match (format, family.kind) {
        (Format::OpenMetrics, Kind::Counter) => family.name.strip_suffix("_total").unwrap_or(family.name),
        _ => family.name,
    };
    let _ = writeln!(out, "# HELP {name} {}\n# TYPE {name} {}", family.help, family.kind.word());
}

/// Where a family's samples go.
pub(super) struct Samples<'a> {
    out: &'a mut BytesMut,
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
    out: &'a mut BytesMut,
    labels: bool,
}

impl Sample<'_> {
    /// A label with any text.
    pub(super) fn label(mut self, name: &str, value: &str) -> Self {
        self.open(name);
        for part in value.split_inclusive(['\\', '"', '\n']) {
            let escaped = match part.as_bytes().last() {
                Some(b'\\') => "\\\\",
                Some(b'"') => "\\\"",
                Some(b'\n') => "\\n",
                _ => {
                    self.out.extend_from_slice(part.as_bytes());
                    continue;
                }
            };
            self.out.extend_from_slice(&part.as_bytes()[..part.len() - 1]);
            self.out.extend_from_slice(escaped.as_bytes());
        }
        self.out.extend_from_slice(b"\"");
        self
    }

    /// A label with a number, or a text that needs no escaping.
    pub(super) fn plain(mut self, name: &str, value: impl Display) -> Self {
        self.open(name);
        let _ = write!(self.out, "{value}\"");
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
        let end = if self.labels { "}" } else { "" };
        let _ = writeln!(self.out, "{end} {}", value.into());
    }
}

/// A value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Whole(i64),
    Count(u64),
    Real(f64),
}

impl Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(number) => number.fmt(f),
            Self::Count(number) => number.fmt(f),
            Self::Real(number) if number.is_nan() => f.write_str("NaN"),
            Self::Real(number) if number.is_infinite() => f.write_str(if *number > 0.0 { "+Inf" } else { "-Inf" }),
            Self::Real(number) => number.fmt(f),
        }
    }
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
