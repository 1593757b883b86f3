import Martlet
import MartletFormats
import MartletModels
import MartletSystem

/// The memory a model will need, estimated before loading, so that a model that does not fit is refused and no process
/// is killed.
struct MemoryPlan: Sendable, Equatable {
    /// Bytes of the packed weights.
    var weights: Int
    /// Bytes of the keys and values of one whole context, the minimum for the cache; layers with a sliding window take
    /// those of their window only. `Int.max` if it is too large to count.
    var context: Int
    /// Intermediate results of a step, the tokenizer and others.
    static let working = 96 << 20

    /// The minimum memory.
    var minimum: Int { weights.adding(clamped: context).adding(clamped: Self.working) }

    /// The bytes reserved for a model with a cache of this size.
    func promise(cache: Int) -> Int { weights.adding(clamped: cache).adding(clamped: Self.working) }

    init(weights: Int, context: Int) {
        self.weights = weights
        self.context = context
    }

    /// Packed weights keep their bit width, except for padding rows in the last panel of each matrix; exact ones are
    /// float32.
    init(_ checkpoint: Checkpoint, precision: Precision = .fast, cache: KVCacheType = .f16) throws {
        let bytes = checkpoint.tensors.names.reduce(0) { sum, name in
            let entry = checkpoint.tensors.entry(name)
            let own =
                !precision.isExact
                ? entry?.byteCount ?? 0 : (entry?.shape.elementCount ?? 0).multiplied(clampedBy: 4)
            return sum.adding(clamped: own)
        }
        weights = bytes.adding(clamped: bytes / 16)
        context = 0
        if checkpoint.kind == .translates {
            // A source and a target.
            context = try checkpoint.encoderDecoderConfiguration().cacheBytes(
                precision: precision, type: cache, rows: EngineOptions().tokensPerStep)
        }
        guard checkpoint.kind == .generates else { return }
        let configuration = try checkpoint.decoderConfiguration()
        // An invalid file may claim more than can be counted; then no memory is enough.
        context = configuration.cacheBytes(
            tokens: configuration.contextLength, precision: precision, type: cache, rows: EngineOptions().tokensPerStep)
    }

    /// The same with the keys and values of one context of a draft model.
    func with(draft bytes: Int) -> MemoryPlan { MemoryPlan(weights: weights, context: context.adding(clamped: bytes)) }

    /// Bytes for the cache: as requested, or what is available.
    func cache(available: Int, wanted: Int) -> Int {
        max(context, min(wanted, available.adding(clamped: -weights).adding(clamped: -Self.working)))
    }
}

extension Int {
    /// "1.3 GiB", for messages.
    var asBytes: String {
        var (value, unit) = (Double(self), 0)
        while value >= 1024, unit < 4 { (value, unit) = (value / 1024, unit + 1) }
        let digits = unit == 0 ? "\(self)" : "\((value * 10).rounded() / 10)"
        return digits + " " + ["B", "KiB", "MiB", "GiB", "TiB"][unit]
    }
}
