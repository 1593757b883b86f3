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

    public func decoder() throws -> Decoder {
        let (family, spec) = try Family.configuration(configuration)
        let naming = gguf == nil ? family.naming : .gguf
        let parameters = CheckpointParameters(tensors, file: path) { naming.places($0, spec) }
        let decoder = Decoder(parameters, spec)
        try parameters.finish()
        return decoder
    }

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
