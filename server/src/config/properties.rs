//! The Java properties syntax of `server.properties`.
//!
//! Lines end with CR, LF or both. `#` and `!` open a comment line. Key and value part at the first unescaped `=`, `:` or white space; one
//! `=` or `:` with white space around it belongs to the parting. A backslash at the end of a line joins the next one, without its leading
//! white space. `\t \n \r \f \uXXXX` mean what they do in Java, any other escaped character means itself. UTF-8 passes unharmed, where Java
//! reads Latin-1.

/// One setting and where it began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Property {
    /// Unescaped.
    pub key: String,
    /// Unescaped.
    pub value: String,
    /// Counted from 1.
    pub line: usize,
}

/// A `\u` that is not followed by four hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: \\u needs four hexadecimal digits")]
pub struct MalformedEscape {
    /// Counted from 1.
    pub line: usize,
}

/// Reads a whole file; later settings of a key come later in the answer.
pub(super) fn parse(text: &str) -> Result<Vec<Property>, MalformedEscape> {
    let mut properties = Vec::new();
    let mut lines = natural_lines(text).enumerate();
    while let Some((index, first)) = lines.next() {
        let first = first.trim_start_matches(is_space);
        if first.is_empty() || first.starts_with(['#', '!']) {
            continue;
        }
        let mut logical = first.to_owned();
        while ends_with_odd_backslashes(&logical) {
            logical.pop();
            let Some((_, next)) = lines.next() else { break };
            logical.push_str(next.trim_start_matches(is_space));
        }
        let line = index + 1;
        let (key, value) = split(&logical);
        properties.push(Property { key: unescape(key, line)?, value: unescape(value, line)?, line });
    }
    Ok(properties)
}

fn natural_lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = text.find(['\r', '\n']) else {
            rest = None;
            return Some(text);
        };
        let (line, ending) = text.split_at(end);
        rest = Some(ending.strip_prefix("\r\n").unwrap_or(&ending[1..]));
        Some(line)
    })
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\x0c')
}

fn ends_with_odd_backslashes(line: &str) -> bool {
    line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1
}

/// Key and value of a logical line, still escaped.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line.find(|c: char| {
        let parts = !escaped && (is_space(c) || c == '=' || c == ':');
        escaped = c == '\\' && !escaped;
        parts
    });
    let Some(end) = end else { return (line, "") };
    let (key, rest) = line.split_at(end);
    let rest = rest.trim_start_matches(is_space);
    let value = rest.strip_prefix(['=', ':']).map_or(rest, |rest| rest.trim_start_matches(is_space));
    (key, value)
}

fn unescape(text: &str, line: usize) -> Result<String, MalformedEscape> {
    if !text.contains('\\') {
        return Ok(text.to_owned());
    }
    // Java's escapes are UTF-16 units: a character beyond U+FFFF is two of them.
    let mut units: Vec<u16> = Vec::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let c = if c == '\\' {
            chars.next().map_or('\\', |c| c)
        } else {
            units.extend(c.encode_utf16(&mut [0; 2]).iter());
            continue;
        };
        match c {
            't' => units.push(u16::from(b'\t')),
            'n' => units.push(u16::from(b'\n')),
            'r' => units.push(u16::from(b'\r')),
            'f' => units.push(0x0c),
            'u' => {
                let digits = chars.as_str().get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
                let unit = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok()).ok_or(MalformedEscape { line })?;
                units.push(unit);
                chars = chars.as_str()[4..].chars();
            }
            other => units.extend(other.encode_utf16(&mut [0; 2]).iter()),
        }
    }
    Ok(String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        parse(text).expect("well-formed").into_iter().map(|property| (property.key, property.value)).collect()
    }

    fn pair(text: &str) -> (String, String) {
        let mut all = pairs(text);
        assert_eq!(all.len(), 1, "{text:?} gave {all:?}");
        all.remove(0)
    }

    fn owned(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn equals_colon_and_space_all_part_key_and_value() {
        for text in ["a=b", "a:b", "a b", "a = b", "a : b", "a\t=\tb", "  a=b", "a   b", "\x0ca=b"] {
            assert_eq!(pair(text), owned("a", "b"), "{text:?}");
        }
        assert_eq!(pair("a==b"), owned("a", "=b"));
        assert_eq!(pair("a = : b"), owned("a", ": b"));
        assert_eq!(pair("a"), owned("a", ""));
        assert_eq!(pair("a="), owned("a", ""));
        assert_eq!(pair("=b"), owned("", "b"));
    }

    #[test]
    fn spaces_after_a_value_belong_to_it() {
        assert_eq!(pair("a=b  "), owned("a", "b  "));
    }

    #[test]
    fn listeners_need_no_escaping() {
        assert_eq!(
            pair("listeners=PLAINTEXT://:9092,CONTROLLER://[::1]:9093"),
            owned("listeners", "PLAINTEXT://:9092,CONTROLLER://[::1]:9093")
        );
    }

    #[test]
    fn comments_and_blank_lines_are_skipped_and_lines_counted() {
        let properties = parse("# one\r\n! two\r\n\r\n   # three\na=1\r\rb=2").expect("well-formed");
        assert_eq!(properties.iter().map(|p| (p.key.as_str(), p.line)).collect::<Vec<_>>(), [("a", 5), ("b", 7)]);
        assert_eq!(pair("a=b # c"), owned("a", "b # c"));
    }

    #[test]
    fn a_backslash_joins_the_next_line_without_its_leading_space() {
        assert_eq!(pairs("a=b,\\\n    c,\\\r\n\td\ne=f"), [owned("a", "b,c,d"), owned("e", "f")]);
        assert_eq!(pairs("a=b\\\\\nc=d"), [owned("a", "b\\"), owned("c", "d")]);
        assert_eq!(pair("a=b\\"), owned("a", "b"));
        assert_eq!(pair("a=b\\\n# not a comment"), owned("a", "b# not a comment"));
    }

    #[test]
    fn escapes_mean_what_they_do_in_java() {
        assert_eq!(pair("a\\ b\\=c\\:d = \\t\\n\\r\\f\\z\\\\"), owned("a b=c:d", "\t\n\r\x0cz\\"));
        assert_eq!(pair("a=\\u00e9\\uD83D\\uDE00é"), owned("a", "é😀é"));
        assert_eq!(parse("x=1\na=\\u12"), Err(MalformedEscape { line: 2 }));
        assert_eq!(parse("a=\\u12é4"), Err(MalformedEscape { line: 1 }));
    }

    #[test]
    fn a_later_setting_comes_later() {
        assert_eq!(pairs("a=1\na=2"), [owned("a", "1"), owned("a", "2")]);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "(?s).{0,200}") {
            let _ = parse(&text);
        }

        #[test]
        fn a_line_of_backslashes_and_separators_is_read_without_a_panic(text in "[\\\\ =:#!\\n\\rua0é]{0,60}") {
            let _ = parse(&text);
        }
    }
}
