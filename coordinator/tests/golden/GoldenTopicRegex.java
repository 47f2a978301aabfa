// Writes topic_regex.txt: which patterns Kafka's regular expression library takes, and which names they match in whole.
// How to run it is in README.md.

import com.google.re2j.Pattern;
import com.google.re2j.PatternSyntaxException;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Random;

public class GoldenTopicRegex {
    static final String[] NAMES = {
        "a", "b", "A", "Z", "k", "K", "s", "z", "0", "7", "-", "_", "x", "aa", "ab", "aB", "ba", "abc", "aaa", "a.b", "a-b", "a_b",
        "a1", "1a", "aab", "abab", "foo", "Foo", "FOO", "foo.bar", "foo-bar", "foobar", "orders", "orders.v1", "orders-2", "Orders_3",
        "__consumer_offsets", "__transaction_state", "topic.with.dots", "abcQ", "QabcE", "aaaaaaaaaa", "nn", "fooE",
    };

    /// By hand: one line per rule of the syntax, good and bad.
    static final String[] PATTERNS = {
        "a)", "(a", "()", ")", "(", "a**", "a*?", "a*??", "a+*", "a?+", "a{2}{3}", "a{2}*", "a{2}?", "a{2}??", "a{,2}", "a{2,}",
        "a{2,1}", "a{1001}", "a{1000}", "a{1,1001}", "(a{100}){100}", "(a{10}){100}", "(a{10}){101}", "((a{10}){10}){10}",
        "((a{10}){10}){11}", "((a{2}){10}){11}{5}", "a{99999999999}", "a{1", "a{", "a{}", "a{1,2", "a{01}", "a{00}", "a{1,02}", "a{0,1}", "a{01,2}", "{1}", "{", "}", "]", "[",
        "[a", "[]", "[]a]", "[^]a]", "[^]", "[a-", "[a-]", "[-a]", "[a-b-c]", "[b-a]", "[a-\\d]", "[\\d-a]", "[\\d-z]", "[a-[:alpha:]]",
        "[[:alpha:]]", "[[:foo:]]", "[[:^alpha:]]", "[[:word:]]", "[[:alpha:]", "[[.a.]]", "[[=a=]]", "[[:]", "[:alpha:]",
        "[^[:alnum:]_]", "[a&&b]", "[a--b]", "[a~~b]", "[[a]]", "[a[b]c]", "*", "+", "?", "a|*", "(*)", "(|a)", "|", "||", "^*", "$*",
        "^+", "(?i)a", "(?i:a)", "(?)", "(?:)", "(?i)", "(?i", "(?i-)a", "(?-i)a", "(?i-s)a", "(?i--s)a", "(?x)a", "(?u)a", "(?U)a",
        "(?R)a", "(?m)^a$", "(?ims)a", "(?P<n>a)", "(?P<n>a)(?P<n>b)", "(?<n>a)", "(?<n>a)(?P<n>b)", "(?P=n)", "(?P<>a)", "(?P<1a>b)",
        "(?P<a-b>c)", "(?P<é>c)", "(?P<n", "(?P<n>", "(?P", "(?<", "(?<=a)b", "(?<!a)b", "(?=a)b", "(?!a)b", "(?>a)b", "(?#c)a",
        "(?'n'a)", "(?|a)", "\\", "a\\", "\\C", "\\Q", "\\Qa.b\\E", "\\Qa.b", "\\E", "a\\E*", "\\Q\\E", "\\Q\\E*", "\\Qab\\E*",
        "\\Qab\\E+c", "[\\Qa\\E]", "[\\E]", "\\Qa\\Eb\\Qc", "\\A", "\\z", "\\Z", "\\G", "\\b", "\\B", "\\d", "\\D", "\\s", "\\S", "\\w",
        "\\W", "\\h", "\\H", "\\v", "\\V", "\\R", "\\X", "\\K", "\\N", "\\a", "\\f", "\\n", "\\r", "\\t", "\\e", "\\0", "\\00", "\\01",
        "\\08", "\\012", "\\0123", "\\1", "\\12", "\\123", "\\8", "\\9", "\\7", "\\x", "\\x4", "\\x41", "\\x{41}", "\\x{}",
        "\\x{110000}", "\\x{10FFFF}", "\\x{D800}", "\\x{0000000041}", "\\x{41", "\\xg", "\\u0041", "\\U00000041", "\\cA", "\\-", "\\_",
        "\\.", "\\@", "\\ ", "\\é", "\\<", "\\>", "\\y", "\\k<n>", "\\g1", "\\pN", "\\PN", "\\p{N}", "\\p{Nd}", "\\p{^N}", "\\P{^N}",
        "\\p{Greek}", "\\p{greek}", "\\p{IsGreek}", "\\p{Any}", "\\p{any}", "\\p{L&}", "\\p{LC}", "\\p{Letter}", "\\p{Alphabetic}",
        "\\p{Latin}", "\\p{Foo}", "\\p{}", "\\p{L", "\\pl", "\\pX", "\\p", "\\p{Cn}", "\\p{Cs}", "\\p{Co}", "\\p{C}",
        "\\p{Script=Greek}", "\\p{gc=L}", "[\\pN]", "[\\p{N}-z]", "[^\\pN]", "[\\p{Foo}]", "[\\b]", "[\\B]", "[\\A]", "[\\z]", "[\\C]",
        "[\\d\\w]", "[\\x41-\\x5a]", "[\\x{41}-Z]", "[a-\\x62]", "[\\n-\\r]", "[\\08]", "[\\1]", "[\\12]", "[]-a]", "[a-]]", "[--a]",
        "[a--]", "[+--]", "[---]", "a{2}{2}", "a{2}+", "a{0}", "a{0,0}", "a{,}", "a{ 1}", "a{1, 2}", "a{-1}", "a{+1}", "a++", "a*+",
        "a?*", "a|b|", "(a|b", "a|b)", "(?i)(a", "(?:a", "x{2}{1001}", "(?s).", "(?-s).", ".", "\\pNfoo", "\\p{Nd}x", "(?i)\\x{212A}",
        "(?i)[^k]", "[^\\x00-\\x{10FFFF}]", "[^a-zA-Z]", "(((((((((((((((((((((((((((((a)))))))))))))))))))))))))))))", "(?i)K",
        "(?i)[[:upper:]]", "(?i)\\pLu", "(?i)\\p{Lu}", "(?i)[^\\p{Lu}]", "\\Q^\\E", "^a$", "^^a$$", "a^b", "a$b", "(^a)", "(?U)a*",
        "(?P<name>a)\\k{name}", "# comment", "a b", "é", "日本", "😀", "[é-ü]", "[😀-😁]", "\\x{1F600}", "{*", "a{+", "a{?", "a{{2}",
        "a{,5}*", "a{*", "\\pN*", "(?i)*", "a(?i)*", "a*(?i)*", "a+(?i)?", "a*\\Q\\E*", "a\\Q\\E*", "[\\", "[a\\", "(?-)a", "(?-i",
        "(?i:a", "(?i-s:a)b", "(?ii)a", "(?i-i)a", "(?is-mU:a)", "[[:]a:]", "[a-[:]", "[[:alpha:]-z]", "[a-[:digit:]]", "[\\pN-z]",
        "[\\w-z]", "[a-\\pN]", "[^\\d]", "[^", "[^^]", "[a^]", "(?P<a>b)(?P<aa>c)", "(?P<a>(?P<a>b))", "\\0*", "\\p{^Foo}", "\\p^N",
        "\\P^N", "\\p{^}", "\\pé", "\\p{Lu}{2}", "\\QabcE\\E", "\\Q\\\\E", "\\Qa\\", "\\x{ 41}", "\\x{41 }", "\\x{-1}", "\\x+1",
        "\\x{+41}", "[[:alpha:][:digit:]]", "[[:ALPHA:]]", "(?i-", "(?", "(?:", "(?a", "a{0,1000}", "a{1000,}", "a{1001,}", "a{,1001}",
        "a{2,1001}", "a{00002}", "a{1000000000}", "a{1000000001}", "a{100000000}", "a{2147483648}", "a{1,2147483648}", ")(", "())",
        "(?P=n", "(?P>n)", "(?P<n)>", "a{2}(?i){3}", ".*", "foo.*", "foo\\..*", "orders(\\.v1|-\\d)?", "(?i)orders.*", "(?i:foo)bar",
        "a|b|ab", "a|ab", "(a|ab)(c|bcd)?", "^foo$", "__.*", "__consumer_offsets", "[^_].*", "[a-zA-Z0-9._-]+", "\\w+", "\\pL+",
        "\\p{Lu}.*", "\\p{Ll}+", "(?i)\\p{Lu}+", "(?i)\\P{Lu}+", "(?i)\\p{^Lu}+", "(?i)\\p{Latin}+", "(?i)\\p{Greek}", "(?i)\\p{Common}",
        "(?i)[\\x{212A}]", "(?i)[\\x{100}-\\x{200}]", "(?i)ſ", "(?i)[^s]", "(?i)[[:^upper:]]+", "(?i)[^[:upper:]]", "[[:punct:]]",
        "[[:graph:]]+", "[[:print:]]+", "[[:xdigit:]]+", "[[:space:]]", "[[:blank:]]", "[[:cntrl:]]", "[[:ascii:]]+", "[[:lower:]]+",
        "[[:upper:]]+", "[[:digit:]]+", "[^[:punct:]]+", "\\p{P}", "\\p{Pd}", "\\p{Pc}", "\\p{Po}", "\\p{S}", "\\p{Z}", "\\p{Common}",
        "\\p{Any}+", "\\P{Any}", "\\pN\\pL", "(a+)(?i)?", "(?:a{2}){3}", "((((a))))*", "(|a)*", "(|a)+", "(a*)*", "(a*)+b", "(^a$)",
        "(^)*a", "(\\b)*a", "$^", "\\ba\\b", "\\Ba", "foo\\b.bar", "foo\\B.bar", "\\x61\\x{62}", "\\141", "\\60", "[\\141-\\143]+",
        "[\\x61-\\x63]+", "[\\Q", "\\Qabc\\EQ", "\\Qab\\E+", "Q\\QabcE", "\\QfooE", "\\Q\\Efoo", "(?i)\\Qfoo\\E", "(?i)(?-i)foo",
        "((?i)f)oo", "(?i)f(?-i:o)o", "a(?i)b|a", "(?i)a|b", "a|(?i)b", "(?i:a)b", "(?s:.)", "(?m:^a$)", "(?U:a+)", "(?i)[a-b]+",
        "(?i)[X-b]+", "[X-b]+", "a{0}b", "a{1,}", "a{3}", "a{2,3}", "a{10}", "a{11}", "(ab){2}", "[a-b]{4}", "a\\{,2\\}",
        "(?P<a>a)(?P<b>b)", "(?<a>a)b", "(?P<1>a)", "[a&&b]+", "[^&&]", "[a||b]", "[.-_]", "[a\\-b]+", "[a\\]]", "[\\]a]", "[\\[a]",
        "[[a]", "[a[:digit:]b]+", "[^\\W]+", "[^\\w]", "[\\D]", "[\\s\\S]+", "[\\d.]+", "[^\\pL]+", "[\\PL]", "[\\P{L}a]+",
        "[\\p{^L}a]+", "[\\x{D800}]", "[a-\\x{D800}]", "[\\x{DFFF}-\\x{D801}]", "[^\\x{D800}]", "[a-ü]", "[^a-ü]", "\\x{e9}", ".\\..",
        ".-.", "topic(\\.\\w+){2}", "(\\w+\\.)*dots", "(?:(?:a|b)*)*", "(((((((((((a)))))))))))", "a+?", "a??", "(a|b)*?",
        "foo(?:\\.bar)?", "(?i)FOO(\\.|-)BAR", "[Ff]oo.*", ".{3}", ".{3,4}", ".{1,}", "\\d+", "[[:alnum:]]+", "[[:word:]]+", "\\D+",
        "\\S+", "\\s*", "\\w-\\d", "(?=a)", "(?!a)", "(?<=a)", "(?>a)", "(?x)a b", "\\p{latin}", "*a", "+a", "?a", "|*a", "(*a)",
    };

    /// What random patterns are made of.
    static final String[] PIECES = {
        "a", "b", "A", "k", "s", "1", "foo", ".", "-", "_", "^", "$", "|", "(", ")", "(?:", "(?i)", "(?-i)", "(?i:", "(?s)", "(?P<n>",
        "(?<m>", "[", "]", "[a-z]", "[^a]", "[a-", "[[:alpha:]]", "[[:^digit:]]", "[:alpha:]", "-z]", "*", "+", "?", "{2}", "{1,2}", "{0}",
        "{", "}", ",", "\\d", "\\D", "\\w", "\\W", "\\s", "\\b", "\\B", "\\A", "\\z", "\\Q", "\\E", "\\pL", "\\p{Lu}", "\\P{Nd}", "\\p{Greek}",
        "\\x41", "\\x{6b}", "\\.", "\\\\", "\\-", "\\C", "\\1", "\\0", "\\101", "&&", "--", "~~", "[^", "\\x{212A}", ".*", ".+", "(a|b)", "ab",
    };

    static void table(PrintStream out, String pattern) {
        StringBuilder line = new StringBuilder(pattern).append('\t');
        try {
            Pattern compiled = Pattern.compile(pattern);
            for (String name : NAMES) line.append(compiled.matcher(name).matches() ? '1' : '0');
        } catch (PatternSyntaxException e) {
            line.append(e.getDescription());
        }
        out.println(line);
    }

    public static void main(String[] args) throws Exception {
        PrintStream out = new PrintStream(System.out, true, "UTF-8");
        out.println(String.join(" ", NAMES));
        LinkedHashSet<String> patterns = new LinkedHashSet<>(List.of(PATTERNS));
        Random random = new Random(848);
        while (patterns.size() < PATTERNS.length + 3000) {
            StringBuilder pattern = new StringBuilder();
            int pieces = 1 + random.nextInt(7);
            for (int i = 0; i < pieces; i++) pattern.append(PIECES[random.nextInt(PIECES.length)]);
            patterns.add(pattern.toString());
        }
        for (String pattern : patterns) table(out, pattern);
    }
}
