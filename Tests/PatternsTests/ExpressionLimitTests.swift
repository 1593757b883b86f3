import MartletPatterns
import MartletTokenizers
import Testing

/// What hostile expressions and texts cost, and what is said of expressions that are not run.
struct ExpressionLimitTests {
    private func steps(_ expression: String, _ text: String) throws -> (steps: Int, matches: Int) {
        let expression = try RegularExpression(expression, .oniguruma)
        var matches = 0
        let steps = Array(text.utf8).withUnsafeBufferPointer { expression.forEachMatch(in: $0) { _ in matches += 1 } }
        return (steps, matches)
    }

    static let published: [String] = [
        #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#,
        #"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lm}\p{Lo}]+"#
            + #"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"#,
        #"\s+$"#, #"(?=(\d{3})+(?!\d))"#, #"\d{1,3}(?=(?:\d{3})*\b)"#,
        #"(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\s+(?!\S)|\s+"#,
    ]

    @Test(arguments: published)
    func stepsAreFewForEveryByteOfAMegabyteWithoutABreak(_ expression: String) throws {
        for unit in ["a", "A", "1", " ", "aA", "日", "\n", ". ", "é1", " \n", "\u{301}"] {
            let text = String(repeating: unit, count: 1_000_000 / unit.utf8.count)
            for text in [text, text + "x", text + " "] {
                let found = try steps(expression, text)
                #expect(found.steps < 150 * text.utf8.count, "\(unit.debugDescription)")
            }
        }
    }

    /// Expressions on which an engine that only backtracks takes quadratic or exponential time.
    @Test(arguments: [
        #"\s+$"#, "(?:a|a)*b", "(?:a|aa)+b", "(?:a+)+b", "a*a*a*a*b", "a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a?a{20}b",
        "(?:(?:a|b)+c?)+d", "(?:ab)*c",
        #"\w+x"#, "a++b", "(?>a+)b", "(?:(?>a|aa))+b", "(?:a(?=a*b)|a)+c", "(?:a(?!a*c)|a)+d", "(?:(?=(?:a|aa)+b)a)+d",
        "(?:(?>(?:a|aa)+?b|a))+d", "(?<=a)a*b", "(?:.*?,){3}x", "a{3,40}b", "(?:a{1,3}){2,20}b", "[ab]*?c", ".*.*=.*",
        "(?:(?<=a|b)a+)+?c|a",
    ])
    func stepsStayProportionalToTheText(_ expression: String) throws {
        for unit in ["a", "ab", " ", "a,", "aab ", "="] {
            var previous = 0
            for count in [5_000, 10_000, 20_000] {
                let text = String(repeating: unit, count: count / unit.utf8.count)
                let found = try steps(expression, text).steps
                #expect(found < 4_000 * count, "\(unit.debugDescription)")
                // Twice the text, twice the steps, but for what comes before failures are remembered.
                if previous > 0 { #expect(found < 3 * previous + 100_000, "\(unit.debugDescription)") }
                previous = found
            }
        }
    }

    /// To remember failures changes nothing but the time: far into a text that makes trouble, cuts are as in a short one.
    @Test(arguments: [
        ("(?:a|aa)+?c|ab|b(?=a*b)", "aaab"), (#"(?>a+b?|b)(?!c)|\s+(?=b)"#, "ab aab  b"),
        (#"\s+$|\s+(?!\S)|\w+?b"#, "a b  \nb "),
        ("(?:(?=a+b)a)+b|a", "aabaaa"), ("(?:a(?>b|ba)?)+c|b", "abab ba"), ("a{2,5}(?<=aa)b|.", "aaaaab"),
    ])
    func rememberingFailuresChangesNoMatch(_ expression: String, _ unit: String) throws {
        // The start exhausts what is allowed without memory.
        let trouble = String(repeating: "y", count: 3_000)
        let tail = String(repeating: unit, count: 50)
        let plain = try RegularExpression(expression, .oniguruma)
        let troubled = try RegularExpression("(?:y|y)+z|" + expression, .oniguruma)
        var expected: [Range<Int>] = []
        var found: [Range<Int>] = []
        Array((trouble + tail).utf8).withUnsafeBufferPointer { bytes in
            plain.forEachMatch(in: bytes) { expected.append($0) }
            let steps = troubled.forEachMatch(in: bytes) { found.append($0) }
            #expect(steps > 4_096 + 64 * 10)
        }
        #expect(found == expected)
    }

    /// Repeats within bounds take no more for longer bounds.
    @Test(arguments: ["(a{1,60}){1,60}b", "a{1,1000}b", "(?:a{1,60}?b?){1,3}c", "a{5,500}a{5,500}a{5,500}b"])
    func boundedRepeatsCostNoMoreThanTheirNumber(_ expression: String) throws {
        for unit in ["a", "aaaaaaaab", "aé"] {
            let text = String(repeating: unit, count: 200_000 / unit.utf8.count)
            let found = try steps(expression, text)
            #expect(found.steps < 1_500 * text.utf8.count, "\(unit): \(found.steps / text.utf8.count) a byte")
        }
    }

    /// What is remembered of repeats changes no match.
    @Test func rememberingRepeatsChangesNoMatch() throws {
        var random = SystemRandomNumberGenerator()
        let atoms = ["a", "é", "[ab]", "[aé日]", "."]
        for _ in 0..<400 {
            let expression = (0..<Int.random(in: 1...4, using: &random)).map { _ in
                let least = Int.random(in: 0...3, using: &random)
                let most = least + Int.random(in: 0...4, using: &random)
                let item = "\(atoms.randomElement(using: &random) ?? "a"){\(least),\(most)}"
                return ["\(item)b?", "(?:\(item)|b)", "(?:b\(item)a)+", "(?=\(item)b)a", item].randomElement(
                    using: &random)
                    ?? item
            }.joined()
            guard let compiled = try? RegularExpression(expression, .oniguruma) else { continue }
            let text = Array(
                (0..<60).map { _ in ["a", "a", "b", "é", "é", "日"].randomElement(using: &random) ?? "" }.joined().utf8)
            var plain: [Range<Int>] = []
            var remembering: [Range<Int>] = []
            text.withUnsafeBufferPointer { bytes in
                compiled.forEachMatch(in: bytes, stepsAtFirst: 1 << 40) { plain.append($0) }
                compiled.forEachMatch(in: bytes, stepsAtFirst: -(1 << 40)) { remembering.append($0) }
            }
            #expect(plain == remembering, "\(expression) in \(String(decoding: text, as: UTF8.self))")
        }
    }

    @Test func invalidTextIsCutWithoutHarm() throws {
        var random = SystemRandomNumberGenerator()
        let expression = try RegularExpression(#"\p{L}+|\s+(?!\S)|(?<=é)\W*?\b|[^\s\p{L}]{1,3}|\s"#, .oniguruma)
        let cutter = PatternCutter(.expression(expression), behavior: .isolated)
        for _ in 0..<2000 {
            let text = (0..<40).map { _ in
                Bool.random(using: &random)
                    ? UInt8.random(in: 0...255, using: &random) : [0xC3, 0xA9, 0x20, 0xE6].randomElement() ?? 0
            }
            var end = 0
            text.withUnsafeBufferPointer { bytes in
                cutter.split(bytes) { range in
                    #expect(range.lowerBound == end && !range.isEmpty)
                    end = range.upperBound
                }
            }
            #expect(end == text.count)
        }
    }

    @Test func anyExpressionIsRunOrRefused() {
        let atoms = [
            "(", ")", "(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i)", "[", "]", "[^", "&&", "|", "*", "+", "?",
            "{2}",
            "{1,", "{,3}", "}", "a", "b", "é", "日", " ", ".", "^", "$", "-", ":", "\\", "\\p{", "\\p{L}", "\\w", "\\s",
            "\\b",
            "\\x{", "\\u00", "#", "<", "\n", "\0",
        ]
        let text = Array(String(repeating: "ab aé 日 b\n aaa", count: 8).utf8)
        var random = SystemRandomNumberGenerator()
        var run = 0
        for _ in 0..<1_500 {
            let expression = (0..<Int.random(in: 1...12)).compactMap { _ in atoms.randomElement(using: &random) }
                .joined()
            for dialect in [PatternDialect.oniguruma, .tiktoken] {
                guard let compiled = try? RegularExpression(expression, dialect) else { continue }
                run += 1
                let steps = text.withUnsafeBufferPointer { compiled.forEachMatch(in: $0) { _ in } }
                #expect(steps < 5_000 * text.count, "\(expression.debugDescription)")
            }
        }
        #expect(run > 150)
    }

    static let refused: [(String, PatternError)] = [
        (#"(a)\1"#, PatternError(.unsupported(#"\1"#), at: 3)), (#"ab\K"#, PatternError(.unsupported(#"\K"#), at: 2)),
        (#"a\R"#, PatternError(.unsupported(#"\R"#), at: 1)),
        ("(?~a)", PatternError(.unsupported(#"the group "(?~""#), at: 0)),
        (#"x\p{Foo}"#, PatternError(.unsupported(#"the property "Foo""#), at: 1)),
        ("a(?<=b+)", PatternError(.unsupported("a lookbehind whose length varies"), at: 1)),
        ("a(?:b?c?)*", PatternError(.unsupported("a repeat of what may match nothing"), at: 1)),
        ("a(b", PatternError(.malformed("a group without an end"), at: 1)),
        ("a)b", PatternError(.malformed(#"a ")" that closes nothing"#), at: 1)),
        ("[a", PatternError(.malformed("a class without an end"), at: 0)),
        ("é[z-a]", PatternError(.malformed("a range that runs backwards"), at: 2)),
        ("|*", PatternError(.malformed(#"nothing for "*" to repeat"#), at: 1)),
        ("a{3,1}", PatternError(.malformed("a repeat from 3 down to 1"), at: 1)),
        (#"a\"#, PatternError(.malformed("an escape of nothing"), at: 1)),
        (#"\x{D800}"#, PatternError(.malformed("an escape that gives no character"), at: 0)),
        ("a{1001}", PatternError(.tooLarge("more than 1000 repeats"), at: 2)),
        (
            "(?:a{2}b){1000}{9}",
            PatternError(
                .tooLarge("more than 256 alternatives and repeats, repeated parts counted as often"), at: 18)
        ),
        ("(?:ab){1000}{9}", PatternError(.tooLarge("more than 8192 steps"), at: 15)),
        ("(a{1,1000}){1,1000}b", PatternError(.tooLarge("repeats of more than 8192 characters together"), at: 20)),
        ("(a{1,95}){1,95}b", PatternError(.tooLarge("repeats of more than 8192 characters together"), at: 16)),
        ("(?<=a{256})b", PatternError(.tooLarge("a lookbehind of more than 255 characters"), at: 0)),
        ("[[:foo:]]", PatternError(.unsupported("the class [:foo:]"), at: 1)),
    ]

    @Test(arguments: refused)
    func whatIsNotRunIsNamedWithItsPlace(_ expression: String, _ error: PatternError) {
        #expect(throws: error) { try RegularExpression(expression, .oniguruma) }
    }

    @Test func nestingAndLengthAreBounded() {
        for expression in [
            String(repeating: "(", count: 5_000), String(repeating: "[", count: 5_000),
            String(repeating: "(?i)", count: 2_000),
            String(repeating: "a", count: 10_000),
            String(repeating: "(?:", count: 30) + "a" + String(repeating: "{9})", count: 30),
            String(repeating: "a{1000}{1000}", count: 100), String(repeating: "(?=", count: 5_000),
        ] {
            #expect(throws: PatternError.self) { try RegularExpression(expression, .oniguruma) }
        }
        #expect(throws: Never.self) { try RegularExpression(String(repeating: "a|", count: 3_000), .oniguruma) }
    }

    @Test func dialectsDifferWhereTheirEnginesDo() throws {
        func matches(_ expression: String, _ dialect: PatternDialect, _ text: String) throws -> [String] {
            let expression = try RegularExpression(expression, dialect)
            var found: [String] = []
            _ = Array(text.utf8).withUnsafeBufferPointer { bytes in
                expression.forEachMatch(in: bytes) { found.append(String(decoding: bytes[$0], as: UTF8.self)) }
            }
            return found
        }
        #expect(try matches(#"\d{1,3}+"#, .oniguruma, "1234") == ["1234"])
        #expect(try matches(#"\d{1,3}+"#, .tiktoken, "1234") == ["123", "4"])
        #expect(try matches("a$", .oniguruma, "a\na") == ["a", "a"])
        #expect(try matches("a$", .tiktoken, "a\na") == ["a"])
        #expect(try matches("x(?i)a|b", .oniguruma, "xAxBb") == ["xA", "xB"])
        #expect(try matches("x(?i)a|b", .tiktoken, "xAB") == ["xA", "B"])
        #expect(try matches(#"\pL+"#, .tiktoken, "ab1") == ["ab"])
    }
}
