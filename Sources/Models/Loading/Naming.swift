/// Where in a checkpoint a parameter of the model is found.
///
/// The model asks by Llama's names (`model.layers.3.self_attn.q_proj.weight`). A family whose files say it otherwise
/// answers with another name, a band of rows of a fused tensor, or a tensor stored the other way round.
public enum WeightPlace: Sendable, Equatable {
    case tensor(String)
    /// Rows `part` of `of` when the fused tensor's rows are divided in the proportions `sizes`.
    case rows(String, sizes: [Int], part: Int)
    /// Stored `[in, out]`, as GPT-2's Conv1D does; then a band of columns.
    case transposedColumns(String, sizes: [Int], part: Int)
    /// Matrix number `index` of a stack `[experts, out, in]`.
    case expert(String, index: Int)
}

/// How a family's checkpoint names its tensors.
public struct Naming: Sendable {
    /// The places of a parameter in the order to be tried.
    let places: @Sendable (_ name: String, _ configuration: DecoderConfiguration) -> [WeightPlace]

    static let llama = Naming { name, _ in [.tensor(name)] }

    init(places: @escaping @Sendable (String, DecoderConfiguration) -> [WeightPlace]) {
        self.places = places
    }
}
