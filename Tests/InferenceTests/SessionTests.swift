import MartletChat
import MartletInference
import MartletModels
import MartletTokenizers
import Synchronization
import Testing
import TinyModels

/// What a session keeps between replies, and how one is stopped.
struct SessionTests {
    @Test func theNextTurnComputesOnlyItsOwnTokens() async throws {
        let model = try LanguageModel.tiny()
        let first: [Int32] = Array(3..<23)
        let one = try await Said(model.generate(.sampled(10, seed: 1)) { first })
        #expect(one.statistics.cachedTokens == 0 && one.statistics.promptTokens == 20)
        let second = first + one.tokens + [30, 31, 32]
        let two = try await Said(model.generate(.sampled(10, seed: 2)) { second })
        // The last token of a reply is never computed until something follows it.
        #expect(two.statistics.cachedTokens == 29 && two.statistics.promptTokens == 33)
        #expect(try await two == Said(LanguageModel.tiny().generate(.sampled(10, seed: 2)) { second }))
    }

    @Test func aChatKeepsTheTurnsBefore() async throws {
        let model = try LanguageModel.tiny()
        var messages = [ChatMessage(role: "user", content: "Is the inn near the fort?")]
        let first = try await Said(model.chat(messages, .greedy(8)))
        messages += [
            ChatMessage(role: "assistant", content: first.text), ChatMessage(role: "user", content: "And the road?"),
        ]
        let second = try await Said(model.chat(messages, .greedy(8)))
        #expect(second.statistics.cachedTokens >= first.statistics.promptTokens)
        #expect(try await second == Said(LanguageModel.tiny().chat(messages, .greedy(8))))
    }

    @Test func anotherPromptDropsWhatItDoesNotShare() async throws {
        let model = try LanguageModel.tiny()
        let prompt: [Int32] = Array(3..<50)
        _ = try await Said(model.generate(.greedy(30)) { prompt })
        let other = prompt[..<40] + [100] + prompt[41...]
        let said = try await Said(model.generate(.greedy(30)) { Array(other) })
        #expect(said.statistics.cachedTokens == 40)
        #expect(try await said == Said(LanguageModel.tiny().generate(.greedy(30)) { Array(other) }))
    }

    @Test func theSamePromptAgainComputesItsLastToken() async throws {
        let model = try LanguageModel.tiny()
        let first = try await Said(model.generate(.greedy(5)) { Array(3..<23) })
        let again = try await Said(model.generate(.greedy(5)) { Array(3..<23) })
        #expect(again == first && again.statistics.cachedTokens == 19)
    }

    // MARK: - Cancellation

    /// What was said, for closures that outlive their scope.
    private final class Heard {
        var said = Said()
    }

    private func generator(_ model: LanguageModel) throws -> Generator {
        try Generator(model.decoder, model.tokenizer, precision: model.precision, endTokens: [], .oneAtATime)
    }

    @Test func cancellationEndsWithinOneToken() throws {
        let model = try LanguageModel.tiny()
        for count in [1, 2, 9] {
            let heard = Heard()
            try generator(model).generate(
                Array(3..<23), .greedy(200), isCancelled: { heard.said.tokens.count >= count },
                emit: { heard.said.add($0) })
            #expect(heard.said.tokens.count == count && heard.said.reason == .cancelled)
        }
    }

    @Test func aPromptIsGivenUpBetweenItsPieces() throws {
        let model = try LanguageModel.tiny { $0.contextLength = 4096 }
        let generator = try generator(model)
        let prompt = (0..<2000).map { Int32(3 + $0 % 100) }
        // Asked before each step: a piece is computed, then it is over.
        let given = Heard(), again = Heard(), fresh = Heard()
        var asked = 0
        try generator.generate(
            prompt, .greedy(1),
            isCancelled: {
                asked += 1
                return asked > 1
            }, emit: { given.said.add($0) })
        #expect(given.said.tokens.isEmpty && given.said.reason == .cancelled)
        // What was computed is kept for the next time.
        try generator.generate(prompt, .greedy(4), emit: { again.said.add($0) })
        #expect(again.said.statistics.cachedTokens == 512)
        try self.generator(model).generate(prompt, .greedy(4), emit: { fresh.said.add($0) })
        #expect(again.said.tokens == fresh.said.tokens)
    }

    @Test(.timeLimit(.minutes(20))) func leavingTheLoopOrCancellingTheTaskFreesTheModel() async throws {
        // Without cancellation these replies would take many minutes.
        let model = try LanguageModel.tiny { $0.contextLength = 1_000_000 }
        for try await piece in model.complete("the end", .greedy(900_000)) where piece.token != nil { break }
        let task = Task { try await Said(model.complete("the end", .greedy(900_000))) }
        try await Task.sleep(for: .milliseconds(20))
        task.cancel()
        _ = try? await task.value
        let search = Task {
            var options = GenerationOptions.greedy(900_000)
            options.beams = BeamSearchOptions(width: 2)
            return try await model.search(options) { [5, 6, 7] }
        }
        try await Task.sleep(for: .milliseconds(20))
        search.cancel()
        await #expect(throws: CancellationError.self) { _ = try await search.value }
        #expect(try await Said(model.complete("the end", .greedy(3))).tokens.count == 3)
    }

    // MARK: - What does not fit

    @Test func aModelWithoutTemplateOnlyContinuesText() async throws {
        let model = try LanguageModel.tiny { $0.hasChatTemplate = false }
        #expect(model.chatTemplate == nil)
        await #expect(throws: OptionError.self) {
            _ = try await Said(model.chat([ChatMessage(role: "user", content: "hi")]))
        }
        #expect(try await Said(model.complete("hi", .greedy(2))).tokens.count == 2)
    }

    @Test func aFolderWithoutTokenizerIsRefused() throws {
        let error = #expect(throws: TokenizerError.self) { _ = try LanguageModel.tiny { $0.hasTokenizer = false } }
        #expect("\(try #require(error))".contains("no tokenizer"))
    }

    @Test func theSameModelAsGGUFSaysTheSame() async throws {
        let scratch = try Scratch()
        try TinyModel().write(gguf: scratch.path + "/tiny.gguf")
        let file = try LanguageModel(path: scratch.path + "/tiny.gguf")
        let folder = try LanguageModel.tiny()
        #expect(file.endTokens == folder.endTokens && file.chatTemplate != nil)
        #expect(try file.tokenizer.encode("the end of an inn") == folder.tokenizer.encode("the end of an inn"))
        // Rotation pairs neighbours in GGUF files of Llamas and halves in folders, so only the first token agrees.
        let said = try await Said(file.generate(.greedy(1)) { [9] })
        #expect(try await said.tokens == Said(folder.generate(.greedy(1)) { [9] }).tokens)
    }
}
