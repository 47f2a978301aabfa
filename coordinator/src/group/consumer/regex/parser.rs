//! Reads RE2J's syntax and writes the same language, over ASCII, in the syntax of the `regex` crate.
//!
//! Only the language counts, as a topic name matches in whole or not at all: greed, captures and the place of a match do not. What comes
//! out knows nothing of flags, names, escapes or Unicode; every character is a class of bytes.
//!
//! | RE2J | here | `regex` by itself |
//! |---|---|---|
//! | `\C` | invalid | any byte, without Unicode |
//! | `\Q..\E` | literal text, open end allowed | invalid |
//! | `(?P<n>a)`, `(?<n>a)` | a group; names ASCII, may start with a digit, one each | names may not start with a digit |
//! | `\pN`, `\p{Greek}`, `\p{^L}`, `\PN` | RE2J's names, cased as there | more names, any case |
//! | `\z`, `\A`, `^`, `$`, `\b`, `\B` | the same; `\Z`, `\<` as an anchor are not | `\<`, `\b{start}` are anchors |
//! | `[[:alpha:]]` | POSIX names; `[:alpha:]` alone is a set of letters | the same |
//! | `[a&&b]`, `[a--b]`, `[a~~b]`, `[a[b]]` | plain characters (`a--` is a bad range) | operations on sets |
//! | `\012`, `\08`, `\12` | octal | invalid |
//! | `\x{D800}` | a character no name has | invalid |
//! | `{`, `}`, `]`, `a{,2}` | literal where they mean nothing else | invalid, or a repetition |
//! | `a**`, `a{2}{3}`, `a{1001}` | invalid | allowed |
//! | `(?x)`, `(?u)`, `(?R)` | invalid | flags |
//! | `\e`, `\h`, `\u0041`, `\1`, `(?=a)` | invalid | `\u0041` is a character |

use super::class::{self, AsciiSet};
use std::collections::BTreeSet;

pub(super) const INTERNAL_ERROR: &str = "regexp/syntax: internal error";
const INVALID_CHAR_RANGE: &str = "invalid character class range";
const INVALID_ESCAPE: &str = "invalid escape sequence";
const INVALID_NAMED_CAPTURE: &str = "invalid named capture";
const INVALID_PERL_OP: &str = "invalid or unsupported Perl syntax";
const INVALID_REPEAT_OP: &str = "invalid nested repetition operator";
const INVALID_REPEAT_SIZE: &str = "invalid repeat count";
const MISSING_BRACKET: &str = "missing closing ]";
const MISSING_PAREN: &str = "missing closing )";
const MISSING_REPEAT_ARGUMENT: &str = "missing argument to repetition operator";
const TRAILING_BACKSLASH: &str = "trailing backslash at end of expression";
const DUPLICATE_NAMED_CAPTURE: &str = "duplicate capture group name";
/// Ours: RE2J has no such limit but its stack.
pub(super) const NESTS_TOO_DEEPLY: &str = "expression nests too deeply";

/// Groups within groups, and repetitions of repetitions.
pub(super) const DEPTH_MAX: usize = 200;
const REPEAT_MAX: u32 = 1_000;

type Outcome<T> = Result<T, &'static str>;

/// The same language in the other syntax, or RE2J's name for what is wrong.
pub(super) fn translate(pattern: &str) -> Outcome<String> {
    let mut parser = Parser { rest: pattern, out: String::new(), ..Parser::default() };
    while let Some(c) = parser.rest.chars().next() {
        let repeated = parser.step(c)?;
        parser.after_repetition = repeated;
    }
    if parser.groups.is_empty() { Ok(parser.out) } else { Err(MISSING_PAREN) }
}

#[derive(Clone, Copy, Debug, Default)]
struct Flags {
    fold_case: bool,
    dot_matches_newline: bool,
}

/// What to go back to at the end of a group.
#[derive(Debug)]
struct Group {
    start: usize,
    flags_outside: Flags,
}

#[derive(Debug, Default)]
struct Parser<'a> {
    rest: &'a str,
    out: String,
    flags: Flags,
    groups: Vec<Group>,
    names: BTreeSet<&'a str>,
    /// Where in `out` that begins what a repetition would repeat.
    atom: Option<usize>,
    /// What stands at `atom` is a repetition already.
    atom_repeats: bool,
    /// How often the atom was wrapped for another repetition.
    wraps: usize,
    /// The last thing read was a repetition, or a brace that failed to be one.
    after_repetition: bool,
}

impl<'a> Parser<'a> {
    /// Reads one thing; tells whether it counts as a repetition for one that follows at once.
    fn step(&mut self, c: char) -> Outcome<bool> {
        match c {
            '*' | '+' | '?' => {
                self.skip(1);
                self.repeat(match c {
                    '*' => "*",
                    '+' => "+",
                    _ => "?",
                })?;
                return Ok(true);
            }
            '{' => {
                match self.counts()? {
                    Some(counts) => self.repeat(&counts)?,
                    None => self.literal(),
                }
                return Ok(true);
            }
            '(' => self.open()?,
            ')' => self.close()?,
            '|' => {
                self.skip(1);
                self.out.push('|');
                self.atom = None;
            }
            '^' | '$' => {
                self.skip(1);
                self.emit(if c == '^' { r"\A" } else { r"\z" });
            }
            '.' => {
                self.skip(1);
                let newline = if self.flags.dot_matches_newline { AsciiSet::default() } else { AsciiSet::of("\n") };
                self.emit_class(newline.not());
            }
            '[' => {
                let class = self.class()?;
                self.emit_class(class);
            }
            '\\' => self.escape()?,
            _ => self.literal(),
        }
        Ok(false)
    }

    fn skip(&mut self, byte_count: usize) {
        self.rest = self.rest.get(byte_count..).unwrap_or_default();
    }

    fn take_char(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.skip(c.len_utf8());
        Some(c)
    }

    fn emit(&mut self, text: &str) {
        self.atom = Some(self.out.len());
        self.atom_repeats = false;
        self.out.push_str("(?:");
        self.out.push_str(text);
        self.out.push(')');
    }

    fn emit_class(&mut self, class: AsciiSet) {
        self.atom = Some(self.out.len());
        self.atom_repeats = false;
        class.write_to(&mut self.out);
    }

    fn emit_char(&mut self, c: char) {
        self.emit_class(self.one(c));
    }

    fn one(&self, c: char) -> AsciiSet {
        self.range(c, c)
    }

    fn range(&self, first: char, last: char) -> AsciiSet {
        if self.flags.fold_case { AsciiSet::folded_range(first, last) } else { AsciiSet::range(first, last) }
    }

    fn literal(&mut self) {
        if let Some(c) = self.take_char() {
            self.emit_char(c);
        }
    }

    /// Repeats the last atom. Two repetitions in a row are an error unless something without a width of its own stands between them.
    fn repeat(&mut self, operator: &str) -> Outcome<()> {
        if self.rest.starts_with('?') {
            // Not greedy, which makes no difference here.
            self.skip(1);
        }
        if self.after_repetition {
            return Err(INVALID_REPEAT_OP);
        }
        let atom = self.atom.ok_or(MISSING_REPEAT_ARGUMENT)?;
        if self.atom_repeats {
            self.wraps += 1;
            if self.wraps > DEPTH_MAX {
                return Err(NESTS_TOO_DEEPLY);
            }
            self.out.insert_str(atom, "(?:");
            self.out.push(')');
        }
        self.out.push_str(operator);
        self.atom_repeats = true;
        Ok(())
    }

    /// `{n}`, `{n,}` or `{n,m}`; anything else is a literal brace.
    fn counts(&mut self) -> Outcome<Option<String>> {
        let Some((inside, rest)) = self.rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) else { return Ok(None) };
        let (low, high) = inside.split_once(',').map_or((inside, None), |(low, high)| (low, Some(high)));
        let digits =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() && (text == "0" || !text.starts_with('0'));
        if !digits(low) || high.is_some_and(|high| !high.is_empty() && !digits(high)) {
            return Ok(None);
        }
        self.rest = rest;
        // What does not fit a number is larger than allowed anyway.
        let number = |text: &str| text.parse().unwrap_or(u32::MAX);
        let low = number(low);
        let high = high.map(|high| if high.is_empty() { None } else { Some(number(high)) });
        if low > REPEAT_MAX || high.flatten().is_some_and(|high| high > REPEAT_MAX || high < low) {
            return Err(INVALID_REPEAT_SIZE);
        }
        Ok(Some(match high {
            None => format!("{{{low}}}"),
            Some(None) => format!("{{{low},}}"),
            Some(Some(high)) => format!("{{{low},{high}}}"),
        }))
    }

    fn open(&mut self) -> Outcome<()> {
        if self.rest.starts_with("(?P<") || self.rest.starts_with("(?<") {
            let (name, rest) = self.rest.split_once('<').and_then(|(_, rest)| rest.split_once('>')).ok_or(INVALID_NAMED_CAPTURE)?;
            if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                return Err(INVALID_NAMED_CAPTURE);
            }
            self.rest = rest;
            if !self.names.insert(name) {
                return Err(DUPLICATE_NAMED_CAPTURE);
            }
            return self.push_group(self.flags);
        }
        if self.rest.starts_with("(?") {
            self.skip(2);
            return self.flags();
        }
        self.skip(1);
        self.push_group(self.flags)
    }

    fn push_group(&mut self, flags_outside: Flags) -> Outcome<()> {
        if self.groups.len() >= DEPTH_MAX {
            return Err(NESTS_TOO_DEEPLY);
        }
        self.groups.push(Group { start: self.out.len(), flags_outside });
        self.out.push_str("(?:");
        self.atom = None;
        Ok(())
    }

    /// `i`, `m`, `s`, `U`, then `:` for a group or `)` for the rest of this one. `m` and `U` change nothing here: a name has one line.
    fn flags(&mut self) -> Outcome<()> {
        let mut flags = self.flags;
        let mut value = true;
        let mut any_after_minus = false;
        loop {
            match self.take_char() {
                Some('i') => flags.fold_case = value,
                Some('s') => flags.dot_matches_newline = value,
                Some('m' | 'U') => {}
                Some('-') if value => {
                    value = false;
                    continue;
                }
                Some(end @ (':' | ')')) if value || any_after_minus => {
                    let outside = std::mem::replace(&mut self.flags, flags);
                    return if end == ':' { self.push_group(outside) } else { Ok(()) };
                }
                _ => return Err(INVALID_PERL_OP),
            }
            any_after_minus |= !value;
        }
    }

    fn close(&mut self) -> Outcome<()> {
        let group = self.groups.pop().ok_or(INTERNAL_ERROR)?;
        self.skip(1);
        self.out.push(')');
        self.flags = group.flags_outside;
        self.atom = Some(group.start);
        self.atom_repeats = false;
        Ok(())
    }

    fn escape(&mut self) -> Outcome<()> {
        match self.rest.as_bytes().get(1) {
            Some(b'A') => self.emit_escape(r"\A"),
            Some(b'z') => self.emit_escape(r"\z"),
            Some(b'b') => self.emit_escape(r"\b"),
            Some(b'B') => self.emit_escape(r"\B"),
            Some(b'Q') => {
                self.skip(2);
                let (literal, rest) = self.rest.split_once(r"\E").unwrap_or((self.rest, ""));
                self.rest = rest;
                literal.chars().for_each(|c| self.emit_char(c));
            }
            _ => {
                if let Some(class) = self.class_escape()? {
                    self.emit_class(class);
                } else {
                    match char::from_u32(self.char_escape()?) {
                        Some(c) => self.emit_char(c),
                        None => self.emit_class(AsciiSet::default()),
                    }
                }
            }
        }
        Ok(())
    }

    fn emit_escape(&mut self, text: &str) {
        self.skip(2);
        self.emit(text);
    }

    /// `\d` and its like, `\p` and `\P`.
    fn class_escape(&mut self) -> Outcome<Option<AsciiSet>> {
        let mut chars = self.rest.chars().skip(1);
        let Some(letter) = chars.next() else { return Ok(None) };
        if matches!(letter, 'p' | 'P') {
            return self.unicode_class(letter == 'P').map(Some);
        }
        let Some(class) = class::perl(letter.to_ascii_lowercase()) else { return Ok(None) };
        self.skip(2);
        let class = if self.flags.fold_case { class.folded() } else { class };
        Ok(Some(if letter.is_ascii_uppercase() { class.not() } else { class }))
    }

    fn unicode_class(&mut self, mut negated: bool) -> Outcome<AsciiSet> {
        self.skip(2);
        let mut name = match self.take_char() {
            Some('{') => {
                let (name, rest) = self.rest.split_once('}').ok_or(INVALID_CHAR_RANGE)?;
                self.rest = rest;
                name.to_owned()
            }
            Some(letter) => letter.to_string(),
            None => return Err(INVALID_CHAR_RANGE),
        };
        if name.starts_with('^') {
            negated = !negated;
            name.remove(0);
        }
        let class = class::unicode(&name).ok_or(INVALID_CHAR_RANGE)?;
        let class = if self.flags.fold_case { class.folded() } else { class };
        Ok(if negated { class.not() } else { class })
    }

    /// An escape for one code point, which may be a surrogate.
    fn char_escape(&mut self) -> Outcome<u32> {
        self.skip(1);
        let c = self.take_char().ok_or(TRAILING_BACKSLASH)?;
        Ok(u32::from(match c {
            '1'..='7' if !self.rest.starts_with(|next| matches!(next, '0'..='7')) => return Err(INVALID_ESCAPE),
            '0'..='7' => {
                let digits = self.rest.bytes().take(2).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
                let code = self.rest.bytes().take(digits).fold(c as u32 - '0' as u32, |code, byte| code * 8 + u32::from(byte - b'0'));
                self.skip(digits);
                return Ok(code);
            }
            'x' => return self.hex(),
            'a' => '\x07',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0b',
            _ if c.is_ascii_alphanumeric() => return Err(INVALID_ESCAPE),
            _ => c,
        }))
    }

    fn hex(&mut self) -> Outcome<u32> {
        let digits = if self.rest.starts_with('{') {
            self.skip(1);
            let (digits, rest) = self.rest.split_once('}').ok_or(INVALID_ESCAPE)?;
            self.rest = rest;
            digits
        } else {
            let digits = self.rest.get(..2).ok_or(INVALID_ESCAPE)?;
            self.skip(2);
            digits
        };
        if digits.is_empty() {
            return Err(INVALID_ESCAPE);
        }
        digits.chars().try_fold(0, |code, digit| {
            let code = code * 16 + digit.to_digit(16).ok_or(INVALID_ESCAPE)?;
            if code > u32::from(char::MAX) { Err(INVALID_ESCAPE) } else { Ok(code) }
        })
    }

    /// `[..]`
    fn class(&mut self) -> Outcome<AsciiSet> {
        self.skip(1);
        let negated = self.rest.starts_with('^');
        self.skip(usize::from(negated));
        let mut class = AsciiSet::default();
        let mut first = true;
        while first || !self.rest.starts_with(']') {
            first = false;
            class = class.or(self.class_item()?);
        }
        self.skip(1);
        Ok(if negated { class.not() } else { class })
    }

    fn class_item(&mut self) -> Outcome<AsciiSet> {
        if self.rest.starts_with("[:")
            && let Some(end) = self.rest[1..].find(":]")
        {
            let inside = self.rest.get(2..=end).unwrap_or_default();
            self.skip(end + 3);
            return self.posix_class(inside);
        }
        if self.rest.starts_with('\\')
            && let Some(class) = self.class_escape()?
        {
            return Ok(class);
        }
        let first = self.class_char()?;
        let mut last = first;
        if self.rest.starts_with('-') && !self.rest.starts_with("-]") {
            self.skip(1);
            last = self.class_char()?;
            if last < first {
                return Err(INVALID_CHAR_RANGE);
            }
        }
        // Surrogates border on no character that matters.
        let nearest = |code: u32| char::from_u32(code).unwrap_or('\u{e000}');
        Ok(self.range(nearest(first), nearest(last)))
    }

    fn posix_class(&self, inside: &str) -> Outcome<AsciiSet> {
        let (name, negated) = inside.strip_prefix('^').map_or((inside, false), |name| (name, true));
        let class = class::posix(name).ok_or(INVALID_CHAR_RANGE)?;
        let class = if self.flags.fold_case { class.folded() } else { class };
        Ok(if negated { class.not() } else { class })
    }

    fn class_char(&mut self) -> Outcome<u32> {
        if self.rest.starts_with('\\') {
            return self.char_escape();
        }
        self.take_char().map(u32::from).ok_or(MISSING_BRACKET)
    }
}
