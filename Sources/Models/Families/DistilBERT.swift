import MartletJSON
import MartletNN

extension Family {
    /// DistilBERT: a BERT of half the layers without segments (Sanh et al. 2019).
    static let distilBERT = Family(
        encoder: EncoderForm(
            configure: { (reader) throws(ModelError) in
                var spec = try EncoderConfiguration(bert: reader)
                spec.typeVocabularySize = 0
                return spec
            },
            places: { name in
                let stored = renamed(
                    name,
                    outside: [
                        "model.embed_tokens": "embeddings.word_embeddings", "model.embed_norm": "embeddings.LayerNorm",
                        "model.embed_positions": "embeddings.position_embeddings",
                    ], layers: "transformer.layer",
                    inside: [
                        "self_attn.q_proj": "attention.q_lin", "self_attn.k_proj": "attention.k_lin",
                        "self_attn.v_proj": "attention.v_lin", "self_attn.o_proj": "attention.out_lin",
                        "attention_output_norm": "sa_layer_norm", "mlp.up_proj": "ffn.lin1",
                        "mlp.down_proj": "ffn.lin2",
                        "feedforward_output_norm": "output_layer_norm",
                    ])
                return [.tensor(stored), .tensor("distilbert." + stored)]
            }, ggufPlaces: { [.tensor($0)] },
            head: EncoderHeadForm(
                dense: ["pre_classifier"], activation: .relu,
                masked: MaskedHeadForm(
                    dense: ["vocab_transform"], norm: ["vocab_layer_norm"], bias: ["vocab_projector"]))),
        "distilbert",
        defaults: [
            "vocab_size": 30_522, "dim": 768, "n_layers": 6, "n_heads": 12, "hidden_dim": 3072,
            "max_position_embeddings": 512,
        ],
        // The table of positions is stored, whichever way it was made.
        neutral: ["sinusoidal_pos_embds", "qa_dropout", "seq_classif_dropout", "tie_word_embeddings", "tie_weights_"])
}
