/// Checks whether a reply gives a reference answer in any form: fractions, roots, percent, sets, intervals, matrices,
/// expressions, with units or in a box, as `math-verify` does.
///
/// ```swift
/// MathAnswer("\\frac{1}{2}").isGiven(in: "so x = \\boxed{0.5}")      // true
/// ```
public struct MathAnswer: Sendable {
    private let text: String
    private let forms: [MathExpression]
    private let isPercent: Bool

    /// - Parameter answer: the reference: LaTeX, a number, or what a solution ends with ("… #### 18", "… \\boxed{18}").
    public init(_ answer: String) {
        let isFormula = MathParser.parse(answer) != nil
        let found =
            isFormula && !answer.contains("\\boxed") && !answer.contains("####")
            ? answer : MathText.answer(in: answer) ?? answer
        text = MathText.words(found)
        forms = MathParser.parse(found).map { [$0] } ?? []
        isPercent = Self.isPercent(found)
    }

    public func isGiven(in reply: String) -> Bool {
        guard let found = MathText.answer(in: reply) else {
            return forms.isEmpty && !text.isEmpty && MathText.plain(reply) == text
        }
        guard let own = forms.first, let given = MathParser.parse(found) else {
            return !text.isEmpty && MathText.words(found) == text
        }
        if own.equals(given) || MathText.words(found) == text { return true }
        // 50 % is 50 and 0.5.
        if isPercent { return MathExpression.quotient(own, .number(100)).equals(given) }
        if Self.isPercent(found) { return own.equals(.quotient(given, .number(100))) }
        return false
    }

    private static func isPercent(_ text: String) -> Bool {
        let bare = MathText.cleaned(text)
        return bare.hasSuffix("%") || bare.hasSuffix("\\%")
    }
}
