import MartletFormats
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
    /// - Throws: `InterpretabilityError`; `CancellationError`.
    public init(
        _ probe: ModelProbe, layer: Int, towards: [[Int32]], from: [[Int32]], isCancelled: () -> Bool = { false }
    ) throws {
        guard !towards.isEmpty, !from.isEmpty else {
            throw InterpretabilityError.badInput("a difference of means needs texts of both kinds")
        }
        let name = try ActivationName.names("layers.\(layer).residual.after", layerCount: probe.layerCount)[0]
        func mean(_ texts: [[Int32]]) throws -> [Double] {
            var sum: [Double] = []
            for text in texts {
                if isCancelled() { throw CancellationError() }
                let seen = try probe.activations(text, keeping: [name])
                let row: [Float] = try seen[name]?.leadingRows(text.count - 1, count: 1).toArray() ?? []
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

    /// How a text goes on greedily with the vector added after its layer, in this text alone: other replies of the same
    /// model are not steered.
    /// - Returns: the new tokens, without the one that ends the text, and the logits after the prompt.
    public func continuation(
        _ model: LanguageModel, of prompt: [Int32], strength: Float, count: Int, isCancelled: () -> Bool = { false }
    ) throws -> (tokens: [Int32], logits: [Float]) {
        let decoder = model.decoder, spec = decoder.configuration
        guard values.count == spec.hiddenSize, (0..<spec.layerCount).contains(layer) else {
            throw InterpretabilityError.badInput(
                "a vector of \(values.count) numbers after layer \(layer) does not fit a model of \(spec.layerCount) layers of width \(spec.hiddenSize)"
            )
        }
        guard !prompt.isEmpty, count >= 0, prompt.count + count <= spec.contextLength else {
            throw InterpretabilityError.badInput(
                "\(prompt.count) tokens and \(count) more do not fit the context of \(spec.contextLength)")
        }
        let step = try Tensor(values.map { $0 * strength }, shape: [1, values.count])
        let observation = DecoderObservation(keepsState: false) { [layer] site, stream in
            guard site == .residualAfter(layer), strength != 0 else { return nil }
            return try stream + step
        }
        let cache = KVCache(spec, precision: model.precision)
        var rows = prompt, tokens: [Int32] = [], first: [Float] = []
        while true {
            if isCancelled() { throw CancellationError() }
            var pass = Pass(.cached([DecoderSequence(rows: 0..<rows.count, cache: cache)]))
            pass.observation = observation
            let logits: [Float] = try noGrad {
                let hidden = try decoder.hiddenStates(rows, pass)
                return try decoder.logits(hidden.leadingRows(rows.count - 1, count: 1)).toArray()
            }
            if first.isEmpty { first = logits }
            guard tokens.count < count, let best = LogitLens.largest(logits[...], 1).first else { break }
            let token = Int32(best)
            if model.endTokens.contains(token) { break }
            tokens.append(token)
            rows = [token]
        }
        return (tokens, first)
    }

    /// Writes the vector and its layer as safetensors (`vector`, `layer`).
    public func write(to path: String) throws {
        try SafetensorsWriter.write(
            [("layer", try Tensor([Int32(layer)], shape: [1])), ("vector", try Tensor(values, shape: [values.count]))],
            to: path)
    }

    /// Reads what `write` wrote.
    public init(path: String) throws {
        let file = try SafetensorsFile(path: path)
        guard file.entry("vector")?.shape.count == 1, file.entry("layer")?.shape == [1] else {
            throw InterpretabilityError.badInput("\(path) has no vector and layer: it is no steering vector")
        }
        let layer: [Int32] = try file.tensor("layer").toArray(as: Int32.self)
        self.init(layer: Int(layer.first ?? 0), values: try file.tensor("vector").to(.float32).toArray())
    }
}
