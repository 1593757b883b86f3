import MartletGrammar
import Testing

struct GBNFTests {
    static let arithmetic = """
        # Sums of products
        root  ::= (expr "=" ws term "\\n"){1,2}
        expr  ::= term ([-+*/] term)*   # left to right
        term  ::= ident | num
          | "(" ws expr ")" ws
        ident ::= [a-z] [a-z0-9_]* ws
        num   ::= [0-9]+ ws
        ws    ::= [ \\t\\n]*
        """

    @Test func derivesWhatTheRulesSay() throws {
        let runner = try GrammarRunner(.gbnf(Self.arithmetic))
        #expect(try runner.accepts("a+1=2\n"))
        #expect(try runner.accepts("((a +b2)*3) = x\n1=1\n"))
        for text in ["", "a+=2\n", "a+1=2", "1=1\n1=1\n1=1\n", "(a=b\n", "A=1\n", "a+1=2\n)"] {
            #expect(try !runner.accepts(text), "\(text)")
        }
    }

    @Test(arguments: [
        (#"root ::= "a"{2,3} "b"?"#, ["aa", "aaab"], ["a", "aaaa", "aabb"]),
        (#"root ::= "ab"* "c"+"#, ["c", "ababcc"], ["", "abc abc", "ab"]),
        (#"root ::= [^a-c\n]{2}"#, ["xé", "漢d"], ["ax", "x", "x\n", "xyz"]),
        (#"root ::= [\u00e0-\u00ff] "\x41\U0001F600\t""#, ["éA😀\t"], ["eA😀\t", "éa😀\t"]),
        (#"root ::= . [a-] [\]\[]"#, ["漢-]", "xa["], ["x-x", "-]", "xb]"]),
        (#"root ::= "a" root "b" | "c""#, ["c", "acb", "aaacbbb"], ["", "ac", "aacb", "acbb"]),
        ("root ::= x x\nx ::= y?\ny ::= \"a\" | \"b\" x", ["", "a", "ab", "ba", "bbab"], ["aaa", "c"]),
        ("root ::=\n  \"a\" |\n  \"b\"\n", ["a", "b"], ["ab", ""]),
        ("root ::= (\n \"a\"\n \"b\"\n)* # end", ["", "abab"], ["aba"]),
        ("root ::= \"a\"{0} \"b\"{,2}", [], []),
    ])
    func syntax(_ grammar: String, accepted: [String], refused: [String]) throws {
        if accepted.isEmpty {
            #expect(throws: GrammarError.self) { _ = try GrammarRunner(.gbnf(grammar)) }
            return
        }
        let runner = try GrammarRunner(.gbnf(grammar))
        for text in accepted { #expect(try runner.accepts(text), "\(text)") }
        for text in refused { #expect(try !runner.accepts(text), "\(text)") }
    }

    @Test func recursionWithoutReadingIsRefusedByName() {
        for (grammar, rule) in [
            ("root ::= list\nlist ::= list \",\" \"a\" | \"a\"", "list"),
            ("root ::= a \"x\"\na ::= b? c\nb ::= \"b\"\nc ::= a \"y\" | \"z\"", "a"),
            ("root ::= ws* root \"a\" | \"b\"\nws ::= \" \"*", "root"),
        ] {
            #expect(throws: GrammarError.leftRecursion(rule: rule)) { _ = try GrammarRunner(.gbnf(grammar)) }
        }
    }

    @Test(arguments: [
        ("", "there is no rule \"root\""), ("a ::= \"b\"", "there is no rule \"root\""),
        ("root ::= a", "the rule \"a\" is not defined"), ("root ::= \"a", "a literal without an end"),
        ("root ::= [a", "a class without an end"), ("root ::= (\"a\"", "a group without an end"),
        ("root = \"a\"", "expected \"::=\" after the name \"root\""), ("root ::= *", "nothing for \"*\" to repeat"),
        ("root ::= \"\\q\"", "an unknown escape \"\\q\""), ("root ::= \"\\u12\"", "an escape with fewer than 4 digits"),
        ("root ::= \"\\ud800\"", "an escape that gives no character"),
        ("root ::= [b-a]", "a range that runs backwards"), ("root ::= \"a\"{3,2}", "a repeat from 3 down to 2"),
        ("root ::= <think>", "\"<think>\" is not a token of the vocabulary"),
        ("root ::= <think", "a token without an end"), ("root ::= !\"a\"", "expected a token after \"!\""),
        ("root ::= <[x]>", "expected the number of a token as in \"<[1000]>\""),
        ("root ::= <[3", "expected the number of a token as in \"<[1000]>\""),
        ("root ::= <[99999999999999999999]>", "the number of a token that the vocabulary does not have"),
        ("root ::= <[0]>", "a token that ends the text, which comes where the grammar ends"),
        ("root ::= \"a\"\nroot ::= \"b\"", "a second rule \"root\""),
        ("root ::= \"a\" )", "\")\" where the rule should go on or end"),
    ])
    func malformedGrammarsAreNamed(_ grammar: String, _ problem: String) {
        do {
            _ = try GrammarRunner(.gbnf(grammar))
            Issue.record("\(grammar) was taken")
        } catch {
            guard case .malformed(.gbnf, _, let found) = error else {
                Issue.record("\(error)")
                return
            }
            #expect(found == problem)
        }
    }

    @Test func grammarsWithoutTextsAreRefused() {
        #expect(throws: GrammarError.unsatisfiable(place: "the rule \"root\"")) {
            _ = try GrammarRunner(.gbnf("root ::= \"a\" root"))
        }
        #expect(throws: GrammarError.unsatisfiable(place: "the rule \"root\"")) {
            _ = try GrammarRunner(.gbnf("root ::= []"))
        }
    }

    @Test(.timeLimit(.minutes(20))) func hostileGrammarsEndInAnError() {
        let deep = "root ::= " + String(repeating: "(", count: 10_000) + "\"a\"" + String(repeating: ")", count: 10_000)
        for grammar in [
            deep, "root ::= \"a\"{1000000000}", "root ::= ((((\"a\"{999}){999}){999}){999})",
            "root ::= \"x\" ([ab]* \"a\" [ab]{40}) \"y\"",
            (0..<20_000).map { "r\($0) ::= \"a\"\n" }.joined() + "root ::= r0",
        ] {
            do {
                _ = try GrammarRunner(.gbnf(grammar))
                Issue.record("\(grammar.prefix(60)) was taken")
            } catch {
                guard case .tooLarge = error else {
                    Issue.record("\(error)")
                    return
                }
            }
        }
    }

    @Test func ambiguityIsBounded() throws {
        var limits = GrammarLimits()
        limits.ambiguity = 16
        let runner = try GrammarRunner(.gbnf("root ::= s\ns ::= \"a\" s s | \"a\" s | \"a\""), limits)
        var matcher = runner.grammar.matcher()
        #expect(throws: GrammarError.tooLarge(what: "ways to read one text", limit: 16)) {
            for _ in 0..<1_000 { guard try matcher.accept(bytes: [0x61]) else { return } }
        }
    }

    @Test func aSpaceThatIsFullIsLeftWithoutLosingThePlace() throws {
        var limits = GrammarLimits()
        limits.cacheBytes = 20_000
        let runner = try GrammarRunner(.gbnf("root ::= \"[\" root* \"]\" | \"x\""), limits)
        var matcher = runner.grammar.matcher()
        for _ in 0..<3_000 {
            #expect(try matcher.accept(bytes: [0x5B]))
            _ = try matcher.mask()
        }
        for _ in 0..<3_000 {
            #expect(!matcher.mayEnd)
            #expect(try matcher.accept(bytes: [0x5D]))
        }
        #expect(matcher.isComplete)
    }
}
