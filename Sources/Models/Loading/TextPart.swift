import MartletJSON

/// The language model inside a multimodal model.
struct TextPart {
    /// The configuration of the text part alone.
    let configuration: JSONObject
    /// The `model_type` of the whole; nil for a text model.
    let wrapper: String?

    /// The family of the text part, for multimodal models whose text part treats text as that family does. Others
    /// (cross-attention to images, bidirectional prompts) are refused by name like any unknown architecture.
    private static func textType(of type: String) -> String? {
        Family.all.lazy.compactMap { $0.wrappers[type] }.first
    }

    init(_ reader: ConfigurationReader) throws(ModelError) {
        let whole = reader.json.object ?? [:]
        guard let type = whole["model_type"]?.string, let textType = Self.textType(of: type) else {
            configuration = whole
            wrapper = nil
            return
        }
        guard let text = try reader.child("text_config") else {
            // Qwen2-VL was published with the keys of its text part beside those of the whole model.
            var flat = whole
            flat["model_type"] = .string(textType)
            // A gemma3 without either part is the text model under an older name.
            let isWhole = whole["vision_config"] != nil
            configuration = flat
            wrapper = isWhole ? type : nil
            return
        }
        var result = text.json.object ?? [:]
        if result["model_type"]?.string == nil { result["model_type"] = .string(textType) }
        // Keys that the whole model has and its text part lacks.
        for key in ["quantization_config", "eos_token_id", "bos_token_id", "pad_token_id"] where result[key] == nil {
            result[key] = whole[key]
        }
        // The output projection belongs to the whole model.
        if let isTied = whole["tie_word_embeddings"] { result["tie_word_embeddings"] = isTied }
        configuration = result
        wrapper = type
    }
}
