import MartletJSON
import MartletNN

extension Family {
    /// Megatron-BERT, and GatorTron: norms before the sublayers and behind the last one, none of the embeddings (Shoeybi et
    /// al. 2019).
    static let megatronBERT = preNormBERT(
        "megatron-bert", prefix: "bert.", normalizesEmbeddings: false,
        norms: ("attention.ln", "ln", "encoder.ln"), head: EncoderHeadForm(basePrefix: "bert."),
        defaults: ["vocab_size": 29_056, "hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16])
    /// XLM-R XL and XXL: the same with RoBERTa's positions (Goyal et al. 2021).
    static let xlmRobertaXL = preNormBERT(
        "xlm-roberta-xl", prefix: "roberta.", isRoBERTa: true, normalizesEmbeddings: false,
        norms: ("attention.self_attn_layer_norm", "LayerNorm", "encoder.LayerNorm"), head: robertaHead("roberta."),
        defaults: [
            "vocab_size": 250_880, "hidden_size": 2560, "num_hidden_layers": 36, "num_attention_heads": 32,
            "intermediate_size": 10_240, "max_position_embeddings": 514, "type_vocab_size": 1, "layer_norm_eps": 1e-5,
        ])
    /// RoBERTa with norms before the sublayers (Ott et al. 2019, of fairseq).
    static let robertaPreNorm = preNormBERT(
        "roberta-prelayernorm", prefix: "roberta_prelayernorm.", isRoBERTa: true, normalizesEmbeddings: true,
        norms: ("attention.LayerNorm", "intermediate.LayerNorm", "LayerNorm"),
        head: robertaHead("roberta_prelayernorm."), defaults: ["vocab_size": 50_265])

    private static func robertaHead(_ prefix: String) -> EncoderHeadForm {
        EncoderHeadForm(
            dense: ["classifier.dense"], output: ["classifier.out_proj"], basePrefix: prefix, masked: .roberta)
    }

    /// - Parameters:
    ///   - prefix: what stands before the encoder's names beside a head.
    ///   - isRoBERTa: whether positions begin after the padding token's.
    ///   - norms: the names of those before attention and before the feed-forward part, in a layer, and of the last one.
    private static func preNormBERT(
        _ modelType: String, prefix: String, isRoBERTa: Bool = false, normalizesEmbeddings: Bool,
        norms: (attention: String, feedForward: String, last: String), head: EncoderHeadForm,
        defaults more: JSONObject
    ) -> Family {
        var defaults: JSONObject = [
            "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072,
            "max_position_embeddings": 512, "type_vocab_size": 2, "layer_norm_eps": 1e-12,
        ]
        if isRoBERTa { defaults["pad_token_id"] = 1 }
        for (key, value) in more { defaults[key] = value }
        return Family(
            encoder: EncoderForm(
                configure: { (reader) throws(ModelError) in
                    var spec = try EncoderConfiguration(bert: reader)
                    if isRoBERTa { try spec.takeRobertaPositions(reader) }
                    spec.normalizesEmbeddings = normalizesEmbeddings
                    var layer = spec.layer
                    layer.normPlacement = .before
                    spec.ownLayers = Array(repeating: layer, count: spec.layerCount)
                    spec.hasFinalNorm = true
                    return spec
                },
                places: { name in
                    let stored = renamed(
                        name,
                        outside: [
                            "model.embed_tokens": "embeddings.word_embeddings",
                            "model.embed_norm": "embeddings.LayerNorm",
                            "model.embed_positions": "embeddings.position_embeddings",
                            "model.embed_types": "embeddings.token_type_embeddings", "model.norm": norms.last,
                        ], layers: "encoder.layer",
                        inside: bertModules.merging([
                            "input_layernorm": norms.attention, "post_attention_layernorm": norms.feedForward,
                        ]) { $1 })
                    return [.tensor(stored), .tensor(prefix + stored)]
                }, ggufPlaces: { [.tensor($0)] }, head: head),
            modelType, defaults: defaults, neutral: ["tie_word_embeddings"])
    }
}
