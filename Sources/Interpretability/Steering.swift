import MartletInference
import MartletModels
import MartletNN
import MartletTensor

/// A direction in the residual stream after a layer: the mean over texts of one kind less that of another. Added while a
/// model writes, it steers what is written.
///
/// Source: Turner et al. 2023; Rimsky et al. 2024 (difference of means).
public struct SteeringVector: Sendable, Equatable {
    public var layer: Int
    public var values: [Float]

    public init(layer: Int, values: [Float]) { (self.layer, self.values) = (layer, values) }

    /// Of the last token of each text.
    public init(_ probe: ModelProbe, layer: Int, towards: [[Int32]], from: [[Int32]]) throws {
        guard !towards.isEmpty, !from.isEmpty else {
            throw InterpretabilityError.badInput("a difference of means needs texts of both kinds")
        }
        let name = try ActivationName.names("layers.\(layer).residual.after", layerCount: probe.layerCount)[0]
        func mean(_ texts: [[Int32]]) throws -> [Double] {
            var sum: [Double] = []
            for text in texts {
                let pass = try probe.run(text, keeping: [name] as Set)
                let row: [Float] = try pass(name).leadingRows(text.count - 1, count: 1).toArray()
                if sum.isEmpty { sum = [Double](repeating: 0, count: row.count) }
                for (index, value) in row.enumerated() { sum[index] += Double(value) / Double(texts.count) }
            }
            return sum
        }
        self.init(layer: layer, values: try zip(mean(towards), mean(from)).map { Float($0 - $1) })
    }

    /// Adds the vector to what the layer writes, in every pass of the model from now on (the generator's too), until the
    /// handle is removed.
    /// - Throws: `ModuleError` for a model whose layers have no such part.
    public func steer(_ decoder: Decoder, strength: Float = 1) throws -> ModuleHook {
        let step = try Tensor(values.map { $0 * strength }, shape: [1, values.count])
        guard values.count == decoder.configuration.hiddenSize else {
            throw InterpretabilityError.badInput(
                "a vector of \(values.count) numbers does not fit a model of width \(decoder.configuration.hiddenSize)")
        }
        return try decoder.tree.hook("model.layers.\(layer).mlp.down_proj") { _, result in try result + step }
    }
}
