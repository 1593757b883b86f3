import MartletModels
import MartletNN
import MartletTensor

/// Direct logit attribution: what each part that writes into the residual stream adds to the logit of one token, less that
/// of another, after the last token of a text.
///
/// The final norm divides by the scale of the whole stream, which is held fixed, so that the parts add up:
/// logit(a) − logit(b) = Σ contributions + `rest`, where the rest is biases of norm and head.
///
/// Source: Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits".
public struct DirectAttribution: Sendable {
    public struct Contribution: Sendable {
        /// `embedding`, `layers.3.head.2`, `layers.3.attention` (what of it is no head's: a bias, a norm), `layers.3.feedforward`.
        public var part: String
        public var layer: Int?
        public var head: Int?
        public var value: Double
    }

    public var contributions: [Contribution]
    /// Of biases that no part has.
    public var rest: Double
    /// logit(a) − logit(b) as the model gives it.
    public var difference: Double

    /// - Throws: `InterpretabilityError` for a model that caps its logits, or that normalises after adding, where nothing
    ///   adds up.
    public init(_ probe: ModelProbe, _ tokens: [Int32], token a: Int32, less b: Int32) throws {
        let spec = probe.decoder.configuration
        guard spec.logitSoftCap == nil else {
            throw InterpretabilityError.badInput("the model caps its logits: contributions to them do not add up")
        }
        guard !spec.layers.contains(where: { $0.normPlacement == .after }) else {
            throw InterpretabilityError.badInput("the model normalises the sum after each part: parts do not add up")
        }
        guard [a, b].allSatisfy({ (0..<spec.vocabularySize).contains(Int($0)) }) else {
            throw InterpretabilityError.badInput("the tokens \(a) and \(b) are not both in the vocabulary")
        }
        let last = tokens.count - 1, layers = probe.layerCount
        var names: Set<ActivationName> = [
            ActivationName(layer: 0, .residualBefore), ActivationName(layer: layers - 1, .residualAfter),
        ]
        for layer in 0..<layers {
            var parts: [ActivationName.Part] = [.attentionUpdate]
            if spec.layers[layer].withState == nil { parts.append(.heads) }
            if spec.layers[layer].hasFeedForward { parts.append(.feedForwardUpdate) }
            names.formUnion(parts.map { ActivationName(layer: layer, $0) })
        }
        let pass = try probe.run(tokens, keeping: names)
        func row(_ name: ActivationName) throws -> Tensor { try pass(name).leadingRows(last, count: 1) }
        var parts: [(Contribution, Tensor)] = [
            (Contribution(part: "embedding", value: 0), try row(ActivationName(layer: 0, .residualBefore)))
        ]
        for layer in 0..<layers {
            let own = spec.layers[layer].attention
            let update = try row(ActivationName(layer: layer, .attentionUpdate))
            var rest = update
            // Heads add up where nothing stands between the projection and the stream.
            if spec.layers[layer].withState == nil,
                [.before, .parallel, .parallelShared].contains(spec.layers[layer].normPlacement)
            {
                let heads = try Self.heads(probe, layer, own, try row(ActivationName(layer: layer, .heads)))
                for (head, part) in heads.enumerated() {
                    let scaled = try part.scaled(by: spec.layers[layer].updateScale)
                    parts.append(
                        (Contribution(part: "layers.\(layer).head.\(head)", layer: layer, head: head, value: 0), scaled)
                    )
                    rest = try rest - scaled
                }
            }
            parts.append((Contribution(part: "layers.\(layer).attention", layer: layer, value: 0), rest))
            guard spec.layers[layer].hasFeedForward else { continue }
            parts.append(
                (
                    Contribution(part: "layers.\(layer).feedforward", layer: layer, value: 0),
                    try row(ActivationName(layer: layer, .feedForwardUpdate))
                ))
        }
        let final = try row(ActivationName(layer: layers - 1, .residualAfter))
        let values = try noGrad { try Self.differences(probe.decoder, parts.map(\.1), final, a, b) }
        contributions = zip(parts, values).map { part, value in
            var contribution = part.0
            contribution.value = value
            return contribution
        }
        let logits = try pass.lastLogits()
        difference = Double(logits[Int(a)]) - Double(logits[Int(b)])
        rest = difference - values.reduce(0, +)
    }

    /// What each head writes: its columns of the output projection, without the bias.
    private static func heads(
        _ probe: ModelProbe, _ layer: Int, _ spec: AttentionSpec, _ mixed: Tensor
    ) throws -> [Tensor] {
        guard let projection = try probe.decoder.tree.find("model.layers.\(layer).self_attn.o_proj").first as? Linear
        else { return [] }
        let size = spec.valueDimension, zero = try projection(Tensor.zeros([1, mixed.shape[1]]))
        return try (0..<spec.heads).map { head in
            let own = try Tensor.zeros([1, mixed.shape[1]])
            try own.slice(1, from: head * size, to: (head + 1) * size).copy(
                from: mixed.slice(1, from: head * size, to: (head + 1) * size))
            return try projection(own) - zero
        }
    }

    /// The final norm with the scale of the whole stream, and the head: logit(a) − logit(b) of each part.
    private static func differences(
        _ decoder: Decoder, _ parts: [Tensor], _ final: Tensor, _ a: Int32, _ b: Int32
    ) throws -> [Double] {
        let norm = decoder.configuration.norm
        func scale(_ x: Tensor) throws -> Double {
            guard decoder.configuration.hasFinalNorm else { return 1 }
            let values: [Float] = try x.toArray()
            let mean = norm.kind == .layer ? values.reduce(0.0) { $0 + Double($1) } / Double(values.count) : 0
            let square = values.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(values.count)
            return (square + Double(norm.epsilon)).squareRoot()
        }
        let whole = try scale(final), width = final.shape[1]
        let bias = try decoder.normalized(Tensor.zeros([1, width]))
        let none: [Float] = try decoder.logits(bias.copied()).toArray()
        let base = Double(none[Int(a)]) - Double(none[Int(b)])
        return try parts.map { part in
            let factor = try scale(part) / whole
            let normalized = try (decoder.normalized(part.copied()) - bias) * factor
            let logits: [Float] = try decoder.logits(try normalized + bias).toArray()
            return Double(logits[Int(a)]) - Double(logits[Int(b)]) - base
        }
    }
}
