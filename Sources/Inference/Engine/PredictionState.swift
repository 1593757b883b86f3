import MartletModels
import MartletNN
import MartletTensor

/// What drafting by a model's own modules of multi-token prediction keeps of a sequence.
///
/// Module k (from 0) reads, at each position p, the states of module k − 1 there (the decoder's, for the first) and the
/// token k + 1 places further on, and predicts the token after that. Its keys and values are final as soon as that token is
/// known; states that wait for one are kept.
final class PredictionState {
    /// The keys and values of each module, final ones only.
    var caches: [KVCache]
    /// For each module the states of the positions behind its cache, `[positions, hidden]`.
    var pending: [Tensor?]
    /// The first module's state of its last position, `[1, hidden]`.
    var last: Tensor?

    init(_ decoder: Decoder, precision: Precision, ledger: KVBlockLedger?) {
        caches = (0..<decoder.configuration.predictionModules).map { _ in
            decoder.predictionCache(precision: precision, ledger: ledger)
        }
        pending = caches.map { _ in nil }
    }

    func rows(of module: Int) -> Int { pending[module]?.shape[0] ?? 0 }

    /// The pending rows of a module whose tokens are known, in a sequence of so many tokens.
    func known(_ module: Int, tokens: Int) -> Int {
        max(min(rows(of: module), tokens - 1 - module - caches[module].length), 0)
    }

    func append(_ states: Tensor, to module: Int) throws {
        pending[module] = try pending[module].map { try Tensor.concatenate([$0, states]) } ?? states
    }

    /// Takes the first pending rows of a module.
    func take(_ count: Int, of module: Int) throws -> Tensor? {
        guard count > 0, let states = pending[module] else { return nil }
        let rest = states.shape[0] - count
        pending[module] = rest > 0 ? try states.narrow(0, from: count, length: rest).copied() : nil
        return states.leadingRows(0, count: count)
    }
}

/// The rows of several sequences that a module computes in one pass.
struct PredictionBatch {
    private var parts: [Tensor] = [], next: [Int32] = [], rows: [DecoderSequence] = []
    var isEmpty: Bool { parts.isEmpty }

    /// - Parameters:
    ///   - states: `[rows, hidden]`.
    ///   - tokens: what the module reads beside each of them.
    mutating func add(_ states: Tensor, tokens: some Collection<Int32>, _ cache: KVCache) {
        rows.append(DecoderSequence(rows: next.count..<next.count + tokens.count, cache: cache))
        parts.append(states)
        next += tokens
    }

    /// The module's states of each part, `[rows, hidden]`.
    func run(_ decoder: Decoder, module: Int) throws -> [Tensor] {
        let hidden = parts.count == 1 ? parts[0] : try Tensor.concatenate(parts)  // [rows, hidden]
        let states = try decoder.predicted(hidden, next: next, module: module, Pass(.cached(rows)))
        return try rows.map { try states.narrow(0, from: $0.rows.lowerBound, length: $0.rows.count).copied() }
    }
}
