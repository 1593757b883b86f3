import MartletFormats
import MartletNN
import MartletTensor

extension Checkpoint {
    /// Matrices that layers have for keys and values of their own although they use those of earlier layers (Gemma 3n):
    /// nothing computes with them, and other programs ask for them. They go along into another form as they are stored.
    /// - Parameter isGGUF: whether the other form is a GGUF file.
    func unusedKeys(_ spec: DecoderConfiguration, isGGUF: Bool) -> [WrittenTensor] {
        func name(_ layer: Int, _ part: (folder: String, file: String), isGGUF: Bool) -> String {
            isGGUF ? "blk.\(layer).\(part.file).weight" : "model.layers.\(layer).self_attn.\(part.folder).weight"
        }
        let parts = [("k_proj", "attn_k"), ("v_proj", "attn_v"), ("k_norm", "attn_k_norm")]
        let sharing = spec.layers.indices.filter { spec.layers[$0].attention.sharesKeysOf != nil }
        return sharing.flatMap { layer in
            parts.compactMap { part in
                let own = name(layer, part, isGGUF: gguf != nil), stored = gguf == nil ? names.stored(own) : own
                guard let entry = tensors.entry(stored) else { return nil }
                return WrittenTensor(
                    name: name(layer, part, isGGUF: isGGUF), shape: entry.shape, modules: [], stored: entry.dtype
                ) { [tensors] in try tensors.tensor(stored) }
            }
        }
    }
}
