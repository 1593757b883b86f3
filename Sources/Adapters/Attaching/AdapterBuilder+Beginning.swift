import MartletModels
import MartletNN
import MartletTensor

extension AdapterBuilder {
    /// A and B, initialised from singular values; nil for the usual initialisation.
    ///
    /// PiSSA (Meng et al. 2024): s B A is initially the best approximation of W of its rank, and is trained from there;
    /// W itself stays as it is stored, and the initial s B A is subtracted again (`LowRankAdapter.origin`). LoftQ (Li
    /// et al. 2023, one round): s B A is the best approximation of the quantisation error.
    func beginning(
        _ layer: Linear, _ place: PublishedLayer, rank: Int, scale: Float
    ) throws -> (down: Tensor, up: Tensor)? {
        guard configuration.start == .principal || configuration.start == .residual else { return nil }
        if place.part.map({ !$0.isFirst }) ?? false { return nil }
        let layers = place.part == nil ? [layer] : published.parts(of: place.module)
        let whole = try noGrad {
            let parts = try layers.map { layer in
                let own = try layer.matrix.float32Matrix().detach()
                guard configuration.start == .residual else { return own }
                return try original(of: layer).float32Matrix().detach() - own
            }
            return try published.joined(parts, of: place)
        }
        let (down, up) = try LowRankApproximation(whole, rank: rank).factors(rank: rank)
        let root = Double(1 / scale.squareRoot())
        return (try down * root, try up * root)
    }

    /// The layer's matrix before it was quantised, in the order of rows that the layer has.
    private func original(of layer: Linear) throws -> any WeightMatrix {
        guard let original else {
            throw AdapterError(
                .configuration,
                "loftq begins from what quantisation took away: name the model before it was quantised as the original")
        }
        guard let found = original.tree.linears.first(where: { $0.path == layer.path }),
            found.matrix.shape == layer.matrix.shape
        else {
            throw AdapterError(
                .otherBase, "the original has no \(layer.path) of \(layer.matrix.shape): it is another model")
        }
        let own = published.order(of: layer), others = try PublishedLayers(original).order(of: found)
        guard own != others else { return found.matrix }
        var matrix = try found.matrix.float32Matrix()
        if let others { matrix = try others.toPublished(matrix) }
        return try own?.fromPublished(matrix) ?? matrix
    }
}

extension PublishedLayers {
    func order(of layer: Linear) -> RowOrder? { linears.first { $0.layer === layer }?.published.order }
}
