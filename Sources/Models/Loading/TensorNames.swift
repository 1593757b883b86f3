import MartletFormats

/// Maps the names `model.…` and `lm_head.…` to the tensor names in a folder's files.
///
/// The same model is published with its layers under "model.", without a prefix (as an embedding model), or inside a
/// multimodal model under one of these.
struct TensorNames: Sendable {
    /// The prefix that replaces "model.".
    let body: String
    /// The name of the output projection; nil if there is none.
    let head: String?

    private static let bodies = [
        "model.", "", "language_model.model.", "model.language_model.", "model.language_model.model.",
        "language_model.", "model.text_model.", "model.text_model.model.",
    ]
    private static let heads = [
        "lm_head.weight", "language_model.lm_head.weight", "model.lm_head.weight", "output_projection.weight",
    ]

    init(_ source: any TensorSource) {
        body = Self.bodies.first { source.entry($0 + "embed_tokens.weight") != nil } ?? "model."
        head = Self.heads.first { source.entry($0) != nil }
    }

    func stored(_ name: String) -> String {
        if name == "lm_head.weight", let head { return head }
        return name.hasPrefix("model.") ? body + name.dropFirst("model.".count) : name
    }

    func stored(_ place: WeightPlace) -> WeightPlace {
        switch place {
        case .tensor(let name): .tensor(stored(name))
        case .rows(let name, let sizes, let part): .rows(stored(name), sizes: sizes, part: part)
        case .groupedRows(let name, let groups, let sizes, let part):
            .groupedRows(stored(name), groups: groups, sizes: sizes, part: part)
        case .transposedColumns(let name, let sizes, let part):
            .transposedColumns(stored(name), sizes: sizes, part: part)
        case .expert(let name, let index): .expert(stored(name), index: index)
        case .expertPart(let name, let index, let part): .expertPart(stored(name), index: index, part)
        case .converted(let name, let conversion): .converted(stored(name), conversion)
        case .latentHeads(let keys, let values): .latentHeads(keys: stored(keys), values: stored(values))
        }
    }
}
