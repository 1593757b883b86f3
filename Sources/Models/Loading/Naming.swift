/// Where a parameter of the model is stored in a checkpoint.
///
/// The model uses Llama's names (`model.layers.3.self_attn.q_proj.weight`). A family with other files maps them to
/// another name, a range of rows of a fused tensor, or a transposed tensor.
public enum WeightPlace: Sendable, Equatable {
    case tensor(String)
    /// Part number `part` of a fused tensor whose rows are divided in proportion to `sizes`.
    case rows(String, sizes: [Int], part: Int)
    /// Stored transposed, `[in, out]`, as GPT-2's Conv1D; then a range of columns.
    case transposedColumns(String, sizes: [Int], part: Int)
    /// Matrix `index` of a stack `[experts, out, in]`.
    case expert(String, index: Int)
}

/// The tensor names in a family's checkpoints.
public struct Naming: Sendable {
    /// The places of a parameter, in the order in which they are tried.
    let places: @Sendable (_ name: String, _ configuration: DecoderConfiguration) -> [WeightPlace]

    static let llama = Naming { name, _ in [.tensor(name)] }

    init(places: @escaping @Sendable (String, DecoderConfiguration) -> [WeightPlace]) {
        self.places = places
    }
}
