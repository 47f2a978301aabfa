//! A strict little reader of both text formats: what it accepts, Prometheus accepts.

use crate::{Kit, ask, get, watched};
use std::collections::{BTreeMap, BTreeSet};

/// One scrape: value by name and labels.
pub(crate) struct Scrape {
    pub(crate) samples: BTreeMap<(String, BTreeMap<String, String>), f64>,
    /// Type by family.
    pub(crate) kinds: BTreeMap<String, String>,
}

impl Scrape {
    pub(crate) fn of(kit: &Kit) -> Self {
        let answer = get(kit, "/metrics");
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert!(answer.head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{}", answer.head);
        Self::read(&answer.body, false)
    }

    /// The value of a sample with exactly these labels.
    pub(crate) fn find(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.samples.get(&(name.to_owned(), labels)).copied()
    }

    #[track_caller]
    pub(crate) fn get(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let same_name = || self.samples.iter().filter(|((other, _), _)| other == name).collect::<Vec<_>>();
        self.find(name, labels).unwrap_or_else(|| panic!("no {name} with {labels:?}, only {:?}", same_name()))
    }

    /// All samples of a name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a BTreeMap<String, String>, f64)> {
        self.samples.iter().filter(move |((other, _), _)| other == name).map(|((_, labels), value)| (labels, *value))
    }

    pub(crate) fn read(text: &str, open: bool) -> Self {
        let mut scrape = Self { samples: BTreeMap::new(), kinds: BTreeMap::new() };
        let mut helped = BTreeSet::new();
        let mut family = String::new();
        let mut lines = text.lines().peekable();
        assert!(text.ends_with('\n'), "the last line ends");
        while let Some(line) = lines.next() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, words) = help.split_once(' ').expect("a name and words");
                assert!(!words.is_empty() && helped.insert(name.to_owned()), "one HELP for {name}");
                let next = lines.peek().copied().unwrap_or_default();
                assert!(next.starts_with(&format!("# TYPE {name} ")), "TYPE follows HELP: {next}");
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').expect("a name and a type");
                assert!(matches!(kind, "counter" | "gauge" | "summary" | "histogram"), "{line}");
                assert!(scrape.kinds.insert(name.to_owned(), kind.to_owned()).is_none(), "one TYPE for {name}");
                name.clone_into(&mut family);
            } else if line == "# EOF" {
                assert!(open && lines.peek().is_none(), "only OpenMetrics ends so, and nothing follows");
            } else {
                let (name, labels, value) = sample(line);
                let kind = &scrape.kinds[&family];
                assert!(belongs(&name, &family, kind, open), "{line} among those of {family}, a {kind}");
                assert!(kind != "counter" || value >= 0.0, "{line}");
                assert!(scrape.samples.insert((name, labels), value).is_none(), "twice: {line}");
            }
        }
        assert!(!open || text.ends_with("# EOF\n"));
        scrape
    }

    /// What may only grow.
    pub(crate) fn counters(&self) -> impl Iterator<Item = (&(String, BTreeMap<String, String>), f64)> {
        let is_counter = |name: &str| {
            let parent = ["_count", "_sum", "_bucket"].iter().find_map(|ending| name.strip_suffix(ending));
            self.kinds.get(name).is_some_and(|kind| kind == "counter")
                || parent.and_then(|parent| self.kinds.get(parent)).is_some_and(|kind| kind == "summary" || kind == "histogram")
        };
        self.samples.iter().filter(move |((name, _), _)| is_counter(name)).map(|(id, value)| (id, *value))
    }
}

fn belongs(name: &str, family: &str, kind: &str, open: bool) -> bool {
    let Some(ending) = name.strip_prefix(family) else { return false };
    match kind {
        "counter" if open => ending == "_total",
        "counter" => ending.is_empty() && name.ends_with("_total"),
        "gauge" => ending.is_empty(),
        "summary" => matches!(ending, "" | "_sum" | "_count"),
        _ => matches!(ending, "_bucket" | "_sum" | "_count"),
    }
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// `name{label="value",...} number`.
fn sample(line: &str) -> (String, BTreeMap<String, String>, f64) {
    let end = line.find(['{', ' ']).unwrap_or_else(|| panic!("no value: {line}"));
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name), "{line}");
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("no label: {line}"));
            assert!(is_name(label) && !label.starts_with("__"), "{line}");
            let mut value = String::new();
            let mut letters = after.char_indices();
            rest = loop {
                match letters.next().unwrap_or_else(|| panic!("no end: {line}")) {
                    (at, '"') => break &after[at + 1..],
                    (_, '\\') => value.push(match letters.next().expect("something escaped").1 {
                        'n' => '\n',
                        letter @ ('"' | '\\') => letter,
                        other => panic!("\\{other}: {line}"),
                    }),
                    (_, letter) => value.push(letter),
                }
            };
            assert!(labels.insert(label.to_owned(), value).is_none(), "{label} twice: {line}");
            match rest.strip_prefix(',') {
                Some(more) => rest = more,
                None => break,
            }
        }
        rest = rest.strip_prefix('}').unwrap_or_else(|| panic!("not closed: {line}"));
    }
    let value = rest.strip_prefix(' ').unwrap_or_else(|| panic!("no space: {line}"));
    let value = match value {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        number => number.parse().unwrap_or_else(|_| panic!("no number: {line}")),
    };
    (name.to_owned(), labels, value)
}

#[test]
fn both_formats_hold_to_their_rules_and_tell_the_same() {
    let kit = watched("");
    let mut client = kit.connect();
    client.create("t", 3, &[]);
    let plain = Scrape::of(&kit);
    let answer = ask(&kit, "GET /metrics HTTP/1.0\r\nAccept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.1\r\n\r\n");
    assert!(answer.head.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"), "{}", answer.head);
    let open = Scrape::read(&answer.body, true);
    assert_eq!(plain.samples.keys().collect::<Vec<_>>(), open.samples.keys().collect::<Vec<_>>());
    assert!(plain.samples.len() > 50);
}

#[test]
fn a_label_may_hold_anything() {
    let (name, labels, value) = sample(r#"a_b{c="x\\y\"z\n",d=""} 1.5"#);
    assert_eq!((name.as_str(), labels["c"].as_str(), labels["d"].as_str(), value), ("a_b", "x\\y\"z\n", "", 1.5));
}
