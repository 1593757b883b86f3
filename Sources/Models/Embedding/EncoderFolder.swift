import MartletFormats
import MartletNN
import MartletTensor

/// Where the parameters of an encoder, and of a head on it, stand in the folder that is written of it: by the names that
/// transformers gives them.
package struct EncoderFolder {
    private let form: Family.EncoderForm
    /// What stands before the encoder's own names beside a head: "bert.".
    private let prefix: String
    /// The same, also where no head is written.
    package var basePrefix: String { form.folderPrefix }

    /// - Parameter hasHead: whether a classifier is written, in whose folder the encoder's names have a prefix.
    package init(_ checkpoint: Checkpoint, hasHead: Bool) throws(ModelError) {
        guard let form = checkpoint.encoderForm else {
            throw .unsupported(
                file: checkpoint.path,
                reason: "\(checkpoint.modelType) is no encoder, and this folder is written of encoders")
        }
        // Jina's own code has its own names; transformers' classes of this type would compute something else.
        let positions = checkpoint.configuration.json["position_embedding_type"]?.string ?? "absolute"
        guard !form.readOnlyPositions.contains(positions) else {
            throw .wrongValue(
                file: checkpoint.configuration.file, key: "position_embedding_type", found: "\"\(positions)\"",
                expected: "absolute: the form of Jina's files is read, not written; train on one of transformers "
                    + "(jina_embeddings_v3), or on another encoder")
        }
        self.form = form
        prefix = hasHead ? form.folderPrefix : ""
    }

    /// The place of a parameter.
    package func place(_ name: String) -> WeightPlace? {
        let places = form.allPlaces(name, isGGUF: false)
        guard !prefix.isEmpty else { return places.first }
        let isHead = form.head.places(name, encoder: form.places) != nil
        guard !isHead || form.head.isPooler(name) else { return places.first }
        return places.first { $0.storedName.hasPrefix(prefix) } ?? places.first
    }

    /// The name of a parameter that is a tensor of its own; nil where it is a part of another.
    package func name(_ parameter: String) -> String? {
        guard case .tensor(let stored)? = place(parameter) else { return nil }
        return stored
    }

    /// Tensors as the folder has them: parts that share one are joined.
    /// - Throws: `ModelError.unsupported` for a place that is only read.
    package func tensors(_ parameters: [(name: String, tensor: Tensor)]) throws -> [(String, Tensor)] {
        var result: [(String, Tensor)] = [], parts: [String: [Int: Tensor]] = [:], counts: [String: Int] = [:]
        /// The parts of a tensor in order, once all are there.
        func whole(_ stored: String, _ part: Int, of count: Int, _ tensor: Tensor) -> [Tensor]? {
            parts[stored, default: [:]][part] = tensor
            guard let all = parts[stored], all.count == count else {
                counts[stored] = count
                return nil
            }
            counts[stored] = nil
            return (0..<count).compactMap { all[$0] }
        }
        for (name, tensor) in parameters {
            switch place(name) {
            case .tensor(let stored)?: result.append((stored, tensor))
            case .rows(let stored, let sizes, let part)?:
                guard let all = whole(stored, part, of: sizes.count, tensor) else { continue }
                result.append((stored, try Tensor.concatenate(all)))
            case .groupedRows(let stored, let groups, let sizes, let part)?:
                guard let all = whole(stored, part, of: sizes.count, tensor) else { continue }
                result.append((stored, try WeightPlace.grouped(all, groups: groups)))
            default:
                throw ModelError.unsupported(
                    file: name, reason: "its place in the files of this family can be read, not written")
            }
        }
        if let stored = counts.keys.sorted().first {
            throw ModelError.missingTensors(file: "the model", names: [stored])
        }
        return result
    }
}

extension Family.EncoderForm {
    /// What transformers puts before the encoder's names in the folder of a classifier: what its places say beside the
    /// plain name, unless the family says otherwise.
    var folderPrefix: String {
        if let prefix = head.basePrefix { return prefix }
        let names = places("model.embed_tokens.weight").map(\.storedName)
        guard let plain = names.first else { return "" }
        return names.dropFirst().first { $0.hasSuffix(plain) }.map { String($0.dropLast(plain.count)) } ?? ""
    }
}

extension EncoderHeadForm {
    /// Whether a parameter of the head belongs to the encoder in transformers' classes: its pooler.
    func isPooler(_ name: String) -> Bool {
        hasOwnPooler && name.hasPrefix("pooler.") && (dense.first?.hasPrefix("pooler") ?? false)
    }
}

extension Checkpoint {
    /// `architectures` of the same encoder for another use: "BertForSequenceClassification" with "ForSequenceClassification",
    /// "BertModel" with "Model".
    /// - Throws: `ModelError.wrongValue` where the name is none of those that are known to end so.
    package func architecture(for use: String) throws(ModelError) -> String {
        let name = configuration.json["architectures"]?.array?.first?.string ?? ""
        // A configuration without it was written by hand; transformers capitalises the first letter of plain types.
        if name.isEmpty { return modelType.prefix(1).uppercased() + modelType.dropFirst() + use }
        let ends = [
            "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering", "ForMaskedLM",
            "ForPreTraining", "ForNextSentencePrediction", "ForMultipleChoice", "LMHeadModel", "Model",
        ]
        guard let end = ends.first(where: name.hasSuffix), name.count > end.count else {
            throw .wrongValue(
                file: configuration.file, key: "architectures", found: "\"\(name.prefix(60))\"",
                expected: "a name that ends in \(ends.joined(separator: ", "))")
        }
        return name.dropLast(end.count) + use
    }
}
