import MartletFormats
import MartletJSON
import MartletTraining
import Testing

/// Answers in LaTeX. See Goldens/math/make_math.py.
struct MathAnswerTests {
    private static let goldens = String(#filePath.dropLast("MathAnswerTests.swift".count)) + "Goldens/math/"

    @Test func repliesAreJudgedAsMathVerifyJudgesThem() throws {
        let cases = try #require(try JSON(parsing: Folder.read(Self.goldens + "cases.json")).array)
        #expect(cases.count > 150)
        for entry in cases {
            let parts = entry.array ?? []
            let reference = try #require(parts[0].string), reply = try #require(parts[1].string)
            let judged = try #require(parts[2].bool)
            #expect(
                MathAnswer(reference).isGiven(in: reply) == judged, "\(reference) in \(reply): math-verify \(judged)")
        }
    }

    /// The last box counts; what a solution ends with is its answer.
    @Test(
        arguments: [
            ("7", "First \\boxed{3}, no: \\boxed{7}", true), ("3", "First \\boxed{3}, no: \\boxed{7}", false),
            ("Half of 36 is 18.\n#### 18", "\\boxed{18}", true), ("We get \\boxed{\\frac{1}{2}}.", "0.5", true),
            ("18", "**The answer is: 18 apples.**", true), ("\\frac{1}{2}", "the answer is 1/2", true),
            ("yes", "\\boxed{\\text{Yes}}", true), ("5", "\\boxed{", false), ("5", "\\boxed{\\frac{5}}", false),
            ("5", String(repeating: "(", count: 3000) + "5", true), ("5", "", false),
            ("-3", "so the result is -3", true), ("3", "between 2-3", true), ("x^{2}", "\\boxed{x \\cdot x}", true),
        ])
    func answersAreFound(_ reference: String, _ reply: String, _ isRight: Bool) {
        #expect(MathAnswer(reference).isGiven(in: reply) == isRight)
    }

    /// Deep or endless formulas end in a judgement, not in a crash.
    @Test func hostileFormulasAreJudged() {
        for text in [
            String(repeating: "\\frac{1}{", count: 2000), String(repeating: "{", count: 4000),
            String(repeating: "\\sqrt", count: 900), "9^{9^{9^{9^{9}}}}", "170!!!!", "\\frac{1}{0}", "0^{-1}", "(((((",
            "\\begin{pmatrix}", "^", "\\", "\\text{", "1_", "\\log_", "|", "\\{",
        ] {
            #expect(!MathAnswer("5").isGiven(in: "\\boxed{\(text)}"))
            _ = MathAnswer(text).isGiven(in: "\\boxed{\(text)}")
        }
    }
}
