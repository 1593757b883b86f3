/// Sums and differences of two-digit numbers, the times table and comparisons.
///
/// Sums are computed by tens and units, `40 + 30 = 70. 7 + 8 = 15. 70 + 15 = 85.`; each step can be memorised, whether
/// the tokenizer splits digits or not. Some of the replies give only the result, which is harder to get right;
/// reinforcement learning can discover that the steps help. Operands are never multiples of ten or below eleven, so
/// that no step of a sum is itself a problem, and both orders of a pair of operands belong to the same split.
package enum Arithmetic {
    package enum Kind: String, Sendable, CaseIterable {
        case add, subtract
    }

    package struct Problem: Sendable, Equatable {
        package let kind: Kind
        package let a, b: Int

        /// Two numbers from 11 to 99 that are not multiples of ten; in a difference the larger comes first.
        package init(_ kind: Kind, _ random: inout WorldRandom) {
            func operand() -> Int { random.within(1...9) * 10 + random.within(1...9) }
            let x = operand(), y = operand()
            self.kind = kind
            (a, b) = kind == .subtract && y > x ? (y, x) : (x, y)
        }

        package var result: Int { kind == .add ? a + b : a - b }
        package var sign: String { kind == .add ? "+" : "-" }
        /// Both orders of a sum are the same instance; differences are instances of their own.
        package var instance: String { "arithmetic:\(kind.rawValue):\(min(a, b)):\(max(a, b))" }
        package var expression: String { "\(a) \(sign) \(b)" }

        /// The computation by tens and units.
        package var steps: [String] {
            let tens = b / 10 * 10, units = b % 10
            switch kind {
            case .add:
                let first = a / 10 * 10 + tens, second = a % 10 + units
                return [
                    "\(a / 10 * 10) + \(tens) = \(first)", "\(a % 10) + \(units) = \(second)",
                    "\(first) + \(second) = \(result)",
                ]
            case .subtract:
                return ["\(a) - \(tens) = \(a - tens)", "\(a - tens) - \(units) = \(result)"]
            }
        }
    }

    /// - Parameter worked: the percentage of replies that show the steps.
    package static func exchange(_ draw: inout WorldDraw, worked: Int) -> WorldExchange? {
        let problem = draw.instance { random in
            let problem = Problem(random.chance(60) ? .add : .subtract, &random)
            return (problem.instance, problem)
        }
        guard let problem else { return nil }
        let words: [Character: Word] = ["N": Word(problem.a), "M": Word(problem.b)]
        let template = draw.random.pick((problem.kind == .add ? sums : differences)[draw.language])
        return WorldExchange(
            "arithmetic.\(problem.kind.rawValue)", template.filled(words, draw.language),
            reply(problem, worked: draw.random.chance(worked), draw.language), .number(problem.result))
    }

    package static func reply(_ problem: Problem, worked: Bool, _ language: WorldLanguage) -> String {
        let english = language == .english
        let end = english ? "The answer is \(problem.result)." : "答案是 \(problem.result)。"
        guard worked else { return end }
        return problem.steps.map { $0 + (english ? ". " : "。") }.joined() + end
    }

    private static let sums = Wordings(
        ["What is {N} + {M}?", "{N} + {M} = ?", "Add {N} and {M}.", "How much is {N} plus {M}?"],
        ["{N} + {M} 等于多少？", "{N} + {M} = ?", "{N} 加 {M} 是多少？", "请算一算 {N} + {M}。"])
    private static let differences = Wordings(
        ["What is {N} - {M}?", "{N} - {M} = ?", "Take {M} away from {N}.", "How much is {N} minus {M}?"],
        ["{N} - {M} 等于多少？", "{N} - {M} = ?", "{N} 减 {M} 是多少？", "请算一算 {N} - {M}。"])

    // MARK: - What is learnt by heart or seen at a glance

    private static let tables = Wordings(
        ["What is {N} times {M}?", "{N} × {M} = ?", "How much is {N} times {M}?", "Multiply {N} by {M}."],
        ["{N} 乘 {M} 是多少？", "{N} × {M} = ?", "{N} × {M} 等于多少？", "请算一算 {N} × {M}。"])
    private static let comparisons = Wordings(
        ["Which is larger, {N} or {M}?", "Which number is bigger: {N} or {M}?", "What is more, {N} or {M}?"],
        ["{N} 和 {M} 哪个大？", "哪个数更大，{N} 还是 {M}？", "{N} 多还是 {M} 多？"])

    /// A product of the times table: a fact, so wordings are held out, as for other facts.
    package static func product(_ draw: inout WorldDraw) -> WorldExchange? {
        let language = draw.language
        let drawn = draw.instance { random in
            let a = random.within(2...9), b = random.within(2...9), wording = random.below(4)
            return ("table:\(language.rawValue):\(a):\(b):q\(wording)", (a, b, tables[language][wording]))
        }
        guard let (a, b, template) = drawn else { return nil }
        return WorldExchange(
            "number.table", template.filled(["N": Word(a), "M": Word(b)], language), "\(a) × \(b) = \(a * b)",
            .number(a * b))
    }

    package static func comparison(_ draw: inout WorldDraw) -> WorldExchange? {
        let pair = draw.instance { random -> (String, (Int, Int)) in
            let a = random.within(2...99), step = random.within(1...96), b = (a - 2 + step) % 98 + 2
            return ("compare:\(min(a, b)):\(max(a, b))", (a, b))
        }
        guard let (a, b) = pair else { return nil }
        let larger = max(a, b), language = draw.language
        return WorldExchange(
            "number.compare",
            draw.random.pick(comparisons[language]).filled(["N": Word(a), "M": Word(b)], language),
            language == .english ? "\(larger) is larger." : "\(larger) 更大。", .number(larger))
    }
}
