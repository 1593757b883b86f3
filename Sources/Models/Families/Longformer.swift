import MartletJSON
import MartletNN

extension Family {
    /// Longformer: a RoBERTa whose tokens see a window of others on both sides (Beltagy et al. 2020). Attention of chosen
    /// tokens to the whole text is not computed: transformers has none for states, masked tokens and classes of words, unless
    /// it is told of some.
    static let longformer = Family(
        encoder: EncoderForm(
            configure: { (reader) throws(ModelError) in
                var spec = try EncoderConfiguration(bert: reader)
                try spec.takeRobertaPositions(reader)
                let key = "attention_window"
                let windows: [Int]
                if let list = try? reader.list(key) {
                    windows = list.compactMap(\.integer)
                } else {
                    windows = Array(repeating: try reader.integer(key, default: 512), count: spec.layerCount)
                }
                guard windows.count == spec.layerCount, windows.allSatisfy({ $0 > 0 && $0 % 2 == 0 }) else {
                    throw .wrongValue(
                        file: reader.file, key: key, found: "\(windows.prefix(8))",
                        expected: "an even number, or one for each of the \(spec.layerCount) layers")
                }
                spec.ownLayers = windows.map { window in
                    var layer = spec.layer
                    layer.attention.reach = .around(window / 2 + 1)
                    return layer
                }
                return spec
            }, places: { bertPlaces($0).flatMap { [$0, .tensor("longformer." + $0.storedName)] } },
            ggufPlaces: { [.tensor($0)] },
            head: EncoderHeadForm(
                dense: ["classifier.dense"], output: ["classifier.out_proj"], basePrefix: "longformer.",
                masked: .roberta,
                whyNoTexts:
                    "heads over a text let its first token attend to all others (global attention), which is not "
                    + "computed: take ModernBERT or another encoder of long texts")),
        "longformer",
        defaults: [
            "vocab_size": 30_522, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
            "intermediate_size": 3072, "max_position_embeddings": 512, "type_vocab_size": 2, "pad_token_id": 1,
        ],
        neutral: [
            "tie_word_embeddings", "onnx_export", "ignore_attention_mask", "attention_mode", "gradient_checkpointing",
        ])
}
