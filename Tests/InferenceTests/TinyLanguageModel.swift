import Foundation
import MartletInference
import MartletModels
import MartletNN
import MartletTensor
import TinyModels

/// A folder that goes away with the test.
final class Scratch {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "martlet-inference-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }
    deinit { try? FileManager.default.removeItem(atPath: path) }
}

extension LanguageModel {
    /// A loaded random model; the same for the same settings.
    static func tiny(_ change: (inout TinyModel) -> Void = { _ in }) throws -> LanguageModel {
        let scratch = try Scratch()
        var tiny = TinyModel()
        change(&tiny)
        try tiny.write(folder: scratch.path)
        return try LanguageModel(path: scratch.path)
    }
}

/// What a stream said, put together.
struct Said: Equatable {
    var text = ""
    var deltas: [String] = []
    var tokens: [Int32] = []
    var reason: FinishReason?
    var statistics = GenerationStatistics()

    static func == (left: Said, right: Said) -> Bool {
        left.deltas == right.deltas && left.tokens == right.tokens && left.reason == right.reason
    }

    init(_ stream: AsyncThrowingStream<GeneratedToken, any Error>) async throws {
        for try await piece in stream { add(piece) }
    }

    init() {}

    mutating func add(_ piece: GeneratedToken) {
        text += piece.text
        deltas.append(piece.text)
        if let token = piece.token { tokens.append(token) }
        if let reason = piece.finishReason { self.reason = reason }
        if let statistics = piece.statistics { self.statistics = statistics }
    }
}

extension GenerationOptions {
    static func greedy(_ maximum: Int) -> GenerationOptions {
        var options = GenerationOptions()
        options.sampling = .greedy
        options.maximumTokens = maximum
        return options
    }

    static func sampled(_ maximum: Int, seed: UInt64?) -> GenerationOptions {
        var options = GenerationOptions()
        options.sampling.seed = seed
        options.maximumTokens = maximum
        return options
    }
}

extension Decoder {
    /// Extends a cache by a prompt; the logits after its last token, `[1, vocabulary]`: what replies are compared with.
    func prefill(_ tokens: [Int32], _ cache: KVCache) throws -> Tensor {
        let hidden = try hiddenStates(tokens, [DecoderSequence(rows: 0..<tokens.count, cache: cache)])
        return try logits(hidden.leadingRows(tokens.count - 1, count: 1))
    }
}
