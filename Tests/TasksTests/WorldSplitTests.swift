import MartletData
import MartletTasks
import Testing

struct WorldSplitTests {
    static let world = World(seed: 7)

    @Test(arguments: WorldKind.allCases)
    func everyInstanceOfADocumentFallsOnItsSide(_ kind: WorldKind) {
        for split in WorldSplit.allCases {
            for index in 0..<800 {
                let document = Self.world.document(index, split: split, kind: kind)
                #expect(!document.instances.isEmpty || split == .train)
                #expect(document.instances.allSatisfy { WorldSplit.side(of: $0) == split }, "\(document.text)")
            }
        }
    }

    @Test func trainingAndValidationShareNoInstance() {
        var instances: [WorldSplit: Set<String>] = [.train: [], .validation: []]
        for seed: UInt64 in 1...2 {
            let world = World(seed: seed)
            for kind in WorldKind.allCases {
                for index in 0..<1500 {
                    for split in WorldSplit.allCases {
                        instances[split]?.formUnion(world.document(index, split: split, kind: kind).instances)
                    }
                }
            }
        }
        let train = instances[.train] ?? [], validation = instances[.validation] ?? []
        #expect(train.count > 5000 && validation.count > 3000)
        #expect(train.isDisjoint(with: validation))
    }

    @Test func noQuestionThatIsKeptBackIsEverReadInTraining() {
        var asked: Set<Substring> = []
        for index in 0..<8000 {
            // Every line, and every stretch from the beginning: a story with the question that follows it.
            let text = Self.world.document(index).text
            asked.formUnion(text.split(separator: "\n"))
            for end in text.indices where text[end] == "\n" { asked.insert(text[..<end]) }
            asked.insert(text[...])
            for message in Self.world.document(index, kind: .chat).messages where message.role == "user" {
                asked.insert(message.content[...])
            }
        }
        let questions =
            Self.world.questions(2000) + Self.world.questions(1000, kind: .arithmetic)
        for question in questions {
            let prompt = question.prompt[0].content
            #expect(!asked.contains(prompt[...]), "\(prompt)")
        }
    }

    /// Reads pairs of numbers with a sign between them from the text itself, whatever made them.
    @Test func noProblemThatIsKeptBackStandsInTrainingText() {
        func problems(_ text: String) -> Set<String> {
            let words = text.split { " .?。？,\n".contains($0) }
            var found: Set<String> = []
            for i in words.indices.dropFirst(2) {
                guard ["+", "-", "plus", "minus", "加", "减"].contains(words[i - 1]), let a = Int(words[i - 2]),
                    let b = Int(words[i]), a > 10, b > 10, a % 10 != 0, b % 10 != 0
                else { continue }
                let sum = ["+", "plus", "加"].contains(words[i - 1])
                found.insert("\(sum) \(min(a, b)) \(max(a, b))")
            }
            return found
        }
        var train: Set<String> = [], validation: Set<String> = []
        for index in 0..<9000 {
            for kind in [WorldKind.text, .chat, .arithmetic] {
                train.formUnion(problems(Self.world.document(index, kind: kind).text))
                validation.formUnion(problems(Self.world.document(index, split: .validation, kind: kind).text))
            }
        }
        #expect(train.count > 3500 && validation.count > 450)
        #expect(train.isDisjoint(with: validation))
    }

    @Test func aTenthIsKeptBack() {
        let kept = (0..<20_000).count { WorldSplit.side(of: "instance \($0)") == .validation }
        #expect((1800...2200).contains(kept))
    }
}
