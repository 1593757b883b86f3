import MartletModels
import MartletNN
import MartletTensor

/// Several adapters as one change of the weights: W + Σ of their changes ΔWᵢ, each times its weight.
///
/// | method | what becomes of the ΔWᵢ |
/// |---|---|
/// | `linear`, `cat` | Σ wᵢ ΔWᵢ, exactly: what an adapter with all ranks behind each other computes |
/// | `ties` | each keeps its largest numbers, the sign with more weight wins, those of that sign are averaged (Yadav et al. 2023) |
/// | `dare` | numbers are dropped at random and the rest scaled up, then Σ wᵢ ΔWᵢ (Yu et al. 2024) |
///
/// PEFT's `linear` adds A and B instead, which is the sum of the changes only where adapters are alike; its `ties` and
/// `dare` trim A and B.
public struct AdapterMerge: Sendable {
    public enum Method: String, Sendable, CaseIterable { case linear, cat, ties, dare }

    public var method = Method.linear
    /// For ties and dare: the density, the fraction of elements that are kept.
    public var density = 0.5
    /// For dare: the seed of what is dropped.
    public var seed: UInt64 = 0

    public init() {}

    /// Merges adapters into a model, whose changed matrices become float32.
    ///
    /// Each adapter has a weight; 1 keeps its own strength.
    /// - Returns: the paths of what has changed.
    /// - Throws: `AdapterError` for kinds that are no change of weights.
    @discardableResult
    public func merge(
        _ adapters: [(stored: StoredAdapter, weight: Double)], into decoder: Decoder,
        progress: (Int, Int) -> Void = { _, _ in }
    ) throws -> [String] {
        try merge(adapters, into: AdapterBase(decoder), progress: progress)
    }

    /// The same of any kind of model.
    @discardableResult
    public func merge(
        _ adapters: [(stored: StoredAdapter, weight: Double)], into base: AdapterBase,
        progress: (Int, Int) -> Void = { _, _ in }
    ) throws -> [String] {
        guard (0...1).contains(density), density > 0 else {
            throw AdapterError(.configuration, "the density is \(density); expected a share above 0, at most 1")
        }
        let made = try adapters.enumerated().map { index, one in
            (adapter: try Adapter(one.stored, of: base, name: "adapter-\(index)"), weight: one.weight)
        }
        for (adapter, _) in made where adapter.prompt != nil {
            throw AdapterError(
                .unsupported,
                "\(adapter.configuration.title): learnt tokens are no change of weights: they cannot be merged, and run "
                    + "with --adapter")
        }
        if made.count == 1, made[0].weight == 1 {
            let before = Set(base.tree.leaves.filter { !$0.isPlain }.map(\.path))
            try made[0].adapter.attach()
            let changed = base.tree.leaves.filter { !$0.isPlain }.map(\.path)
            try MergedModel.merge(into: base, progress: progress)
            return changed.filter { !before.contains($0) } + made[0].adapter.replaced.map(\.path)
        }
        for (adapter, _) in made where !adapter.replaced.isEmpty {
            throw AdapterError(
                .unsupported,
                "an adapter that has \(adapter.replaced[0].path) as a whole is merged alone, with weight 1: whole modules are "
                    + "not added to others")
        }
        return try noGrad { try mergeSeveral(made, into: base, progress) }
    }

    private func mergeSeveral(
        _ adapters: [(adapter: Adapter, weight: Double)], into base: AdapterBase, _ progress: (Int, Int) -> Void
    ) throws -> [String] {
        var changed: [String] = []
        let layers = base.tree.linears.filter { layer in
            adapters.contains { $0.adapter.linears.contains { $0.layer === layer } }
        }
        for (index, layer) in layers.enumerated() {
            let weight = try layer.matrix.float32Matrix().detach()
            var changes: [(change: Tensor, weight: Double)] = [], bias = layer.bias?.detach()
            for (adapter, share) in adapters {
                for (own, one) in adapter.linears where own === layer {
                    let (merged, row) = try one.merged(weight, bias: layer.bias?.detach())
                    changes.append((try merged.detach() - weight, share))
                    if let before = layer.bias, let row, let sum = bias {
                        bias = try sum + (row.detach() - before.detach()) * share
                    }
                }
            }
            var random = RandomStream(seed: seed, stream: UInt64(index))
            layer.untie()
            try layer.replaceMatrix((weight + combined(changes, &random)).contiguous())
            if let bias {
                layer.replaceParameters { parameter, tensor in parameter.role == .bias ? bias.contiguous() : tensor }
            }
            changed.append(layer.path)
            progress(index + 1, layers.count)
        }
        for case let table as Embedding in base.tree.leaves {
            let own = adapters.flatMap { one in
                one.adapter.tables.filter { $0.layer === table }.map { ($0.adapter, one.weight) }
            }
            guard !own.isEmpty else { continue }
            let rows = try table.weight.float32Matrix().detach()
            var random = RandomStream(seed: seed, stream: 1 << 32)
            let changes = try own.map { (change: try $0.merged(rows).detach() - rows, weight: $1) }
            let merged = try (rows + combined(changes, &random)).contiguous()
            base.untieHead()
            table.replaceParameters { _, _ in merged }
            changed.append(table.path)
        }
        base.releasePrepared()
        return changed
    }

    /// Combines several changes into one.
    package func combined(_ changes: [(change: Tensor, weight: Double)], _ random: inout RandomStream) throws -> Tensor
    {
        switch method {
        case .linear, .cat: return try Self.sum(changes)
        case .dare:
            let kept = try changes.map { change, weight in
                let mask = try Tensor.bernoulli(change.shape, p: density, using: &random).to(.float32)
                return (change: try change * mask * (1 / density), weight: weight)
            }
            return try Self.sum(kept)
        case .ties:
            let trimmed = try changes.map {
                (change: try Self.largest($0.change, share: density) * $0.weight, weight: 1.0)
            }
            let elected = try Self.sum(trimmed).sign()
            // The elements of the elected sign are averaged; without any, the change is 0.
            var total = try Tensor.zeros(elected.shape), count = total
            for (change, _) in trimmed {
                let agrees = try ((change.sign() * elected) .> 0.0).to(.float32)
                total = try total + change * agrees
                count = try count + agrees
            }
            return try total / count.maximum(1.0)
        }
    }

    private static func sum(_ changes: [(change: Tensor, weight: Double)]) throws -> Tensor {
        var total: Tensor?
        for (change, weight) in changes {
            let own = weight == 1 ? change : try change * weight
            total = try total.map { try $0 + own } ?? own
        }
        guard let total else { throw AdapterError(.configuration, "there is nothing to merge") }
        return total
    }

    /// Keeps the elements of largest magnitude, a fraction of all; the others become 0.
    private static func largest(_ change: Tensor, share: Double) throws -> Tensor {
        let count = max(1, Int((share * Double(change.elementCount)).rounded(.down)))
        guard count < change.elementCount else { return change }
        var sizes: [Float] = try change.abs().reshape([-1]).toArray()
        sizes.sort(by: >)
        let least = Double(sizes[count - 1])
        return try change * (change.abs() .>= least).to(.float32)
    }
}

extension ModuleLeaf {
    /// Whether it has no adapters.
    fileprivate var isPlain: Bool {
        (self as? Linear)?.adapters.isEmpty ?? (self as? Embedding)?.adapters.isEmpty ?? true
    }
}
