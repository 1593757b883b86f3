import MartletJSON
import MartletNN

/// A model family. Everything specific to a family is in its own file.
///
/// This is the mapping of its `config.json` and tensor names to the common decoder, the differences of its GGUF files,
/// and the form in which it is published. A family is registered by its line in `all`; nothing else asks for it by
/// name.
public struct Family: Sendable {
    /// `model_type` values of `config.json` that mean this family.
    public let modelTypes: [String]
    /// The defaults of keys that `config.json` leaves out, as in transformers.
    let defaults: JSONObject
    /// Keys of this family that change no value in inference.
    let neutral: Set<String>
    /// Whether heads may be rotated partially (`partial_rotary_factor`).
    let rotatesPart: Bool
    let body: Body
    /// The form of its GGUF files; nil if GGUF does not support it.
    let gguf: GGUFForm?
    /// The family in whose GGUF form its models are written, if it is another one.
    let othersGGUF: GGUFForm?
    /// The published form of its models, if it differs from the opened one.
    let published: Published?
    /// Models of several kinds of input whose text part is of this family: their `model_type`, and that of the part.
    let wrappers: [String: String]
    /// The defaults of new models; nil if the family is not offered for training from scratch.
    let newModel: NewModelForm?

    /// What stands between embeddings and output.
    enum Body: Sendable {
        case decoder(DecoderForm)
        case encoder(EncoderForm)
        case encoderDecoder(EncoderDecoderForm)
    }

    typealias Configure = @Sendable (inout DecoderConfiguration, ConfigurationReader) throws(ModelError) -> Void

    /// A decoder's configuration and names.
    struct DecoderForm: Sendable {
        let base: Base
        let configure: Configure
        let naming: Naming
        /// Whether its keys are Llama's.
        var isLlama: Bool { base.isLlama }
    }

    /// Reads the keys that a family shares with others.
    struct Base: Sendable {
        var isLlama = false
        let read: @Sendable (ConfigurationReader) throws(ModelError) -> DecoderConfiguration

        static let llama = Base(isLlama: true) { (reader) throws(ModelError) in try DecoderConfiguration(llama: reader)
        }
    }

    /// An encoder's configuration and names.
    struct EncoderForm: Sendable {
        let configure: @Sendable (ConfigurationReader) throws(ModelError) -> EncoderConfiguration
        /// Where a folder's files, and a GGUF file, keep a parameter.
        let places, ggufPlaces: @Sendable (String) -> [WeightPlace]
        /// How its classifiers are made.
        var head = EncoderHeadForm()
        /// Where a folder's files keep a parameter whose place depends on the model's sizes; nil for the others.
        var sizedPlaces: (@Sendable (String, EncoderConfiguration) -> [WeightPlace]?)?
        /// Kinds of positions whose files are of another code than transformers' classes: read, and not written.
        var readOnlyPositions: Set<String> = []
    }

    /// An encoder-decoder's configuration and names.
    struct EncoderDecoderForm: Sendable {
        let configure: @Sendable (ConfigurationReader) throws(ModelError) -> EncoderDecoderConfiguration
        /// Where a folder's files keep a parameter.
        let places: @Sendable (String) -> [WeightPlace]
        /// Whether its files may have an output projection beside the table.
        var storesHead = true
        /// How its classifiers of texts are made (`DecoderClassifier`); nil where transformers has none.
        var classifier: ClassifierForm?
    }

    /// A classifier on an encoder-decoder.
    struct ClassifierForm: Sendable {
        /// `eos_token_id` of a file that does not say it: the token whose state is classified.
        let end: Int
        /// `decoder_start_token_id` likewise; nil where the decoder's input begins with the text's last token.
        let start: Int?
        /// What stands before the names of the layers below the head.
        var prefix = ""
    }

    /// Of an encoder-decoder: whether its files may have an output projection beside the table.
    var storesHead: Bool { if case .encoderDecoder(let form) = body { form.storesHead } else { false } }

    /// `model_type` and `architectures` of a `config.json`.
    struct Published: Sendable {
        let modelType: String
        let architecture: String
    }

    /// A family of decoders.
    /// - Parameters:
    ///   - base: reads what the family shares with others; Llama's keys where left out.
    ///   - configure: changes what differs in the family from what `base` has read.
    init(
        _ modelTypes: String..., gguf: GGUFForm? = nil, writtenAs othersGGUF: GGUFForm? = nil,
        published: Published? = nil, wrappers: [String: String] = [:],
        naming: Naming = .llama, defaults: JSONObject, neutral: Set<String> = [],
        rotatesPart: Bool = false, base: Base = .llama, newModel: NewModelForm? = nil,
        configure: @escaping Configure = {
            (_, _) throws(ModelError) in
        }
    ) {
        self.modelTypes = modelTypes
        self.defaults = defaults
        self.neutral = neutral
        self.rotatesPart = rotatesPart
        self.gguf = gguf
        self.othersGGUF = othersGGUF
        self.published = published
        self.wrappers = wrappers
        self.newModel = newModel
        body = .decoder(DecoderForm(base: base, configure: configure, naming: naming))
    }

    /// A family of encoders.
    init(
        encoder: EncoderForm, _ modelTypes: String..., gguf: GGUFForm? = nil, defaults: JSONObject,
        neutral: Set<String> = [], newModel: NewModelForm? = nil
    ) {
        self.modelTypes = modelTypes
        self.defaults = defaults
        self.neutral = neutral
        rotatesPart = false
        self.gguf = gguf
        othersGGUF = nil
        published = nil
        wrappers = [:]
        self.newModel = newModel
        body = .encoder(encoder)
    }

    /// A family of encoder-decoders.
    init(
        encoderDecoder: EncoderDecoderForm, _ modelTypes: String..., defaults: JSONObject, neutral: Set<String> = [],
        newModel: NewModelForm? = nil
    ) {
        self.modelTypes = modelTypes
        self.defaults = defaults
        self.neutral = neutral
        rotatesPart = false
        gguf = nil
        othersGGUF = nil
        published = nil
        wrappers = [:]
        self.newModel = newModel
        body = .encoderDecoder(encoderDecoder)
    }

    /// Every family there is.
    public static let all: [Family] = [
        llama, llama4, mllama, baichuan, mistral, ministral, ministral3, mixtral, dbrx, qwen2, qwen2VL, qwen3, qwen3VL,
        qwen2MoE, qwen3MoE, qwen3VLMoE, olmoe,
        deepSeekV2, deepSeekV3, glm4MoE, glm4MoELite, dots1, gptOSS, graniteMoE, graniteMoEShared, phiMoE,
        ernie45MoE, phi, phi3,
        gemma, gemma2,
        gemma3, gemma3n, gemma4,
        gpt1, gpt2, bioGPT, gptJ, codeGen, gptNeo, gptNeoX, gptBigCode, starCoder2, opt, xglm, bloom, mpt, falcon,
        stableLM, cohere,
        cohere2,
        granite,
        miniCPM, miniCPM3, graniteHybrid, lfm2, lfm2MoE, mamba, mamba2, falconMamba, jamba, bamba,
        falconH1, bitNet, qwen3Next, qwen35, qwen35MoE, smolLM3, glm,
        glm4,
        internLM2, internLM3, exaone, exaone4, nemotron, arcee, helium, ernie45, hunyuanDense,
        seedOSS, apertus, olmo, olmo2, olmo3,
        bert, roberta, distilBERT, electra, albert, nomicBERT, mpnet, modernBERT, euroBERT, deBERTa, deBERTaV1, gte,
        gteOfAlibaba, jinaEmbeddings, ernie, roFormer, megatronBERT, data2vecText, longformer, robertaPreNorm,
        xlmRobertaXL,
        t5, mt5, umT5, bart, mbart, blenderbot, blenderbotSmall, pegasus, marian, m2m100,
    ]

    /// What its GGUF files say when they are written; nil where no architecture is known, and for encoders.
    var writtenGGUF: GGUFForm? { isEncoder || isEncoderDecoder ? nil : othersGGUF ?? gguf }

    public static var supportedArchitectures: [String] { all.flatMap(\.modelTypes) }

    /// Whether its models are bidirectional encoders.
    public var isEncoder: Bool { if case .encoder = body { true } else { false } }

    /// Whether its models read a text by an encoder and write another by a decoder.
    public var isEncoderDecoder: Bool { if case .encoderDecoder = body { true } else { false } }

    /// The family of a `model_type`.
    public static func named(_ modelType: String) -> Family? {
        all.first { $0.modelTypes.contains(modelType) }
    }

    /// Where a folder's files keep a parameter of a decoder of this family, the usual place first.
    package func publishedPlaces(_ name: String, _ configuration: DecoderConfiguration) -> [WeightPlace] {
        guard case .decoder(let form) = body else { return [] }
        return form.naming.places(name, configuration)
    }

    /// The same of an encoder.
    package func publishedPlaces(_ name: String) -> [WeightPlace] {
        guard case .encoder(let form) = body else { return [] }
        return form.allPlaces(name, isGGUF: false)
    }

    /// The form of its GGUF files: its own, or the one that it shares with another family, as Mistral shares Llama's.
    private var formOfGGUF: GGUFForm? {
        gguf ?? othersGGUF
    }

    /// `general.architecture` of its GGUF files.
    package var architectureOfGGUF: String? { formOfGGUF?.architecture }

    /// Where its GGUF files keep a parameter.
    package func placesInGGUF(_ name: String, _ configuration: DecoderConfiguration) -> [WeightPlace] {
        formOfGGUF?.naming.places(name, configuration) ?? []
    }

    /// Whether its GGUF files have the rows of queries and keys interleaved.
    package var interleavesInGGUF: Bool { formOfGGUF?.rotatesPairs ?? false }

    /// The family and configuration of the decoder that a `config.json` describes.
    public static func configuration(_ reader: ConfigurationReader) throws(ModelError) -> (Family, DecoderConfiguration)
    {
        let reading = try read(reader)
        return (reading.family, reading.configuration)
    }

    /// The contents of a `config.json`, and what was ignored.
    struct Reading<Configuration> {
        let family: Family
        let configuration: Configuration
        /// Keys that are not read and are not known to be without effect.
        let unknown: [(key: String, value: JSON)]
    }

    static func read(_ reader: ConfigurationReader) throws(ModelError) -> Reading<DecoderConfiguration> {
        try read(reader) { (family, reader, modelType) throws(ModelError) in
            guard case .decoder(let form) = family.body else { return nil }
            var configuration = try form.base.read(reader)
            configuration.family = modelType
            try form.configure(&configuration, reader)
            try configuration.seeWholeTexts(reader)
            try configuration.roundInputs(reader)
            if !family.rotatesPart, !reader.says("martlet_gguf") { try configuration.demandWholeRotation(reader.file) }
            try configuration.check(file: reader.file)
            return configuration
        }
    }

    static func readEncoder(_ reader: ConfigurationReader) throws(ModelError) -> Reading<EncoderConfiguration> {
        try read(reader) { (family, reader, _) throws(ModelError) in
            guard case .encoder(let form) = family.body else { return nil }
            var configuration = try form.configure(reader)
            configuration.maskedHeadActivation = form.head.masked.activation
            if let key = form.head.activationKey {
                configuration.maskedHeadActivation = try Activation(reader, keys: key, default: "gelu")
            }
            return configuration
        }
    }

    static func readEncoderDecoder(
        _ reader: ConfigurationReader
    ) throws(ModelError) -> Reading<EncoderDecoderConfiguration> {
        try read(reader) { (family, reader, _) throws(ModelError) in
            guard case .encoderDecoder(let form) = family.body else { return nil }
            return try form.configure(reader)
        }
    }

    private static func read<Configuration>(
        _ reader: ConfigurationReader,
        _ configure: (Family, ConfigurationReader, _ modelType: String) throws(ModelError) -> Configuration?
    ) throws(ModelError) -> Reading<Configuration> {
        let modelType = try reader.string("model_type")
        guard let family = named(modelType) else {
            throw .unsupportedArchitecture(file: reader.file, name: modelType, supported: supportedArchitectures)
        }
        let record = KeyRecord()
        // A GGUF file says everything, by its own rules.
        let isGGUF = reader.says("martlet_gguf")
        let reader = (isGGUF ? reader : reader.completed(by: family.defaults)).recorded(in: record)
        _ = try PackedFormats.reader(reader)
        guard let configuration = try configure(family, reader, modelType) else {
            let others = all.filter { $0.isEncoder != family.isEncoder }.flatMap(\.modelTypes)
            throw .unsupportedArchitecture(file: reader.file, name: modelType, supported: others)
        }
        let unread = record.unread(in: reader.json).filter { !$0.key.hasPrefix("martlet_") }
        return Reading(
            family: family, configuration: configuration,
            unknown: try NeutralKeys.check(unread: unread, of: family.neutral, file: reader.file))
    }
}

extension DecoderConfiguration {
    /// Reads the keys that Llama and many later families share.
    /// - Parameter kinds: further kinds of layers that `layer_types` may name, which the family reads itself.
    init(llama reader: ConfigurationReader, kinds: [String] = []) throws(ModelError) {
        let hiddenSize = try reader.integer("hidden_size")
        let layers = try reader.integer("num_hidden_layers", in: 1...10_000)
        let heads = try reader.integer("num_attention_heads", in: 1...65_536)
        let keyValueHeads = try reader.integer("num_key_value_heads", in: 1...65_536, default: heads)
        let headDimension = try reader.integer("head_dim", in: 1...8_192, default: max(hiddenSize / heads, 1))
        guard headDimension % 2 == 0, headDimension <= 512 else {
            throw .wrongValue(
                file: reader.file, key: "head_dim", found: "\(headDimension)", expected: "an even number up to 512")
        }
        let contextLength = try reader.integer("max_position_embeddings", in: 1...(1 << 30), default: 2048)
        let rotary = try RotaryEmbedding.Configuration.read(
            reader, parameters: reader.rotation(),
            headDimension: headDimension, contextLength: contextLength)
        try Self.checkLayerTypes(reader, kinds)
        var attention = AttentionSpec(heads: heads, keyValueHeads: keyValueHeads, headDimension: headDimension)
        attention.rotary = rotary
        self.init(
            family: "", vocabularySize: try reader.integer("vocab_size"), hiddenSize: hiddenSize,
            contextLength: rotary.usableContext(contextLength), layerCount: layers,
            layer: LayerSpec(
                norm: NormSpec(epsilon: Float(try reader.number("rms_norm_eps", default: 1e-6))), attention: attention,
                feedForward: FeedForwardSpec(
                    size: try reader.integer("intermediate_size"),
                    activation: try Activation(reader, keys: "hidden_act", "hidden_activation", default: "silu"))),
            tiedEmbeddings: try reader.flag("tie_word_embeddings", default: false))
    }

    /// The biases of all layers alike.
    mutating func setBiases(input: Bool, output: Bool, feedForward: Bool = false) throws(ModelError) {
        try eachLayer {
            $0.attention.inputBias = input
            $0.attention.outputBias = output
            $0.feedForward.bias = feedForward
        }
    }

    /// Layers of a kind that the decoder has none of are refused; "full" and "sliding" are read by the families.
    private static func checkLayerTypes(_ reader: ConfigurationReader, _ more: [String]) throws(ModelError) {
        let known =
            ["full_attention", "sliding_attention"]
            // Where a family reads of chunks.
            + (reader.says("attention_chunk_size") ? ["chunked_attention"] : []) + more
        guard let other = try reader.optionalStrings("layer_types")?.first(where: { !known.contains($0) }) else {
            return
        }
        throw .wrongValue(
            file: reader.file, key: "layer_types", found: "\"\(other.prefix(40))\"",
            expected: known.joined(separator: " or "))
    }

    /// transformers rotates the whole heads of most families, whatever the share says. (A GGUF file's count of rotated
    /// numbers holds for all.)
    fileprivate func demandWholeRotation(_ file: String) throws(ModelError) {
        for layer in layers {
            guard let rotary = layer.attention.rotary, rotary.dimension < layer.attention.headDimension else {
                continue
            }
            throw .wrongValue(
                file: file, key: "partial_rotary_factor",
                found: "\(Double(rotary.dimension) / Double(layer.attention.headDimension))",
                expected: "1, or it left out: heads of \"\(family)\" rotate whole")
        }
    }

    /// Texts that are seen as a whole by a decoder that embeds them (`is_causal: false`, as gte-Qwen2).
    fileprivate mutating func seeWholeTexts(_ reader: ConfigurationReader) throws(ModelError) {
        guard try !reader.flag("is_causal", default: true) else { return }
        guard layers.allSatisfy({ $0.withState == nil && $0.attention.window == nil && $0.attention.linearBias == nil })
        else {
            throw .wrongValue(
                file: reader.file, key: "is_causal", found: "false",
                expected: "true where layers have windows, recurrent states or linear biases")
        }
        try eachLayer { $0.attention.reach = .everything }
    }

    /// BitNet's layers take inputs of eight bits, whatever family they are in.
    fileprivate mutating func roundInputs(_ reader: ConfigurationReader) throws(ModelError) {
        guard BitNetReader.isMeant(by: reader) else { return }
        guard
            layers.allSatisfy({
                $0.withState == nil && $0.attention.latent == nil && $0.attention.sharesKeysOf == nil
                    && $0.feedForward.experts == nil
            })
        else {
            throw .unsupported(
                file: reader.file,
                reason:
                    "quantization_config: BitNet's inputs of eight bits are computed of plain attention and dense layers alone"
            )
        }
        try eachLayer {
            $0.attention.roundsInputs = true
            $0.feedForward.roundsInputs = true
        }
    }

    func check(file: String) throws(ModelError) {
        for layer in layers { try Self.check(layer, file: file) }
        try checkRecurrent(file)
        // Each expert is looked up by name; no published model has half as many.
        let counts = layers.map { $0.feedForward.experts?.count ?? 0 }
        guard counts.reduce(0, +) <= 65_536 else {
            throw .wrongValue(
                file: file, key: "num_local_experts", found: "\(counts.max() ?? 0)",
                expected: "at most 65536 in all \(layerCount) layers")
        }
    }

    private static func check(_ layer: LayerSpec, file: String) throws(ModelError) {
        let attention = layer.attention, norm = layer.norm
        guard attention.heads % attention.keyValueHeads == 0 else {
            throw .wrongValue(
                file: file, key: "num_key_value_heads", found: "\(attention.keyValueHeads)",
                expected: "a divisor of the \(attention.heads) query heads")
        }
        guard attention.headDimension <= 512, attention.valueDimension <= 512 else {
            throw .wrongValue(
                file: file, key: "head_dim",
                found: "\(max(attention.headDimension, attention.valueDimension))", expected: "at most 512")
        }
        guard norm.epsilon >= 0, norm.epsilon.isFinite else {
            throw .wrongValue(
                file: file, key: norm.kind == .layer ? "layer_norm_epsilon" : "rms_norm_eps", found: "\(norm.epsilon)",
                expected: "a number from 0")
        }
        if let experts = layer.feedForward.experts, experts.active > experts.count {
            throw .wrongValue(
                file: file, key: "num_experts_per_tok", found: "\(experts.active)",
                expected: "at most the \(experts.count) experts")
        }
    }

    /// The window of sliding layers, from `layer_types` where given, else by `isSliding`.
    mutating func setWindows(_ reader: ConfigurationReader, size: Int?, isSliding: (Int) -> Bool) throws(ModelError) {
        guard let size else { return }
        let types = try reader.optionalStrings("layer_types")
        if let types, types.count < layerCount {
            throw .wrongValue(
                file: reader.file, key: "layer_types", found: "\(types.count) entries", expected: "\(layerCount)")
        }
        for layer in 0..<layerCount {
            let sliding = types.map { $0[layer] == "sliding_attention" } ?? isSliding(layer)
            if sliding { layers[layer].attention.window = size }
        }
    }
}

extension Activation {
    init(_ reader: ConfigurationReader, keys: String, _ second: String? = nil, default fallback: String)
        throws(ModelError)
    {
        // Gemma's "hidden_activation" is the one that counts where both are given.
        let name = try reader.string(second ?? keys, keys, default: fallback)
        switch name {
        case "silu", "swish": self = .silu
        case "gelu", "gelu_python": self = .gelu
        case "gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu_python_tanh", "gelu_accurate": self = .geluTanh
        case "relu": self = .relu
        case "relu2": self = .squaredReLU
        default:
            throw .wrongValue(
                file: reader.file, key: keys, found: "\"\(name)\"",
                expected: "silu, gelu, gelu_new, gelu_pytorch_tanh, relu or relu2")
        }
    }
}
