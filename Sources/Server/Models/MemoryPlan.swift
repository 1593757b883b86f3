import MartletFormats
import MartletModels
import MartletSystem

/// What a model will take, told before it is loaded, so that a model that does not fit is refused and nothing is killed.
struct MemoryPlan: Sendable, Equatable {
    /// Bytes of the rearranged weights.
    var weights: Int
    /// Bytes of keys and values that one whole context takes; the cache holds at least one. What is beyond counting is
    /// `Int.max`, which no machine has.
    var context: Int
    /// For a step's intermediate results, the tokenizer and the like.
    static let working = 96 << 20

    /// What it takes at least.
    var minimum: Int { weights.adding(clamped: context).adding(clamped: Self.working) }

    /// Bytes that a model with so large a cache is promised.
    func promise(cache: Int) -> Int { weights.adding(clamped: cache).adding(clamped: Self.working) }

    init(weights: Int, context: Int) {
        self.weights = weights
        self.context = context
    }

    /// Weights keep their width when they are rearranged, but for the rows that fill up the last panel of each.
    init(_ checkpoint: Checkpoint) throws {
        let bytes = checkpoint.tensors.names.reduce(0) {
            $0.adding(clamped: checkpoint.tensors.entry($1)?.byteCount ?? 0)
        }
        weights = bytes.adding(clamped: bytes / 16)
        context = 0
        guard checkpoint.kind == .generates else { return }
        let configuration = try checkpoint.decoderConfiguration()
        // Float16 keys and values. What a file claims may be more than can be counted: then no memory is enough.
        let attention = configuration.attention
        context =
            Int.product(
                configuration.layerCount, attention.keyValueHeads, attention.headDimension, 4,
                configuration.contextLength) ?? .max
    }

    /// Bytes for the cache out of what is available: as many as asked for, or what is left.
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
