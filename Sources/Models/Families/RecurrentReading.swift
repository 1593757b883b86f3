import MartletFormats
import MartletJSON
import MartletNN
import MartletTensor

extension DecoderConfiguration {
    /// The kinds of the layers, by the names of `layer_types`.
    /// - Parameter known: what each name means: whether the layer has a recurrent state.
    static func recurrentLayers(
        _ config: ConfigurationReader, key: String = "layer_types", count: Int, known: [String: Bool]
    ) throws(ModelError) -> [Bool]? {
        guard let types = try config.optionalStrings(key) else { return nil }
        let names = known.keys.sorted().joined(separator: " or ")
        guard types.count == count else {
            throw .wrongValue(
                file: config.file, key: key, found: "\(types.count) entries", expected: "\(count), one for each layer")
        }
        var result: [Bool] = []
        for type in types {
            guard let isRecurrent = known[type] else {
                throw .wrongValue(
                    file: config.file, key: key, found: "\"\(type.prefix(40))\"", expected: names)
            }
            result.append(isRecurrent)
        }
        return result
    }

    /// What states of a broken file may claim is counted before one is made.
    func checkRecurrent(_ file: String) throws(ModelError) {
        guard stateBytes < 1 << 40 else {
            throw .unsupported(
                file: file,
                reason: "the recurrent states of one sequence would take \(stateBytes) bytes: check the sizes of states"
            )
        }
    }

    /// A model without attention: Mamba. What is read of its attention has no meaning.
    init(stateSpace config: ConfigurationReader) throws(ModelError) {
        let layers = try config.integer("num_hidden_layers", "n_layer", in: 1...10_000)
        let hidden = try config.integer("hidden_size", "d_model")
        var layer = LayerSpec(
            norm: NormSpec(epsilon: Float(try config.number("layer_norm_epsilon", "rms_norm_eps", default: 1e-5))),
            attention: AttentionSpec(heads: 1, headDimension: 1),
            feedForward: FeedForwardSpec(size: 1, activation: .silu))
        layer.hasFeedForward = false
        self.init(
            family: "", vocabularySize: try config.integer("vocab_size"), hiddenSize: hidden,
            contextLength: try config.integer("max_position_embeddings", in: 1...(1 << 30), default: 1 << 20),
            layerCount: layers, layer: layer,
            tiedEmbeddings: try config.flag("tie_word_embeddings", "tie_embeddings", default: true))
    }
}

extension GGUFReading {
    /// Layers of attention, by heads of keys and values that are not 0 in them.
    func attentionLayers(_ count: Int, else fallback: (Int) -> Bool) throws -> [Bool] {
        let key = "\(keys.architecture).attention.head_count_kv"
        guard let list = file.metadata[key]?.array?.integers() else { return (0..<count).map(fallback) }
        guard list.count == count else {
            throw ModelError.wrongValue(
                file: file.path, key: key, found: "\(list.count) entries", expected: "\(count), one for each layer")
        }
        return list.map { $0 > 0 }
    }

    /// The number of layers; what the file says is checked where the configuration is read.
    var layerCount: Int { min(max(config["num_hidden_layers"]?.integer ?? 0, 0), 10_000) }

    mutating func setLayerTypes(_ isAttention: [Bool], recurrent: String) {
        config["layer_types"] = .array(isAttention.map { .string($0 ? "full_attention" : recurrent) })
    }
}

extension GGUFWriting {
    /// Heads of keys and values of each layer: 0 where there is a recurrent state.
    mutating func putKeyValueHeads() {
        let heads = spec.layers.map { Int32(clamping: $0.selfAttention?.keyValueHeads ?? 0) }
        put("attention.head_count_kv", .array(GGUFArray(heads)))
    }
}

/// Where files keep the parts of recurrent layers.
enum RecurrentPlaces {
    /// The layer and the part of "model.layers.3.mixer.conv.weight": "conv.weight".
    static func part(_ name: String) -> (layer: Int, part: String)? {
        let parts = name.split(separator: ".").map(String.init)
        guard parts.count > 4, parts[3] == "mixer", let layer = Int(parts[2]) else { return nil }
        return (layer, parts[4...].joined(separator: "."))
    }

    /// A convolution's weights without their dimension of one, as GGUF files have them.
    static func convolution(_ name: String, _ spec: ConvolutionSpec) -> WeightPlace {
        .converted(
            name,
            WeightConversion(stored: [spec.channels, spec.width], own: [spec.channels, 1, spec.width]))
    }
}
