import MartletJSON

/// Keys of `config.json` that are not read: which ones can be ignored, and which ones must be refused.
enum NeutralKeys {
    /// Keys that any model's file may have and that do not change what the model computes.
    static let common: Set<String> = [
        // What the file is, and which program wrote it.
        "model_type", "architectures", "auto_map", "_name_or_path", "name_or_path", "transformers_version",
        "torch_dtype",
        "dtype", "tokenizer_class", "processor_class", "task_specific_params", "custom_pipelines", "base_model_tp_plan",
        "unsloth_fixed", "unsloth_version", "model_name", "revision", "_commit_hash", "language", "license",
        "transformers.js_config", "is_llama_config", "keys_to_ignore_at_inference", "tokenizer_name",
        "max_sequence_length", "output_past", "total_flos",
        // Token ids: read by the tokenizer and the generator.
        "bos_token_id", "eos_token_id", "pad_token_id", "sep_token_id", "cls_token_id", "mask_token_id", "unk_token_id",
        "decoder_start_token_id", "prefix", "image_token_id", "video_token_id", "vision_start_token_id",
        "vision_end_token_id", "vision_token_id", "image_token_index", "boi_token_index", "eoi_token_index",
        // Training.
        "initializer_range", "initializer_factor", "attention_dropout", "hidden_dropout", "hidden_dropout_prob",
        "attention_probs_dropout_prob", "resid_pdrop", "embd_pdrop", "attn_pdrop", "residual_dropout",
        "embedding_dropout", "dropout", "classifier_dropout", "hidden_dropout_rate", "gradient_checkpointing",
        "router_aux_loss_coef", "router_jitter_noise", "output_router_logits", "pretraining_tp", "tie_encoder_decoder",
        "use_mup", "z_loss_coefficient", "rescale_prenorm_residual",
        // How a program computes, and what it returns.
        "use_cache", "output_attentions", "output_hidden_states", "output_scores", "return_dict",
        "return_dict_in_generate", "torchscript", "use_bfloat16", "attn_implementation", "_attn_implementation",
        "_attn_implementation_autoset", "_experts_implementation", "use_flash_attn", "use_flash_attention",
        "flash_attn", "cache_implementation", "chunk_size_feed_forward", "pruned_heads", "tf_legacy_loss",
        "is_encoder_decoder", "is_decoder", "add_cross_attention", "cross_attention_hidden_size",
        // Heads of other tasks.
        "id2label", "label2id", "num_labels", "_num_labels", "problem_type", "finetuning_task", "summary_type",
        "summary_use_proj",
        "summary_activation", "summary_proj_to_labels", "summary_first_dropout", "sentence_transformers",
        "sbert_ce_default_activation_function", "sbert_ce_default_activation_function_kwargs",
        // Generation: `generation_config.json` is used instead.
        "do_sample", "temperature", "top_k", "top_p", "typical_p", "repetition_penalty", "length_penalty",
        "no_repeat_ngram_size", "encoder_no_repeat_ngram_size", "bad_words_ids", "num_return_sequences", "max_length",
        "min_length", "max_new_tokens", "early_stopping", "num_beams", "num_beam_groups", "diversity_penalty",
        "begin_suppress_tokens", "suppress_tokens", "forced_bos_token_id", "forced_eos_token_id",
        "remove_invalid_values", "exponential_decay_length_penalty",
        // Only some kinds of rotary scaling use it.
        "original_max_position_embeddings", "rope_scaling.original_max_position_embeddings",
        "rope_parameters.original_max_position_embeddings",
        // A note that the model was trained with the scaling.
        "rope_scaling.finetuned", "rope_parameters.finetuned",
        // Parts that are reported elsewhere when they are left out, or that are read with the whole folder.
        "vision_config", "audio_config", "text_config", "quantization_config", "quantization",
    ]

    /// Keys that change the mathematics, with the values that have no effect. A family that reads one has its own rule;
    /// otherwise any other value is refused.
    static let decisive: [(key: String, neutral: [JSON])] = [
        ("clip_qkv", []), ("use_qk_norm", [false]), ("qk_norm", [false]), ("qk_layernorm", [false]),
        ("query_key_norm", [false]), ("residual_multiplier", [1]), ("embedding_multiplier", [1]),
        ("attention_multiplier", []), ("logits_scaling", [1]), ("logit_scale", [1]), ("scale_emb", [1]),
        ("scale_depth", []), ("dim_model_base", []), ("alibi", [false]), ("use_alibi", [false]),
        ("position_embedding_type", ["absolute", "rope", "rotary"]), ("parallel_attn", [false]),
        ("use_parallel_residual", [false]), ("attn_logit_softcapping", []), ("final_logit_softcapping", []),
        ("scale_attn_weights", [true]), ("scale_attn_by_inverse_layer_idx", [false]),
        ("use_bidirectional_attention", [false]), ("is_encoder_decoder", [false]), ("add_cross_attention", [false]),
        ("is_causal", [true]), ("no_rope_layers", []), ("no_rope_layer_interval", []), ("use_rope", [true]),
        ("partial_rotary_factor", [1]), ("attention_bias", [false]), ("mlp_bias", [false]), ("qkv_bias", [false]),
        ("lm_head_bias", [false]),
        ("attention_out_bias", [false]), ("attn_temperature_tuning", [false]), ("num_local_experts", [0, 1]),
        ("num_experts", [0, 1]), ("n_routed_experts", [0]), ("kv_lora_rank", []), ("q_lora_rank", []),
        ("attention_chunk_size", []), ("norm_after", [false]), ("rope_interleaved", [false]),
        ("apply_residual_connection_post_layernorm", [false]), ("use_cla", [false]),
    ]

    /// Refuses unread keys that change the mathematics.
    /// - Returns: unread keys that may or may not change it, for warnings.
    static func check(
        unread: [(key: String, value: JSON)], of family: Set<String>, file: String
    ) throws(ModelError) -> [(key: String, value: JSON)] {
        var left: [(key: String, value: JSON)] = []
        for (key, value) in unread where !value.isNull && !family.contains(key) {
            if let rule = decisive.first(where: { $0.key == key }) {
                guard rule.neutral.contains(where: { isSame($0, value) }) else {
                    let expected = rule.neutral.map { $0.text() }.joined(separator: " or ")
                    throw .wrongValue(
                        file: file, key: key, found: String(value.text().prefix(60)),
                        expected: (expected.isEmpty ? "it left out" : expected)
                            + ": this family computes nothing else")
                }
                continue
            }
            if !common.contains(key) { left.append((key, value)) }
        }
        return left
    }

    private static func isSame(_ a: JSON, _ b: JSON) -> Bool {
        if let a = a.double, let b = b.double { return a == b }
        return a == b
    }
}
