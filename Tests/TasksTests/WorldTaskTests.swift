import MartletData
import MartletTasks
import Testing

struct WorldTaskTests {
    private func draws(_ count: Int) -> [WorldDraw] {
        (0..<count).map { index in
            WorldDraw(
                random: WorldRandom(3, UInt64(index)), split: index.isMultiple(of: 3) ? .validation : .train,
                language: index.isMultiple(of: 2) ? .english : .chinese)
        }
    }

    /// Evaluates "a op b = c" wherever it stands.
    private func equations(_ text: String) -> [(String, Bool)] {
        let words = text.split { " .。\n".contains($0) }
        return words.indices.dropFirst(4).compactMap { i in
            guard words[i - 1] == "=", let a = Int(words[i - 4]), let b = Int(words[i - 2]), let c = Int(words[i])
            else { return nil }
            let result: Int? =
                switch words[i - 3] {
                case "+": a + b
                case "-": a - b
                case "×": a * b
                default: nil
                }
            return ("\(words[(i - 4)...i])", result == c)
        }
    }

    @Test func everyEquationIsTrue() {
        var count = 0
        for index in 0..<3000 {
            for kind in WorldKind.allCases {
                for (equation, isTrue) in equations(World(seed: 4).document(index, kind: kind).text) {
                    #expect(isTrue, "\(equation)")
                    count += 1
                }
            }
        }
        #expect(count > 3000)
    }

    @Test func problemsHaveTheRightResultAndStepsThatAreNoProblems() {
        for var draw in draws(2000) {
            let problem = Arithmetic.Problem(draw.random.chance(50) ? .add : .subtract, &draw.random)
            let result = problem.kind == .add ? problem.a + problem.b : problem.a - problem.b
            #expect(problem.result == result && result >= 0)
            for worked in [true, false] {
                for language in WorldLanguage.allCases {
                    #expect(WorldCheck.number(result).accepts(Arithmetic.reply(problem, worked: worked, language)))
                }
            }
            for step in problem.steps {
                let operands = step.split(separator: " ").prefix(3).compactMap { Int($0) }
                #expect(operands.count == 2 && operands.contains { $0 < 11 || $0 % 10 == 0 }, "\(step)")
            }
        }
    }

    @Test func comparisonsNameTheLargerNumber() {
        for var draw in draws(600) {
            guard let exchange = Arithmetic.comparison(&draw) else { continue }
            let numbers = exchange.question.split { !$0.isASCII || !$0.isNumber }.compactMap { Int($0) }
            #expect(numbers.count == 2 && numbers[0] != numbers[1])
            #expect(exchange.check == .number(numbers.max() ?? 0))
        }
    }

    @Test(arguments: Puzzle.allCases)
    func puzzlesAreSolved(_ puzzle: Puzzle) {
        for var draw in draws(600) {
            guard let exchange = puzzle.exchange(&draw) else {
                Issue.record("no \(puzzle)")
                continue
            }
            #expect(exchange.check.accepts(exchange.reply), "\(exchange)")
            let items =
                exchange.question.split { ":：.。".contains($0) }.last.map {
                    $0.split { ",、 ?？".contains($0) }.map(String.init)
                } ?? []
            let replied = exchange.reply.split { ",、 ".contains($0) }.map(String.init)
            switch puzzle {
            case .sort: #expect(replied.compactMap { Int($0) } == items.compactMap { Int($0) }.sorted())
            case .reversal where draw.language == .english: #expect(replied.dropFirst() == items.reversed()[...])
            case .sequence:
                let numbers = replied.compactMap { Int($0) }
                #expect(zip(numbers, numbers.dropFirst()).allSatisfy { $0 + 1 == $1 } && numbers.count >= 4)
            case .backwards:
                let numbers = replied.compactMap { Int($0) }
                #expect(zip(numbers, numbers.dropFirst()).allSatisfy { $0 - 1 == $1 } && numbers.count >= 4)
            default: break
            }
        }
    }

    @Test func checksReadRepliesAsAPersonWould() {
        #expect(WorldCheck.mentions("cat", without: ["dog"]).accepts("It is a Cat."))
        #expect(!WorldCheck.mentions("cat", without: ["dog"]).accepts("It is a cat or a dog."))
        #expect(!WorldCheck.mentions("cat", without: []).accepts("a catalogue"))
        #expect(WorldCheck.mentions("厨房", without: ["花园"]).accepts("安娜在厨房里。"))
        #expect(WorldCheck.number(85).accepts("40 + 30 = 70. 70 + 15 = 85. The answer is 85."))
        #expect(!WorldCheck.number(85).accepts("185"))
        #expect(!WorldCheck.number(85).accepts("85 or 86"))
        #expect(WorldCheck.number(-7).accepts("It is -7."))
        #expect(WorldCheck.number(7).accepts("15-7"))
        #expect(!WorldCheck.number(7).accepts(""))
        #expect(!WorldCheck.number(7).accepts("99999999999999999999999"))
        #expect(WorldCheck.exact("3, 4, 5").accepts(" 3, 4, 5.\n"))
        #expect(!WorldCheck.exact("3, 4, 5").accepts("3, 4, 5, 6"))
        #expect(!WorldCheck.exact("a").accepts(""))
    }
}
