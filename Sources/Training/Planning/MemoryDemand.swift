import MartletModels
import MartletSystem

extension TrainingCost {
    /// Refuses a run that does not fit into memory before anything is allocated: later it would be killed, or other
    /// programs would be swapped out first.
    ///
    /// - Parameters:
    ///   - memory: bytes by kind, as `memory(tokens:optimizer:copies:)` counts them.
    ///   - limit: the available bytes; nil if unknown or not to be checked.
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
    /// The largest micro-batch counts, as a step's rows need not divide evenly.
    public var rowsPerMicroBatch: Int {
        let parts = max(1, self.compute.microBatches)
        return (self.rows.perStep + parts - 1) / parts
    }

    /// The number of sequences per row: both sides of a pair are in one pass.
    private var sequencesPerRow: Int {
        [.preferences, .rewardModel, .embedding].contains(command) ? 2 : 1
    }

    /// What training with these options will keep in memory, by kind.
    /// - Parameter rows: rows of a micro-batch; by default those of the options.
    /// - Parameter adapter: what is trained in place of the model.
    public func memory(
        _ cost: TrainingCost, rows: Int? = nil, adapter: AdapterCost? = nil
    ) -> [(kind: String, bytes: Int)] {
        cost.memory(
            // The length of replies is not known in advance, so a command without rows plans none.
            tokens: (rows ?? rowsPerMicroBatch).multiplied(clampedBy: sequencesPerRow)
                .multiplied(clampedBy: self.rows.length),
            optimizer: self.optimizer.kind, numbers: self.optimizer.numbers,
            copies: (self.optimizer.averageDecay > 0 ? 1 : 0) + (self.compute.rounding == nil ? 0 : 1),
            recomputesLayers: recomputesLayers, addsGradients: self.compute.microBatches > 1, adapter: adapter)
    }
}
