import MartletModels
import MartletNN
import MartletTensor

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// exp of the mean of −log p over tokens, with its standard error.
///
/// ```swift
/// let windows = try TextWindows(text, name: "wiki.txt", tokenizer: tokenizer, method: .chunks(length: 512))
/// let result = try Perplexity(decoder, .fast, windows)
/// print(result.value, "±", result.standardError)
/// ```
public struct Perplexity: Sendable {
    public let value: Double
    /// exp(mean) times the standard error of the mean, tokens taken as independent.
    public let standardError: Double
    public let tokens: Int

    /// - Parameter logProbabilities: log p of each token.
    public init(logProbabilities: [Double]) {
        let count = Double(logProbabilities.count), mean = -logProbabilities.reduce(0, +) / max(count, 1)
        let variance = logProbabilities.reduce(0) { $0 + $1 * $1 } / max(count, 1) - mean * mean
        value = exp(mean)
        standardError = count > 1 && variance > 0 ? (variance / (count - 1)).squareRoot() * exp(mean) : 0
        tokens = logProbabilities.count
    }

    /// - Parameters:
    ///   - decoder: a prepared one.
    ///   - progress: windows that are done, and the perplexity so far; what it throws ends the computation.
    public init(
        _ decoder: Decoder, _ precision: Precision, _ windows: TextWindows,
        progress: (Int, Perplexity) throws -> Void = { _, _ in }
    ) throws {
        var all: [Double] = []
        for (number, window) in windows.windows.enumerated() {
            let hidden = try WindowPass.hidden(window, decoder, precision)
            try WindowPass.forBlocks(window) { rows in
                let logs = try WindowPass.logProbabilities(hidden, rows, decoder)
                let targets = rows.map { window.tokens[$0 + 1] }
                all += try WindowPass.picked(logs, targets)
            }
            try progress(number + 1, Perplexity(logProbabilities: all))
        }
        self.init(logProbabilities: all)
    }
}

/// A window through a model, logits a few rows at a time: each takes a vocabulary.
enum WindowPass {
    private static let rowsAtOnce = 64

    static func hidden(
        _ window: TextWindows.Window, _ decoder: Decoder, _ precision: Precision, _ type: KVCacheType = .f16
    ) throws -> Tensor {
        let sequences = window.sequences.map { rows in
            DecoderSequence(rows: rows, cache: KVCache(decoder.configuration, precision: precision, type: type))
        }
        return try noGrad { try decoder.hiddenStates(window.tokens, sequences) }
    }

    static func forBlocks(_ window: TextWindows.Window, _ body: ([Int]) throws -> Void) throws {
        for first in stride(from: 0, to: window.scored.count, by: rowsAtOnce) {
            try body(Array(window.scored[first..<min(first + rowsAtOnce, window.scored.count)]))
        }
    }

    /// `[rows, vocabulary]`
    static func logProbabilities(_ hidden: Tensor, _ rows: [Int], _ decoder: Decoder) throws -> Tensor {
        try noGrad { try decoder.logits(hidden.gatheredRows(rows)).logSoftmax(axis: 1) }
    }

    static func picked(_ logs: Tensor, _ tokens: [Int32]) throws -> [Double] {
        let size = logs.shape[1]
        return try logs.withHostValues { values in
            tokens.enumerated().map { Double(values[$0.offset * size + Int($0.element)]) }
        }
    }
}
