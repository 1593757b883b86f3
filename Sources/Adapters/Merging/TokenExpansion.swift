import MartletJSON
import MartletModels
import MartletTensor

/// A model with rows for further tokens in its embedding table, and in its output projection where that has a table of its own.
///
/// Each new row is the mean of those of the tokens there are: what the model says of the others changes by no more than a token
/// of average probability takes from them (Hewitt 2021, "Initializing New Word Embeddings for Pretrained Language Models").
/// The new rows alone are tuned then: `martlet sft LARGER --adapter lora --trained-tokens …`.
public struct TokenExpansion {
    /// The tensors, by the names of the family's folders.
    public let tensors: [(String, Tensor)]
    /// The ids of the new tokens.
    public let ids: Range<Int>
    /// Of the tables: more than there are tokens, where they had rows to spare.
    public let rowCount: Int

    /// - Parameters:
    ///   - decoder: opened in the form of folders.
    ///   - count: tokens to add, behind the `known` ones of its tokenizer.
    /// - Throws: `AdapterError` for a model with further tables, as one for each layer.
    public init(_ decoder: Decoder, adding count: Int, to known: Int) throws {
        let configuration = decoder.configuration, rows = configuration.vocabularySize
        guard count > 0, known > 0, known <= rows else {
            throw AdapterError(
                .configuration, "\(count) tokens behind \(known) cannot be added to a table of \(rows) rows")
        }
        guard let family = Family.named(configuration.family) else {
            throw AdapterError(.unsupported, "the family \(configuration.family) has no published names")
        }
        ids = known..<known + count
        rowCount = max(rows, ids.upperBound)
        var tables: Set<String> = []
        for parameter in decoder.tree.parameters {
            if parameter.path == "model.embed_tokens.weight" || parameter.path.hasPrefix("lm_head.") {
                guard case .tensor(let name)? = family.publishedPlaces(parameter.path, configuration).first else {
                    throw AdapterError(.unsupported, "the table \(parameter.path) is no tensor of its own in files")
                }
                tables.insert(name)
            } else if parameter.path.contains("per_layer"), parameter.value.shape.first == rows {
                throw AdapterError(
                    .unsupported, "\(parameter.path) is a table of tokens as well, which new ones are not added to")
            }
        }
        tensors = try PublishedModel.tensors(decoder).map { [ids, rowCount] name, tensor in
            guard tables.contains(name) else { return (name, tensor) }
            let old = try tensor.narrow(0, from: 0, length: known), mean = try old.mean(0, keepDimensions: true)
            let new = [Tensor](repeating: mean, count: ids.count)
            let spare = rowCount - ids.upperBound
            let rest = spare > 0 ? [try tensor.narrow(0, from: ids.upperBound, length: spare)] : []
            return (name, try Tensor.concatenate([old] + new + rest))
        }
    }

    /// `config.json` of the larger model.
    public func configuration(_ config: JSON) -> JSON {
        guard var members = config.object else { return config }
        if members["vocab_size"] != nil { members["vocab_size"] = .integer(Int64(rowCount)) }
        if var text = members["text_config"]?.object, text["vocab_size"] != nil {
            text["vocab_size"] = .integer(Int64(rowCount))
            members["text_config"] = .object(text)
        }
        return .object(members)
    }
}
