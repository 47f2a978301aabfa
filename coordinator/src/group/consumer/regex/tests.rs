//! Our patterns against RE2J's answers, which `tests/golden/GoldenTopicRegex.java` wrote.

use super::*;

const GOLDEN: &str = include_str!("../../../../tests/golden/topic_regex.txt");

#[test]
fn patterns_mean_what_they_mean_to_kafka() {
    let mut lines = GOLDEN.lines();
    let names: Vec<&str> = lines.next().expect("the names").split(' ').collect();
    let mut wrong = Vec::new();
    for line in lines {
        let (pattern, expected) = line.split_once('\t').expect("a pattern and its answer");
        let answer = match TopicRegex::compile(pattern) {
            Ok(regex) => names.iter().map(|name| if regex.matches(name) { '1' } else { '0' }).collect(),
            Err(invalid) => invalid.description.to_owned(),
        };
        if answer != expected {
            wrong.push(format!("{pattern}\n  RE2J {expected}\n  ours {answer}"));
        }
    }
    assert!(wrong.is_empty(), "{} patterns differ:\n{}", wrong.len(), wrong.join("\n"));
}

fn description(pattern: &str) -> &'static str {
    TopicRegex::compile(pattern).map_or_else(|invalid| invalid.description, |_| "valid")
}

fn matches(pattern: &str, name: &str) -> bool {
    TopicRegex::compile(pattern).expect("the pattern is valid").matches(name)
}

#[test]
fn an_invalid_pattern_gets_kafkas_words() {
    let invalid = TopicRegex::compile("foo[").expect_err("a bracket is missing");
    assert_eq!(invalid.to_string(), "SubscribedTopicRegex `foo[` is not a valid regular expression: missing closing ].");
}

#[test]
fn the_whole_name_must_match() {
    assert!(matches("foo.*", "foo.bar") && matches("foo|foo.bar", "foo.bar"));
    assert!(!matches("foo", "foo.bar") && !matches("bar", "foo.bar"));
}

#[test]
fn internal_topics_match_like_any_other() {
    assert!(matches(".*", "__consumer_offsets") && matches("__.*", "__transaction_state"));
}

#[test]
fn any_byte_is_no_escape() {
    assert_eq!(description(r"\C"), "invalid escape sequence");
}

#[test]
fn quoted_text_is_literal_and_may_be_left_open() {
    assert!(matches(r"\Qa.b\E", "a.b") && !matches(r"\Qa.b\E", "a-b") && matches(r"\Qa.b", "a.b"));
    assert!(matches(r"\Qab\E+", "abb") && !matches(r"\Qab\E+", "abab"), "only the last character repeats");
    assert_eq!(description(r"a\E"), "invalid escape sequence");
}

#[test]
fn captures_may_have_names_that_start_with_a_digit_but_only_one_each() {
    assert!(matches("(?P<1a>a)(?<b>b)", "ab"));
    assert_eq!(description("(?P<a>a)(?<a>b)"), "duplicate capture group name");
    assert_eq!(description("(?P<a-b>a)"), "invalid named capture");
    assert_eq!(description("(?P=a)"), "invalid or unsupported Perl syntax");
}

#[test]
fn unicode_classes_have_re2js_names() {
    assert!(matches(r"\pL\pN", "a1") && matches(r"\p{Lu}\P{Lu}", "Ab") && matches(r"\p{^L}", "1") && !matches(r"\p{Greek}", "a"));
    for unknown in [r"\p{Letter}", r"\p{latin}", r"\p{Script=Latin}", r"\p{Alphabetic}", r"\pX"] {
        assert_eq!(description(unknown), "invalid character class range", "{unknown}");
    }
}

#[test]
fn anchors_are_those_of_a_text_of_one_line() {
    assert!(matches(r"\Aa\z", "a") && matches("^a$", "a") && matches("(?m)^a$", "a") && matches(r"\ba\b", "a") && !matches(r"\Ba", "a"));
    assert_eq!(description(r"a\Z"), "invalid escape sequence");
    assert_eq!(description(r"\b{start}a"), "valid", "a boundary and text in braces");
    assert!(!matches(r"\<a", "a") && !matches(r"\b{start}a", "a"));
}

#[test]
fn posix_classes_stand_in_brackets() {
    assert!(matches("[[:alpha:]]", "x") && !matches("[:alpha:]", "x") && matches("[:alpha:]", "h") && matches("[[:^digit:]]", "x"));
    assert_eq!(description("[[:ALPHA:]]"), "invalid character class range");
}

#[test]
fn brackets_know_no_set_operations() {
    assert!(matches("[a&&b]", "b") && matches("[a~~b]", "b") && matches("[[a]", "a"));
    assert_eq!(description("[a--b]"), "invalid character class range");
}

#[test]
fn escapes_with_numbers_are_octal_or_hexadecimal() {
    assert!(matches(r"\141", "a") && matches(r"\60", "0") && matches(r"\x61\x{62}", "ab") && !matches(r"\x{D800}", "a"));
    for invalid in [r"\1", r"\8", r"\u0061", r"\x6", r"\x{110000}"] {
        assert_eq!(description(invalid), "invalid escape sequence", "{invalid}");
    }
}

#[test]
fn braces_that_count_nothing_are_text() {
    assert_eq!([description("a{,2}"), description("a{"), description("}"), description("]")], ["valid"; 4]);
    assert_eq!(description("a{1001}"), "invalid repeat count");
    assert_eq!(description("a{2}{3}"), "invalid nested repetition operator");
}

#[test]
fn case_folds_as_in_unicode() {
    assert!(matches(r"(?i)\x{212A}", "k") && matches("(?i)ſ", "S") && matches("(?i)foo", "FoO"));
}

#[test]
fn a_pattern_takes_a_bounded_amount_of_memory_and_stack() {
    assert_eq!(description("((a{1000}){1000}){1000}"), "expression is too large");
    assert_eq!(description(&"(".repeat(30_000)), "expression nests too deeply");
    assert_eq!(description(&format!("{}a{}", "(b|c".repeat(200), ")*".repeat(200))), "valid");
    assert_eq!(description(&format!("a*{}", "(?i)*".repeat(300))), "expression nests too deeply");
    assert_eq!(description(&"a".repeat(5_000)), "valid");
    assert!(["{", "[:", "(?i)", "a|", r"\Q\E", r"\x{"].iter().all(|piece| !description(&piece.repeat(10_000)).is_empty()));
}
