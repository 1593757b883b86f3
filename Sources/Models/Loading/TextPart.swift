import MartletJSON

/// The language model within a model of several kinds of input.
struct TextPart {
    /// The configuration of the text part alone.
    let configuration: JSONObject
    /// What the whole is, as its `model_type` says; nil for a language model by itself.
    let wrapper: String?

    /// A model of several kinds of input whose text part is of one of the families and treats text as that family does.
    /// Others (cross-attention to pictures, prompts that see all of themselves) are refused by their name as any unknown
    /// architecture is.
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
            // Qwen2-VL was published with the keys of its text part beside those of the whole.
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
        // What the whole says and its text part does not.
        for key in ["quantization_config", "eos_token_id", "bos_token_id", "pad_token_id"] where result[key] == nil {
            result[key] = whole[key]
        }
        // The whole owns the output projection.
        if let isTied = whole["tie_word_embeddings"] { result["tie_word_embeddings"] = isTied }
        configuration = result
        wrapper = type
    }
}
