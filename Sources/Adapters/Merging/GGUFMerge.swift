import MartletModels
import MartletNN
import MartletTensor

/// The changed parameters of a model by the names of its GGUF file.
public enum GGUFMerge {
    /// - Parameters:
    ///   - decoder: opened from the file, whose rows lie as the file has them.
    ///   - changed: paths of layers, or of parameters.
    ///   - names: of the file's tensors.
    /// - Returns: as float32, `[out, in]`; what the file holds joined is joined.
    /// - Throws: `AdapterError` for what the file has no place for.
    public static func tensors(
        _ decoder: Decoder, changed: Set<String>, names: Set<String>
    ) throws -> [String: Tensor] {
        guard let family = Family.named(decoder.configuration.family) else {
            throw AdapterError(.unsupported, "the family \(decoder.configuration.family) is not known")
        }
        var result: [String: Tensor] = [:], joined: [String: [(part: Int, of: Int, value: Tensor)]] = [:]
        func places(_ path: String) -> [WeightPlace] { family.placesInGGUF(path, decoder.configuration) }
        // Parts of a joined matrix that have not changed are written with those that have.
        var wanted = Set<String>()
        for parameter in decoder.tree.parameters where isChanged(parameter.path, changed) {
            if case .rows(let name, _, _)? = places(parameter.path).first(where: { names.contains($0.publishedName) }) {
                wanted.insert(name)
            }
        }
        for parameter in decoder.tree.parameters {
            let all = places(parameter.path), place = all.first { names.contains($0.publishedName) } ?? all.first
            let value: () throws -> Tensor = {
                if let tensor = parameter.value as? Tensor, tensor.rank == 1 { return try tensor.detach().to(.float32) }
                return try parameter.value.float32Matrix().detach()
            }
            switch place {
            case .rows(let name, let sizes, let part) where wanted.contains(name):
                joined[name, default: []].append((part, sizes.count, try value()))
            case .tensor(let name) where isChanged(parameter.path, changed): result[name] = try value()
            case .expert where isChanged(parameter.path, changed), .expertPart where isChanged(parameter.path, changed),
                nil where isChanged(parameter.path, changed):
                throw AdapterError(
                    .unsupported,
                    "\(parameter.path) lies in a stack of experts in GGUF, which is not written again: merge into a folder"
                )
            default: continue
            }
        }
        for (name, parts) in joined {
            guard let count = parts.first?.of, parts.count == count else {
                throw AdapterError(
                    .unsupported, "\(name) of the GGUF file holds more than the model's \(parts.count) parts")
            }
            result[name] = try Tensor.concatenate(parts.sorted { $0.part < $1.part }.map(\.value))
        }
        return result
    }

    private static func isChanged(_ path: String, _ changed: Set<String>) -> Bool {
        if changed.contains(path) { return true }
        guard let cut = path.lastIndex(of: ".") else { return false }
        return changed.contains(String(path[..<cut]))
    }
}
