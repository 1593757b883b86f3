import MartletJSON
import MartletNN

extension Family {
    /// XGLM: a pre-norm decoder with scaled embeddings and fairseq's computed positions (Lin et al. 2022).
    static let xglm = Family(
        "xglm",
        naming: .modules(
            outside: ["norm": "layer_norm"],
            inside: [
                "input_layernorm": "self_attn_layer_norm", "post_attention_layernorm": "final_layer_norm",
                "self_attn.o_proj": "self_attn.out_proj", "mlp.up_proj": "fc1", "mlp.down_proj": "fc2",
            ]),
        defaults: [
            "vocab_size": 256_008, "d_model": 1024, "num_layers": 24, "ffn_dim": 4096, "attention_heads": 16,
            "max_position_embeddings": 2048, "activation_function": "gelu", "scale_embedding": true,
            "tie_word_embeddings": true,
        ], neutral: ["layerdrop", "init_std", "activation_dropout"],
        base: Base { (reader) throws(ModelError) in
            var spec = try DecoderConfiguration(gpt2: reader)
            (spec.learnedPositions, spec.sinusoids) = (false, .fairseq)
            if try reader.flag("scale_embedding", default: true) {
                spec.embeddingScale = Float(spec.hiddenSize).squareRoot()
            }
            return spec
        })
}
