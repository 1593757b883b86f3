import MartletFormats
import MartletJSON
import MartletModels
import MartletTensor

/// A second model that a run trains beside the one it is for, with parameters in common: the generator of ELECTRA. A
/// checkpoint holds the parameters of both; the run's folder shows the one model, and the newest state of the other in a
/// folder of its own.
struct CompanionModel {
    /// The folder inside the run's.
    static let folder = "generator"
    let configuration: JSON

    /// What both have: the tables of ELECTRA.
    private static let shared = "electra.embeddings."

    /// The model that the run is for, by the names of its files, with the weights that are shown.
    func shown(_ loop: StepLoop) throws -> [(String, Tensor)] {
        try weights(loop).filter { !$0.0.hasPrefix(ReplacedTokenModel.generatorPrefix) }
    }

    /// Writes the other model: its own parameters, and those that it shares.
    func write(run: String, _ loop: StepLoop, files: [(name: String, bytes: [UInt8])]) throws {
        let folder = "\(run)/\(Self.folder)", prefix = ReplacedTokenModel.generatorPrefix
        try makeFolder(folder)
        let tensors = try weights(loop).compactMap { name, tensor -> (String, Tensor)? in
            if name.hasPrefix(prefix) { return (String(name.dropFirst(prefix.count)), tensor) }
            return name.hasPrefix(Self.shared) ? (name, tensor) : nil
        }
        try SafetensorsWriter.write(tensors, to: "\(folder)/model.safetensors")
        for file in files where file.name != "config.json" && file.name != "generation_config.json" {
            try AtomicFile.write("\(folder)/\(file.name)", bytes: file.bytes)
        }
        try AtomicFile.write("\(folder)/config.json", bytes: configuration.bytes(indent: 2))
    }

    /// All parameters of both, as they are shown.
    private func weights(_ loop: StepLoop) throws -> [(String, Tensor)] {
        try loop.shownModel() ?? loop.parameters.map { ($0.name, $0.tensor.detach()) }
    }
}
