import MartletFormats
import MartletTensor

/// Activations on disk, for other programs.
public enum ActivationFile {
    /// Writes the activations of a pass as safetensors under their names; `usesAliases` takes TransformerLens's.
    public static func write(_ pass: ProbedPass, to path: String, usesAliases: Bool = false) throws {
        let sorted = pass.activations.sorted {
            ($0.key.layer, $0.key.part.rawValue) < ($1.key.layer, $1.key.part.rawValue)
        }
        var tensors = sorted.map { (usesAliases ? $0.key.alias : $0.key.description, $0.value) }
        tensors.append(("tokens", try Tensor(pass.tokens, shape: [pass.tokens.count])))
        try SafetensorsWriter.write(tensors, to: path)
    }
}
