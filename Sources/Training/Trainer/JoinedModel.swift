import MartletAdapters
import MartletModels
import MartletNN
import MartletTensor

/// A model whose files join matrices that are trained apart: queries, keys and values of GPT-2, BLOOM, Falcon and GPT-NeoX,
/// gate and up of Phi 3. A checkpoint holds the parameters as they are trained, and beside them the model as its family's
/// folders have it.
struct JoinedModel {
    private let decoder: Decoder
    /// What else is stored: a head in place of the output projection.
    var heads: [Parameter] = []
    /// What is stored beside the whole model.
    var others: [Parameter] = []

    init(_ decoder: Decoder) { self.decoder = decoder }

    /// By the names of the files, with the weights that are shown.
    /// - Parameter type: of matrices; nil for float32.
    func shown(_ loop: StepLoop, as type: DType?) throws -> [(String, Tensor)] {
        try loop.withShownWeights {
            let model = try PublishedModel.tensors(decoder, as: type)
            let kept = heads.isEmpty ? model : model.filter { !$0.0.hasPrefix("lm_head.") }
            // Copies: what is not joined shares its memory with what is trained.
            return try kept.map { ($0.0, $0.1.copied()) }
                + (heads + others).map { ($0.name, try $0.tensor.detach().to(type ?? .float32).copied()) }
        }
    }
}
