import MartletModels
import MartletNN
import MartletTensor

/// Extracts a LoRA from two models: for each matrix, the best approximation of W_tuned − W_base of a given rank.
public struct AdapterExtraction {
    public let adapter: StoredAdapter
    /// ‖ΔW − B A‖ / ‖ΔW‖ over all matrices: the relative error of the adapter.
    public let missed: Double
    /// Parameters that differ but are not matrices: the adapter does not contain their changes.
    public let leftOut: [String]

    /// - Parameters:
    ///   - base: opened in the form of a folder.
    ///   - tuned: the same.
    /// - Throws: `AdapterError` where they are no models of one shape.
    public init(
        base: Decoder, tuned: Decoder, rank: Int, progress: (Int, Int) -> Void = { _, _ in }
    ) throws {
        let one = try PublishedLayers(base), other = try PublishedLayers(tuned)
        guard one.linears.count == other.linears.count, one.names == other.names else {
            throw AdapterError(.otherBase, "the models have other modules: they are not of one base")
        }
        var tensors: [String: Tensor] = [:], modules: [String] = []
        var missed = 0.0, total = 0.0
        let names = one.linears.map(\.published.module).reduce(into: [String]()) { if $0.last != $1 { $0.append($1) } }
        for (index, module) in names.enumerated() {
            guard module != "lm_head", !modules.contains(module) else { continue }
            let pairs = zip(one.parts(of: module), other.parts(of: module))
            let change = try noGrad {
                try Tensor.concatenate(
                    pairs.map { base, tuned in
                        guard base.matrix.shape == tuned.matrix.shape else {
                            throw AdapterError(
                                .otherBase,
                                "\(module) is \(base.matrix.shape) in one and \(tuned.matrix.shape) in the other")
                        }
                        return try tuned.matrix.float32Matrix().detach() - base.matrix.float32Matrix().detach()
                    })
            }
            let size: Double = try change.square().sum().item()
            progress(index + 1, names.count)
            guard size > 0 else { continue }
            let (down, up) = try LowRankApproximation(change, rank: rank).factors(rank: rank)
            missed += try (change - up.matmul(down)).square().sum().item(as: Double.self)
            total += size
            tensors["base_model.model.\(module).lora_A.weight"] = down
            tensors["base_model.model.\(module).lora_B.weight"] = up
            modules.append(module)
        }
        guard !modules.isEmpty else { throw AdapterError(.configuration, "the models have the same matrices") }
        var leftOut: [String] = []
        for (own, its) in zip(base.tree.parameters, tuned.tree.parameters) {
            let isMatrix = one.linears.contains {
                $0.layer.path + ".weight" == own.path && $0.published.module != "lm_head"
            }
            guard !isMatrix, let a = own.value as? Tensor, let b = its.value as? Tensor, a.shape == b.shape else {
                continue
            }
            let difference: Double = try noGrad { try (a.to(.float32) - b.to(.float32)).abs().max(axes: []).item() }
            if difference > 0 { leftOut.append(own.path) }
        }
        var configuration = AdapterConfiguration(.lora)
        (configuration.rank, configuration.alpha) = (rank, Double(rank))
        configuration.targets = .names(modules)
        adapter = StoredAdapter(file: "the difference", form: .peft, configuration, tensors)
        self.missed = (missed / total).squareRoot()
        self.leftOut = leftOut
    }
}
