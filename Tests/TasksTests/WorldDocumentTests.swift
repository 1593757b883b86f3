import MartletData
import MartletTasks
import Testing

struct WorldDocumentTests {
    @Test func aDocumentIsTheSameWhereverAndWheneverItIsMade() {
        for kind in WorldKind.allCases {
            let forward = (0..<50).map { World(seed: 3).document($0, kind: kind) }
            let backward = (0..<50).reversed().map { World(seed: 3).document($0, kind: kind) }
            #expect(forward == backward.reversed())
        }
        #expect(World(seed: 3).document(0).text != World(seed: 4).document(0).text)
    }

    /// Fixes the bytes: whoever changes a word of the world changes these numbers too, and says so.
    @Test func theBytesAreTheseOnEveryMachine() {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for kind in WorldKind.allCases {
            for index in 0..<200 {
                for byte in World(seed: 1).document(index, kind: kind).text.utf8 {
                    hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3
                }
            }
        }
        #expect(hash == 9_084_562_482_242_741_254)
    }

    @Test(arguments: WorldKind.allCases)
    func textIsWellFormed(_ kind: WorldKind) {
        let world = World(seed: 5)
        for split in WorldSplit.allCases {
            for index in 0..<1500 {
                let document = world.document(index, split: split, kind: kind)
                let text = document.text
                #expect(!text.isEmpty)
                for bad in [
                    "{", "}", "  ", "..", "。。", "\n\n", " .", " a a", " a e", " a i", " a o", " an c", " the the ",
                ] {
                    #expect(!text.contains(bad), "\(bad) in \(text)")
                }
                if document.language == .english, kind != .chat {
                    let foreign = text.unicodeScalars.contains { $0.value >= 0x3000 }
                    #expect(!foreign || text.contains("Chinese"), "\(text)")
                }
                for message in document.messages { #expect(!message.content.isEmpty) }
            }
        }
    }

    @Test func bothLanguagesComeInTheirShare() {
        let documents = (0..<4000).map { World(seed: 1, chinese: 30).document($0) }
        let chinese = documents.count { $0.language == .chinese }
        #expect((1100...1300).contains(chinese))
        #expect((0..<200).allSatisfy { World(seed: 1, chinese: 0).document($0).language == .english })
        #expect((0..<200).allSatisfy { World(seed: 1, chinese: 100).document($0).language == .chinese })
    }

    @Test func chatsAlternateFromUserToAssistant() {
        for index in 0..<2000 {
            let roles = World(seed: 2).document(index, kind: .chat).messages.map(\.role)
            #expect(roles.count >= 2 && roles.count.isMultiple(of: 2))
            #expect(roles.enumerated().allSatisfy { $1 == ($0.isMultiple(of: 2) ? "user" : "assistant") })
        }
    }

    @Test func documentsRepeatRarely() {
        let texts = Set((0..<5000).map { World(seed: 1).document($0).text })
        #expect(texts.count > 4800)
    }

    @Test func theReplyOfAQuestionIsAccepted() {
        for kind in [WorldKind.questions, .arithmetic] {
            for split in WorldSplit.allCases {
                for question in World(seed: 9).questions(3000, split: split, kind: kind) {
                    #expect(question.check.accepts(question.reply), "\(question)")
                    #expect(!question.check.accepts("I do not know."))
                }
            }
        }
    }

    @Test func aReplyFromAnotherQuestionIsSeldomAccepted() {
        let questions = World(seed: 9).questions(2000)
        let right = zip(questions, questions.dropFirst()).count { $0.check.accepts($1.reply) }
        #expect(right < 60)
    }

    @Test func everyCategoryIsAskedInBothLanguagesAndBothSplits() {
        for split in WorldSplit.allCases {
            var seen: Set<String> = []
            for question in World(seed: 1).questions(20_000, split: split) {
                seen.insert("\(question.category)/\(question.language.rawValue)")
            }
            for query in StoryQuery.Kind.allCases {
                for language in WorldLanguage.allCases {
                    #expect(
                        seen.contains("story.\(query.rawValue)/\(language.rawValue)"), "\(query) \(language) \(split)")
                }
            }
            #expect(seen.count >= 2 * (StoryQuery.Kind.allCases.count + Puzzle.allCases.count + 14))
        }
    }
}
