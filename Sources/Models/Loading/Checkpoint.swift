import MartletFormats
import MartletJSON
import MartletNN
import MartletTensor

/// An opened model: its configuration and its tensors, whichever of the two published forms they came in.
public struct Checkpoint: Sendable {
    public let path: String
    /// `config.json`, or its equivalent made from a GGUF file's metadata.
    public let configuration: ConfigurationReader
    public let tensors: any TensorSource
    /// Set when the checkpoint is a GGUF file.
    public let gguf: GGUFFile?

    /// - Parameter path: a folder with `config.json` and safetensors files, or a GGUF file.
    public init(path: String) throws {
        self.path = path
        if Folder.isFolder(path) {
            let config = path + "/config.json"
            guard Folder.exists(config) else {
                throw ModelError.notAModel(path: path, reason: "there is no config.json in this folder")
            }
            let bytes = try Folder.read(config)
            do throws(JSONError) {
                configuration = ConfigurationReader(file: config, json: try JSON(parsing: bytes))
            } catch {
                throw ModelError.notAModel(path: config, reason: error.description)
            }
            tensors = try SafetensorsFolder(path: path)
            gguf = nil
        } else {
            let file = try GGUFFile(path: path)
            gguf = file
            tensors = file
            configuration = try file.configuration()
        }
    }

    /// `model_type`: "llama", "bert", ….
    public var modelType: String { configuration.json["model_type"]?.string ?? "" }

    public func decoder() throws -> Decoder { try decoder { source, _ in PlainParameters(source) }.0 }

    /// The decoder with float32 parameters of its own that want gradients, and those parameters. A GGUF file gives what
    /// a folder of the same model would.
    /// - Parameter isTrained: says by name which of them are trained; the others stay as they are.
    public func trainableDecoder(
        where isTrained: @escaping (String) -> Bool = { _ in true }
    ) throws -> (Decoder, [Parameter]) {
        let published = ConfigurationReader(file: path, json: publishedConfiguration())
        let (_, spec) = try Family.configuration(gguf == nil ? configuration : published)
        let (decoder, parameters) = try decoder(as: spec) { source, stored in
            TrainableParameters(
                gguf == nil ? source : PublishedParameters(source, stored: stored, published: spec), where: isTrained)
        }
        try parameters.finish()
        return (decoder, parameters.parameters)
    }

    /// - Parameter shape: what the decoder is like, when not as the file's parameters lie.
    private func decoder<Source: ParameterSource>(
        as shape: DecoderConfiguration? = nil,
        _ wrapped: (CheckpointParameters, DecoderConfiguration) -> Source
    ) throws -> (Decoder, Source) {
        let (family, stored) = try Family.configuration(configuration)
        let naming = gguf == nil ? family.naming : .gguf, spec = shape ?? stored
        let parameters = CheckpointParameters(tensors, file: path) { naming.places($0, stored) }
        let source = wrapped(parameters, stored)
        let decoder = Decoder(source, spec)
        try parameters.finish()
        try tensors.checkUnchanged()
        return (decoder, source)
    }

    /// What a folder of this model calls a parameter; nil where its files hold it as a part of another tensor.
    package func publishedName(_ name: String) throws -> String? {
        let (family, spec) = try Family.configuration(configuration)
        guard case .tensor(let stored)? = family.naming.places(name, spec).first else { return nil }
        return stored
    }

    /// The configuration of the language model, without its parameters.
    public func decoderConfiguration() throws -> DecoderConfiguration { try Family.configuration(configuration).1 }

    /// Whether this is a text encoder (BERT and its kind) rather than a language model.
    public var isEncoder: Bool { modelType == "bert" }

    public func encoder() throws -> Encoder {
        let spec = try EncoderConfiguration(configuration)
        // Checkpoints saved with a task head carry the encoder under a prefix.
        let parameters = CheckpointParameters(tensors, file: path) { [.tensor($0), .tensor("bert." + $0)] }
        let encoder = Encoder(parameters, spec)
        try parameters.finish()
        return encoder
    }

}

/// Parameters as the checkpoint gives them.
private final class PlainParameters: ParameterSource {
    let source: any ParameterSource
    init(_ source: any ParameterSource) { self.source = source }
    func parameter(_ name: String, shape: Shape, role: ParameterRole) -> Tensor {
        source.parameter(name, shape: shape, role: role)
    }
}
