import MartletGrammar
import Testing

struct ExpressionGrammarTests {
    @Test(arguments: [
        ("a|bc", ["a", "bc"], ["ab", "", "b"]),
        ("[a-c]{2,3}", ["ab", "abc"], ["a", "abcd", "ad"]),
        (#"\d+\.\d{2}"#, ["3.14", "10.00"], ["3.1", ".14", "３.14"]),
        (#"\w+\s\W"#, ["ab_1 é"], ["é é", "ab x"]),
        ("(?i:yes|NO)", ["YES", "no", "Yes"], ["maybe"]),
        ("(a*)*b", ["b", "aab"], ["a", "ba"]),
        ("(?:x?){3}", ["", "xxx"], ["xxxx"]),
        (#"^\p{Lu}\p{L}*$"#, ["Éa", "A"], ["a", "A1"]),
        (#"[^\]\\]"#, ["x", "漢"], ["]", #"\"#, "xx"]),
        (#"[[&&a]"#, ["[", "&", "a"], ["b"]),
        (#"\u00e9\u{1F600}\uD83D\uDE00\x41\cJ"#, ["é😀😀A\n"], ["e😀😀A\n"]),
        (".*", ["", "aé"], ["a\nb", "\u{2028}"]),
        ("(?s:.)", ["\n"], [""]),
        ("(^a|b)c$|d", ["ac", "bc", "d"], ["c", "dc"]),
        ("a^b|c", ["c"], ["ab"]),
        ("(?=.*[0-9])(?!.*00).{3,4}", ["a1b", "0a0b"], ["abc", "a00b", "a1"]),
        ("a+?b*?", ["a", "aabb"], ["b"]),
        ("(?<year>[0-9]{4})-(?:0[1-9]|1[0-2])", ["2024-12"], ["2024-13"]),
        ("[]|a", ["a"], [""]),
        ("[^]", ["\n", "a"], [""]),
        ("a{,2}", ["a", ""], ["aaa"]),
        ("漢{2}", ["漢漢"], ["漢"]),
    ])
    func wholeTexts(_ expression: String, accepted: [String], refused: [String]) throws {
        let runner = try GrammarRunner(.regularExpression(expression))
        for text in accepted { #expect(try runner.accepts(text), "\(text)") }
        for text in refused { #expect(try !runner.accepts(text), "\(text)") }
    }

    @Test func nothingButUTF8IsAccepted() throws {
        let runner = try GrammarRunner(.regularExpression("(?s:.)"))
        for bytes: [UInt8] in [
            [0x80], [0xC0, 0x80], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xE0, 0x80, 0x80],
        ] {
            #expect(try !runner.accepts(bytes))
        }
        for scalar: UInt32 in [0, 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x10FFFF] {
            #expect(try runner.accepts(String(Unicode.Scalar(scalar) ?? "?")))
        }
    }

    @Test(arguments: [
        (#"(a)\1"#, #"\1 is not supported"#), (#"\bword"#, "a word boundary is not supported"),
        ("a(?=b)", "a lookahead that is not at the beginning of the text is not supported"),
        ("(?<=a)b", "a lookbehind is not supported"), ("(a", "a group without an end"), ("a++", "a repeat of a repeat"),
        (#"\ud800"#, "half of a surrogate pair is not supported"), ("[b-a]", "a range that runs backwards"),
    ])
    func whatIsNotRegularIsRefused(_ expression: String, _ problem: String) {
        do {
            _ = try GrammarRunner(.regularExpression(expression))
            Issue.record("\(expression) was taken")
        } catch {
            guard case .malformed(.regularExpression, _, let found) = error else {
                Issue.record("\(error)")
                return
            }
            #expect(found == problem)
        }
    }

    @Test(
        .timeLimit(.minutes(20)),
        arguments: [
            "(a|b)*a(a|b){40}", "((a{999}){999}){999}", ".{100000}", "[ab]*a[ab]{18}c",
            "((((((((.*)*)*)*)*)*)*)*){9999}",
        ])
    func hostileExpressionsEndInAnError(_ expression: String) {
        do {
            _ = try GrammarRunner(.regularExpression(expression))
            Issue.record("\(expression) was taken")
        } catch {
            guard case .tooLarge = error else {
                Issue.record("\(error)")
                return
            }
        }
    }

    @Test func expressionsThatMatchNothingAreRefused() {
        for expression in ["[]", "a^b", "(?!.*)a"] {
            #expect(throws: GrammarError.unsatisfiable(place: "the expression")) {
                _ = try GrammarRunner(.regularExpression(expression))
            }
        }
    }

    @Test func choicesAreTakenAsTheyAre() throws {
        let runner = try GrammarRunner(.choice(["yes", "no", "é.*", "yes"]))
        for text in ["yes", "no", "é.*"] { #expect(try runner.accepts(text)) }
        for text in ["", "ye", "yesno", "é!"] { #expect(try !runner.accepts(text)) }
        #expect(throws: GrammarError.self) { _ = try GrammarRunner(.choice([])) }
    }
}
