import MartletNN
import MartletTensor

/// A discriminator that tells of every token whether it was replaced, and the generator that replaces them: a smaller masked
/// language model with the same tables of tokens, positions and segments (ELECTRA, Clark et al. 2020, sections 2 and 3.2).
///
///     logit of a token = act(h Wᵀ + b) wᵀ + c for its state h: above 0, it was replaced
public final class ReplacedTokenModel {
    public let generator: MaskedTokenModel
    public let discriminator: Encoder
    /// The discriminator's layers, by path. The generator's have the same paths in a tree of their own, `generator.tree`.
    public let tree: ModuleTree
    private let dense, output: Linear

    /// What stands before the names of the generator's own parameters.
    public static let generatorPrefix = "generator."

    /// Tables of the same sizes are shared.
    public init(_ source: ParameterSource, _ spec: EncoderConfiguration, generator: EncoderConfiguration) {
        let tables = ["embed_tokens.", "embed_positions.", "embed_types.", "embed_norm."].map { "model." + $0 }
        let prefix = Self.generatorPrefix
        let isAlike =
            spec.embeddingSize == generator.embeddingSize && spec.vocabularySize == generator.vocabularySize
            && spec.contextLength == generator.contextLength && spec.typeVocabularySize == generator.typeVocabularySize
        let shared = SharedParameters(source) { name in
            guard isAlike, name.hasPrefix(prefix) else { return name }
            let inner = String(name.dropFirst(prefix.count))
            return tables.contains(where: inner.hasPrefix) ? inner : name
        }
        let own = ModuleTree.Builder(shared)
        discriminator = Encoder(own, spec)
        dense = Linear(own, "discriminator.dense", from: spec.hiddenSize, to: spec.hiddenSize, bias: true)
        output = Linear(own, "discriminator.output", from: spec.hiddenSize, to: 1, bias: true)
        tree = own.tree
        self.generator = MaskedTokenModel(PrefixedParameters(shared, prefix), generator)
    }

    /// For each token, the logit of its having been replaced: `[tokens]`.
    public func replacedLogits(_ states: Tensor) throws -> Tensor {
        let inner = try discriminator.configuration.activation(dense(states))  // [tokens, hidden]
        return try output(inner).reshape(states.shape[0])  // [tokens]
    }
}

extension Checkpoint {
    /// The discriminator in a folder of `ElectraForPreTraining` with the generator in another, with trainable float32
    /// parameters, and those parameters. Where both have tables of the same sizes, the discriminator's are used for both.
    public func trainableReplacedTokenModel(
        generator: Checkpoint
    ) throws -> (ReplacedTokenModel, [Parameter]) {
        for checkpoint in [self, generator] where !checkpoint.hasEncoder {
            throw ModelError.wrongKind(path: checkpoint.path, kind: "a decoder", wanted: "an encoder of text")
        }
        let own = CheckpointParameters(tensors, file: path, places: encoderPlaces)
        let other = CheckpointParameters(generator.tensors, file: generator.path, places: generator.encoderPlaces)
        let source = TrainableParameters(PairedParameters(own, other))
        let model = ReplacedTokenModel(
            source, try EncoderConfiguration(configuration),
            generator: try EncoderConfiguration(generator.configuration))
        try own.finish()
        try other.finish()
        try source.finish()
        return (model, source.parameters)
    }
}

/// The parameters of two checkpoints, those of the generator under its prefix.
private final class PairedParameters: ParameterSource {
    private let own, generator: CheckpointParameters

    init(_ own: CheckpointParameters, _ generator: CheckpointParameters) {
        (self.own, self.generator) = (own, generator)
    }

    func parameter(_ name: String, shape: Shape, role: ParameterRole) -> Tensor {
        let prefix = ReplacedTokenModel.generatorPrefix
        return name.hasPrefix(prefix)
            ? generator.parameter(String(name.dropFirst(prefix.count)), shape: shape, role: role)
            : own.parameter(name, shape: shape, role: role)
    }
}
