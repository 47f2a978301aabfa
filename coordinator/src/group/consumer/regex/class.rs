//! Sets of ASCII characters: all that matters of a character class, for topic names are ASCII.

/// Bit n is the character with code n.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct AsciiSet(u128);

impl AsciiSet {
    pub(super) const ALL: Self = Self(u128::MAX);

    /// The part of `first..=last` that is ASCII.
    pub(super) fn range(first: char, last: char) -> Self {
        let (first, last) = (u32::from(first), u32::from(last).min(127));
        if first > last { Self(0) } else { Self(u128::MAX >> (127 - (last - first)) << first) }
    }

    pub(super) fn of(text: &str) -> Self {
        text.chars().fold(Self(0), |set, c| set.or(Self::range(c, c)))
    }

    pub(super) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(super) fn not(self) -> Self {
        Self(!self.0)
    }

    /// `first..=last` and what differs from it in case only. Two letters outside ASCII have lower case in it.
    pub(super) fn folded_range(first: char, last: char) -> Self {
        let with = |c: char, folds: &str| if (first..=last).contains(&c) { Self::of(folds) } else { Self(0) };
        Self::range(first, last).folded().or(with('\u{17f}', "sS")).or(with('\u{212a}', "kK"))
    }

    /// With every letter in both cases.
    pub(super) fn folded(self) -> Self {
        let (upper, lower) = (self.and(UPPER), self.and(LOWER));
        Self(self.0 | upper.0 << 32 | lower.0 >> 32)
    }

    /// As a class of the `regex` crate.
    pub(super) fn write_to(self, pattern: &mut String) {
        use std::fmt::Write as _;
        if self.0 == 0 {
            pattern.push_str(r"[^\x00-\xff]");
            return;
        }
        pattern.push('[');
        let mut code = 0;
        while code < 128 {
            let run = (self.0 >> code).trailing_ones();
            if run > 0 {
                write!(pattern, r"\x{code:02x}-\x{:02x}", code + run - 1).expect("a string takes all text");
            }
            code += run.max(1);
        }
        pattern.push(']');
    }
}

const UPPER: AsciiSet = AsciiSet(((1 << 26) - 1) << b'A');
const LOWER: AsciiSet = AsciiSet(((1 << 26) - 1) << b'a');
const DIGIT: AsciiSet = AsciiSet(((1 << 10) - 1) << b'0');

/// `\d`, `\s` and `\w`.
pub(super) fn perl(letter: char) -> Option<AsciiSet> {
    match letter {
        'd' => Some(DIGIT),
        's' => Some(AsciiSet::of("\t\n\x0c\r ")),
        'w' => Some(UPPER.or(LOWER).or(DIGIT).or(AsciiSet::of("_"))),
        _ => None,
    }
}

/// What stands between `[:` and `:]`.
pub(super) fn posix(name: &str) -> Option<AsciiSet> {
    let alnum = UPPER.or(LOWER).or(DIGIT);
    let graph = AsciiSet::range('!', '~');
    Some(match name {
        "alnum" => alnum,
        "alpha" => UPPER.or(LOWER),
        "ascii" => AsciiSet::ALL,
        "blank" => AsciiSet::of("\t "),
        "cntrl" => AsciiSet::range('\0', '\x1f').or(AsciiSet::of("\x7f")),
        "digit" => DIGIT,
        "graph" => graph,
        "lower" => LOWER,
        "print" => AsciiSet::range(' ', '~'),
        "punct" => graph.and(alnum.not()),
        "space" => AsciiSet::range('\t', '\r').or(AsciiSet::of(" ")),
        "upper" => UPPER,
        "word" => alnum.or(AsciiSet::of("_")),
        "xdigit" => DIGIT.or(AsciiSet::range('a', 'f')).or(AsciiSet::range('A', 'F')),
        _ => return None,
    })
}

/// What stands in `\p{..}`. Names are those that RE2J 1.8 knows, of Unicode 6.
pub(super) fn unicode(name: &str) -> Option<AsciiSet> {
    let common = || UPPER.or(LOWER).not();
    let control = || AsciiSet::range('\0', '\x1f').or(AsciiSet::of("\x7f"));
    let symbol = |name: &str| {
        AsciiSet::of(match name {
            "Pc" => "_",
            "Pd" => "-",
            "Pe" => ")]}",
            "Po" => "!\"#%&'*,./:;?@\\",
            "Ps" => "([{",
            "Sc" => "$",
            "Sk" => "^`",
            "Sm" => "+<=>|~",
            _ => "",
        })
    };
    Some(match name {
        "Any" => AsciiSet::ALL,
        "L" | "Latin" => UPPER.or(LOWER),
        "Lu" => UPPER,
        "Ll" => LOWER,
        "N" | "Nd" => DIGIT,
        "P" => ["Pc", "Pd", "Pe", "Po", "Ps"].into_iter().fold(AsciiSet::default(), |set, part| set.or(symbol(part))),
        "S" => ["Sc", "Sk", "Sm"].into_iter().fold(AsciiSet::default(), |set, part| set.or(symbol(part))),
        "Pc" | "Pd" | "Pe" | "Po" | "Ps" | "Sc" | "Sk" | "Sm" => symbol(name),
        "Z" | "Zs" => AsciiSet::of(" "),
        "C" | "Cc" => control(),
        "Common" => common(),
        _ if OUTSIDE_ASCII.split_ascii_whitespace().any(|known| known == name) => AsciiSet::default(),
        _ => return None,
    })
}

/// Categories and scripts without a character in ASCII.
const OUTSIDE_ASCII: &str = "
    Cf Co Cs Lm Lo Lt M Mc Me Mn Nl No Pf Pi So Zl Zp
    Arabic Armenian Avestan Balinese Bamum Batak Bengali Bopomofo Brahmi Braille Buginese Buhid Canadian_Aboriginal Carian Cham Cherokee
    Coptic Cuneiform Cypriot Cyrillic Deseret Devanagari Egyptian_Hieroglyphs Ethiopic Georgian Glagolitic Gothic Greek Gujarati Gurmukhi
    Han Hangul Hanunoo Hebrew Hiragana Imperial_Aramaic Inherited Inscriptional_Pahlavi Inscriptional_Parthian Javanese Kaithi Kannada
    Katakana Kayah_Li Kharoshthi Khmer Lao Lepcha Limbu Linear_B Lisu Lycian Lydian Malayalam Mandaic Meetei_Mayek Mongolian Myanmar
    New_Tai_Lue Nko Ogham Ol_Chiki Old_Italic Old_Persian Old_South_Arabian Old_Turkic Oriya Osmanya Phags_Pa Phoenician Rejang Runic
    Samaritan Saurashtra Shavian Sinhala Sundanese Syloti_Nagri Syriac Tagalog Tagbanwa Tai_Le Tai_Tham Tai_Viet Tamil Telugu Thaana Thai
    Tibetan Tifinagh Ugaritic Unknown Vai Yi
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_end_at_the_end_of_ascii() {
        assert_eq!(AsciiSet::range('\0', '\u{10ffff}'), AsciiSet::ALL);
        assert_eq!(AsciiSet::range('b', 'a'), AsciiSet::default());
        assert_eq!(AsciiSet::range('é', 'ü'), AsciiSet::default());
        assert_eq!(AsciiSet::range('a', 'z'), LOWER);
        assert_eq!(AsciiSet::of("aZ-").folded(), AsciiSet::of("aAzZ-"));
    }

    #[test]
    fn two_letters_outside_ascii_have_a_lower_case_inside() {
        assert_eq!(AsciiSet::folded_range('\u{212a}', '\u{212a}'), AsciiSet::of("kK"));
        assert_eq!(AsciiSet::folded_range('\u{100}', '\u{200}'), AsciiSet::of("sS"));
    }

    #[test]
    fn a_class_is_written_in_ranges() {
        let mut pattern = String::new();
        AsciiSet::of("abcz").write_to(&mut pattern);
        assert_eq!(pattern, r"[\x61-\x63\x7a-\x7a]");
        pattern.clear();
        AsciiSet::ALL.write_to(&mut pattern);
        assert_eq!(pattern, r"[\x00-\x7f]");
    }
}
