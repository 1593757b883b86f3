import MartletInference
import MartletModels
import MartletNN
import MartletTensor

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Finds neurons of the dense feed-forward layers: by what they write, by what they are active at, and by which of two kinds
/// of texts they tell apart.
///
/// ```swift
/// let search = NeuronSearch(model)
/// for found in try search.writing(paris, less: rome).prefix(5) { print(found.layer, found.neuron, found.score) }
/// ```
public struct NeuronSearch {
    public struct Neuron: Sendable, Equatable {
        public var layer, neuron: Int
        public var score: Double
        /// Where it is most active in the text that was searched, strongest first.
        public var examples: [Example] = []

        public init(layer: Int, neuron: Int, score: Double = 0) {
            (self.layer, self.neuron, self.score) = (layer, neuron, score)
        }
    }

    /// A token at which a neuron is active, with some of those before it.
    public struct Example: Sendable, Equatable {
        public var before, token: String
        public var value: Double
    }

    private let probe: ModelProbe
    private let model: LanguageModel
    /// Layers with neurons; the others are mixtures of experts.
    public let layers: [Int]

    public init(_ model: LanguageModel) {
        (probe, self.model) = (ModelProbe(model), model)
        layers = probe.names.filter { $0.part == .neurons }.map(\.layer)
    }

    /// Neurons by what one unit of them adds to logit(a) − logit(b) directly: their column of the last projection through
    /// the final norm's gain and the head, the norm's scale left out.
    /// - Throws: `InterpretabilityError` for tokens that are not in the vocabulary or a model without dense layers.
    public func writing(_ a: Int32, less b: Int32? = nil, count: Int = 20) throws -> [Neuron] {
        let decoder = probe.decoder, spec = decoder.configuration
        guard [a, b ?? a].allSatisfy({ (0..<spec.vocabularySize).contains(Int($0)) }) else {
            throw InterpretabilityError.badInput("the token \(a) or \(b ?? a) is not in the vocabulary")
        }
        try demandLayers()
        return try noGrad {
            let head = try decoder.lossHead.weight
            func row(_ token: Int32) throws -> Tensor { try head.float32Rows(Int(token)..<Int(token) + 1) }
            let direction = try b.map { try row(a) - row($0) } ?? row(a)  // [1, hidden]
            var found: [Neuron] = []
            for layer in layers {
                guard let down = try decoder.tree.find("model.layers.\(layer).mlp.down_proj").first as? Linear else {
                    throw InterpretabilityError.notSeen("model.layers.\(layer).mlp.down_proj")
                }
                let columns = try down.matrix.float32Rows(0..<spec.hiddenSize).transpose(0, 1).contiguous()
                // The norm divides each column by its own scale, which is taken back.
                let scales =
                    try spec.hasFinalNorm
                    ? Self.scales(columns, spec.norm) : [Double](repeating: 1, count: columns.shape[0])  // [size]
                let zero = try decoder.normalized(Tensor.zeros([1, spec.hiddenSize]))
                let written = try decoder.normalized(columns.copied()) - zero  // [size, hidden]
                let values: [Float] = try written.matmul(direction.transpose(0, 1)).toArray()
                for (neuron, value) in values.enumerated() {
                    found.append(Neuron(layer: layer, neuron: neuron, score: Double(value) * scales[neuron]))
                }
            }
            return Array(found.sorted { $0.score > $1.score }.prefix(count))
        }
    }

    private static func scales(_ rows: Tensor, _ norm: NormSpec) throws -> [Double] {
        let width = rows.shape[1], values: [Float] = try rows.toArray()
        return (0..<rows.shape[0]).map { row in
            let own = values[row * width..<(row + 1) * width]
            let mean = norm.kind == .layer ? own.reduce(0.0) { $0 + Double($1) } / Double(width) : 0
            let square = own.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(width)
            return (square + Double(norm.epsilon)).squareRoot()
        }
    }

    /// Neurons by how well their largest value in a text tells two kinds of texts apart: the difference of the means over
    /// the standard deviation within the kinds (d′).
    public func telling(
        _ towards: [[Int32]], from away: [[Int32]], count: Int = 20, isCancelled: () -> Bool = { false },
        progress: (Int, Int) -> Void = { _, _ in }
    ) throws -> [Neuron] {
        guard towards.count > 1, away.count > 1 else {
            throw InterpretabilityError.badInput("neurons that tell texts apart need two texts of each kind or more")
        }
        try demandLayers()
        var sums: [[[Double]]] = [[], []], squares = sums
        for (kind, texts) in [towards, away].enumerated() {
            for (index, text) in texts.enumerated() {
                if isCancelled() { throw CancellationError() }
                let seen = try probe.activations(text, keeping: names)
                for (place, layer) in layers.enumerated() {
                    guard let tensor = seen[ActivationName(layer: layer, .neurons)] else { continue }
                    let size = tensor.shape[1]
                    let values: [Float] = try tensor.toArray()
                    if sums[kind].count == place {
                        sums[kind].append([Double](repeating: 0, count: size))
                        squares[kind].append([Double](repeating: 0, count: size))
                    }
                    for neuron in 0..<size {
                        var most = -Float.infinity
                        for row in text.indices { most = max(most, values[row * size + neuron]) }
                        sums[kind][place][neuron] += Double(most)
                        squares[kind][place][neuron] += Double(most) * Double(most)
                    }
                }
                progress(index + 1 + kind * towards.count, towards.count + away.count)
            }
        }
        let counts = [Double(towards.count), Double(away.count)]
        var found: [Neuron] = []
        for (place, layer) in layers.enumerated() {
            for neuron in sums[0][place].indices {
                let means = (0..<2).map { sums[$0][place][neuron] / counts[$0] }
                let spread = (0..<2).reduce(0.0) {
                    $0 + max(0, squares[$1][place][neuron] / counts[$1] - means[$1] * means[$1]) / 2
                }.squareRoot()
                found.append(Neuron(layer: layer, neuron: neuron, score: (means[0] - means[1]) / max(spread, 1e-6)))
            }
        }
        return Array(found.sorted { $0.score > $1.score }.prefix(count))
    }

    /// Where neurons are most active in a text, which is read in pieces of 256 tokens. The first token of a piece is left
    /// out, since its activations are of another size in most models.
    public func examples(
        of neurons: [Neuron], in tokens: [Int32], count: Int = 5, isCancelled: () -> Bool = { false },
        progress: (Int, Int) -> Void = { _, _ in }
    ) throws -> [Neuron] {
        for neuron in neurons {
            guard layers.contains(neuron.layer),
                (0..<probe.decoder.configuration.layers[neuron.layer].feedForward.size).contains(neuron.neuron)
            else { throw InterpretabilityError.notSeen("the neuron \(neuron.neuron) of layer \(neuron.layer)") }
        }
        let piece = min(256, model.configuration.contextLength)
        let wanted = Set(neurons.map { ActivationName(layer: $0.layer, .neurons) })
        var best = [[(place: Int, value: Float)]](repeating: [], count: neurons.count)
        for start in stride(from: 0, to: tokens.count, by: piece) {
            if isCancelled() { throw CancellationError() }
            let part = Array(tokens[start..<min(start + piece, tokens.count)])
            let seen = try probe.activations(part, keeping: wanted)
            var rows: [Int: [Float]] = [:]
            for name in wanted { rows[name.layer] = try seen[name]?.toArray() }
            for (index, neuron) in neurons.enumerated() {
                guard let values = rows[neuron.layer] else { continue }
                let size = values.count / part.count
                for row in 1..<max(part.count, 1) {
                    let value = values[row * size + neuron.neuron]
                    guard best[index].count < count || value > best[index][best[index].count - 1].value else {
                        continue
                    }
                    let place = best[index].firstIndex { $0.value < value } ?? best[index].count
                    best[index].insert((start + row, value), at: place)
                    if best[index].count > count { best[index].removeLast() }
                }
            }
            progress(min(start + piece, tokens.count), tokens.count)
        }
        func text(_ range: Range<Int>) -> String { (try? model.tokenizer.decode(tokens[range])) ?? "" }
        return zip(neurons, best).map { neuron, places in
            var result = neuron
            result.examples = places.map { place, value in
                Example(
                    before: text(max(place / piece * piece, place - 12)..<place), token: text(place..<place + 1),
                    value: Double(value))
            }
            return result
        }
    }

    private var names: Set<ActivationName> { Set(layers.map { ActivationName(layer: $0, .neurons) }) }

    private func demandLayers() throws(InterpretabilityError) {
        guard !layers.isEmpty else { throw .badInput("the model has no dense feed-forward layer, and so no neurons") }
    }
}
