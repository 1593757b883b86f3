import MartletModels
import MartletSystem

extension TrainingCost {
    /// Refuses what this machine cannot hold, while none of it is made: a run that outgrew memory later would be killed,
    /// or push everything else out first.
    ///
    /// - Parameters:
    ///   - memory: bytes by kind, as `memory(tokens:optimizer:copies:)` counts them.
    ///   - limit: bytes there are; nil where that is not known or not to be looked at.
    ///   - what: the beginning of the sentence, as "training".
    static func demand(_ memory: [(kind: String, bytes: Int)], within limit: Int?, for what: String)
        throws(TrainingError)
    {
        let needed = memory.reduce(0) { $0.adding(clamped: $1.bytes) }
        guard let limit, needed > limit else { return }
        throw TrainingError(
            .configuration,
            "\(what) needs about \(sized(needed)) of memory ("
                + memory.filter { $0.bytes > 0 }.map { "\(sized($0.bytes)) of \($0.kind)" }.joined(separator: ", ")
                + "), and this machine or its control group has \(sized(limit)): take a smaller model"
                + (memory.contains { $0.kind == "activations" && $0.bytes > limit / 2 }
                    ? " or more micro_batches, set recompute to layers" : "")
                + ", or try it all the same with --ignore-memory")
    }

    /// "1.3 GB"
    private static func sized(_ bytes: Int) -> String {
        var value = Double(bytes) / 1e6, units = ["MB", "GB", "TB"][...]
        while value >= 1000, units.count > 1 { (value, units) = (value / 1000, units.dropFirst()) }
        return "\((value * 10).rounded() / 10) \(units.first ?? "")"
    }
}

extension ResolvedOptions {
    /// Of the largest micro-batch: a step's rows need not divide evenly.
    public var rowsPerMicroBatch: Int {
        let parts = max(1, self.compute.microBatches)
        return (self.rows.perStep + parts - 1) / parts
    }

    /// Sequences that a row is: both sides of a pair are in one pass.
    private var sequencesPerRow: Int { command == .preferences || command == .rewardModel ? 2 : 1 }

    /// What training with these options will keep in memory, by kind.
    /// - Parameter rows: of a micro-batch, where not those of the options.
    /// - Parameter adapter: numbers that are trained and bytes of the base, where an adapter is.
    public func memory(
        _ cost: TrainingCost, rows: Int? = nil, adapter: (trained: Int, base: Int)? = nil
    ) -> [(kind: String, bytes: Int)] {
        cost.memory(
            // How long replies become is not foreseen: a command without rows plans for none.
            tokens: (rows ?? rowsPerMicroBatch).multiplied(clampedBy: sequencesPerRow)
                .multiplied(clampedBy: self.rows.length),
            optimizer: self.optimizer.kind, momentum: self.optimizer.numbers.momentum,
            copies: (self.optimizer.averageDecay > 0 ? 1 : 0) + (self.compute.roundedType == nil ? 0 : 1),
            recomputesLayers: recomputesLayers, addsGradients: self.compute.microBatches > 1, adapter: adapter)
    }
}
