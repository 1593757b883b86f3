"""The families that make_families.py makes goldens of: the class in transformers, and the arguments of its configuration."""

ids = dict(bos_token_id=1, eos_token_id=2, pad_token_id=0)
S = dict(vocab_size=64, hidden_size=32, num_hidden_layers=2, intermediate_size=40, num_attention_heads=4,
         num_key_value_heads=2, max_position_embeddings=64, **ids)
S4 = dict(S, num_hidden_layers=4)
M = dict(S, num_key_value_heads=4)
N4 = dict({k: v for k, v in S.items() if k != "num_key_value_heads"}, num_hidden_layers=4, local_attention=6,
          cls_token_id=1, sep_token_id=2)
N = {k: v for k, v in S.items() if k != "num_key_value_heads"}
G = dict(vocab_size=64, n_embd=32, n_layer=2, n_head=4, n_positions=64, **ids)


def rope(theta=10000.0, **more): return dict(rope_parameters=dict(rope_type="default", rope_theta=theta, **more))


YARN = dict(rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=16, beta_fast=4.0,
            beta_slow=1.0, mscale=1.0, mscale_all_dim=0.7)
SPARSE = dict(S, num_hidden_layers=3, n_routed_experts=8, n_shared_experts=1, num_experts_per_tok=3,
              moe_intermediate_size=12, first_k_dense_replace=1, routed_scaling_factor=1.5)
LATENT = dict(SPARSE, num_key_value_heads=4, kv_lora_rank=16, q_lora_rank=12, qk_nope_head_dim=8, qk_rope_head_dim=4,
              v_head_dim=8)

MAMBA = dict(vocab_size=64, hidden_size=32, num_hidden_layers=2, expand=2, **ids)
GRANITE4 = dict(S, num_hidden_layers=3, intermediate_size=16, shared_intermediate_size=24, embedding_multiplier=3.0,
                logits_scaling=4.0, residual_multiplier=0.3, attention_multiplier=0.2, mamba_n_heads=8, mamba_n_groups=2,
                mamba_d_state=6, mamba_chunk_size=4, layer_types=["linear_attention", "full_attention", "linear_attention"])
JAMBA = dict(S4, attn_layer_period=3, attn_layer_offset=2, expert_layer_period=2, expert_layer_offset=1, mamba_d_state=5,
             mamba_dt_rank=3)
FALCON_H1 = dict(S, head_dim=12, mamba_d_ssm=48, mamba_n_heads=6, mamba_d_head=8, mamba_n_groups=2, mamba_d_state=6,
                 mamba_chunk_size=4, embedding_multiplier=3.0, lm_head_multiplier=0.25, key_multiplier=0.6,
                 attention_in_multiplier=0.8, attention_out_multiplier=0.9, ssm_in_multiplier=1.25,
                 ssm_out_multiplier=0.7, ssm_multipliers=[0.9, 1.1, 0.8, 1.3, 0.7], mlp_multipliers=[0.6, 0.4],
                 **rope(1e11))
NEXT = dict(S4, head_dim=16, linear_num_key_heads=2, linear_num_value_heads=4, linear_key_head_dim=6,
            linear_value_head_dim=10, layer_types=["linear_attention"] * 3 + ["full_attention"],
            **rope(partial_rotary_factor=0.25))


# name: (configuration class, model class, arguments)
cases = {
    "gpt_neox": ("GPTNeoX", dict(N, **rope(partial_rotary_factor=0.25))),
    "gpt_neox-serial": ("GPTNeoX", dict(N, use_parallel_residual=False, **rope(partial_rotary_factor=0.5))),
    "phi": ("Phi", dict(S, **rope(partial_rotary_factor=0.5))),
    "phi-heads": ("Phi", dict(S, qk_layernorm=True, **rope(partial_rotary_factor=0.5))),
    "stablelm": ("StableLm", dict(S, use_qkv_bias=True, **rope(partial_rotary_factor=0.25))),
    "stablelm-parallel": ("StableLm", dict(S, use_parallel_residual=True, **rope(partial_rotary_factor=0.25))),
    "stablelm-heads": ("StableLm", dict(S, qk_layernorm=True, use_parallel_residual=True,
                                        **rope(partial_rotary_factor=0.25))),
    "opt": ("OPT", dict(vocab_size=64, hidden_size=32, num_hidden_layers=2, ffn_dim=40, num_attention_heads=4,
                        max_position_embeddings=64, bos_token_id=2, eos_token_id=2, pad_token_id=1)),
    # Norms behind, no final one, and embeddings of half the width.
    "opt-350m": ("OPT", dict(vocab_size=64, hidden_size=32, num_hidden_layers=2, ffn_dim=40, num_attention_heads=4,
                             max_position_embeddings=64, bos_token_id=2, eos_token_id=2, pad_token_id=1,
                             do_layer_norm_before=False, word_embed_proj_dim=16)),
    "opt-plain": ("OPT", dict(vocab_size=64, hidden_size=32, num_hidden_layers=2, ffn_dim=40, num_attention_heads=4,
                              max_position_embeddings=64, bos_token_id=2, eos_token_id=2, pad_token_id=1,
                              layer_norm_elementwise_affine=False, _remove_final_layer_norm=True)),
    "gptj": ("GPTJ", dict(G, rotary_dim=4)),
    "codegen": ("CodeGen", dict(G, n_head=8, rotary_dim=2)),
    "gpt_neo": ("GPTNeo", dict(vocab_size=64, hidden_size=32, num_layers=2, num_heads=4, max_position_embeddings=64,
                               attention_types=[[["global", "local"], 1]], window_size=5, **ids)),
    "falcon": ("Falcon", dict(vocab_size=64, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, **ids)),
    "falcon-new": ("Falcon", dict(vocab_size=64, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
                                  num_kv_heads=2, new_decoder_architecture=True, **ids)),
    "falcon-alibi": ("Falcon", dict(vocab_size=64, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
                                    multi_query=False, parallel_attn=False, bias=True, alibi=True, **ids)),
    "bloom": ("Bloom", dict(vocab_size=64, hidden_size=48, n_layer=2, n_head=6, **ids)),
    "mpt": ("Mpt", dict(vocab_size=64, d_model=32, n_layers=2, n_heads=4, max_seq_len=64, **ids)),
    "mpt-clip": ("Mpt", dict(vocab_size=64, d_model=32, n_layers=2, n_heads=4, max_seq_len=64,
                             attn_config=dict(clip_qkv=0.5, softmax_scale=0.3), **ids)),
    "starcoder2": ("Starcoder2", dict(S, sliding_window=5)),
    "gpt_bigcode": ("GPTBigCode", dict(G)),
    "gpt_bigcode-heads": ("GPTBigCode", dict(G, multi_query=False)),
    "gemma": ("Gemma", dict(S, head_dim=16)),
    "olmo": ("Olmo", dict(S, clip_qkv=1.5)),
    "cohere": ("Cohere", dict(S)),
    "cohere-heads": ("Cohere", dict(S, use_qk_norm=True)),
    "cohere2": ("Cohere2", dict(S4, sliding_window=5)),
    "granite": ("Granite", dict(S, embedding_multiplier=3.0, logits_scaling=4.0, residual_multiplier=0.3,
                                attention_multiplier=0.2)),
    "xglm": ("XGLM", dict(vocab_size=64, d_model=32, num_layers=2, ffn_dim=40, attention_heads=4,
                          max_position_embeddings=64, **ids)),
    "openai-gpt": ("OpenAIGPT", dict(G)),
    "biogpt": ("BioGpt", dict(N)),
    "dbrx": ("Dbrx", dict(vocab_size=64, d_model=32, n_heads=4, n_layers=2, max_seq_len=64,
                          attn_config=dict(kv_n_heads=2, clip_qkv=0.5, rope_theta=20000.0),
                          ffn_config=dict(ffn_hidden_size=16, moe_num_experts=4, moe_top_k=2),
                          rope_parameters=dict(rope_type="default", rope_theta=20000.0), **ids)),
    "dbrx-plain": ("Dbrx", dict(vocab_size=64, d_model=32, n_heads=4, n_layers=2, max_seq_len=64,
                                attn_config=dict(kv_n_heads=4, clip_qkv=8.0, rope_theta=10000.0),
                                ffn_config=dict(ffn_hidden_size=16, moe_num_experts=6, moe_top_k=3,
                                                moe_normalize_expert_weights=None), **ids)),
    "minicpm3": ("MiniCPM3", dict(M, kv_lora_rank=16, q_lora_rank=12, qk_nope_head_dim=8, qk_rope_head_dim=4,
                                  dim_model_base=8, rope_parameters=dict(
                                      rope_type="longrope", rope_theta=10000.0, long_factor=[1.5, 3.0],
                                      short_factor=[1.1, 1.3], original_max_position_embeddings=64, factor=1.0))),
    # With the factors that readers of GGUF files know.
    "minicpm3-files": ("MiniCPM3", dict(M, kv_lora_rank=16, q_lora_rank=12, qk_nope_head_dim=8, qk_rope_head_dim=4,
                                        dim_model_base=256, rope_parameters=dict(
                                            rope_type="longrope", rope_theta=10000.0, long_factor=[1.5, 3.0],
                                            short_factor=[1.1, 1.3], original_max_position_embeddings=64, factor=1.0))),
    "smollm3": ("SmolLM3", dict(S4, no_rope_layer_interval=2)),
    "glm4": ("Glm4", dict(S, head_dim=8, **rope(partial_rotary_factor=0.5))),
    "glm": ("Glm", dict(S, head_dim=8, **rope(partial_rotary_factor=0.5))),
    "exaone4": ("Exaone4", dict(S4, sliding_window=5, sliding_window_pattern=4)),
    "exaone4-full": ("Exaone4", dict(S, sliding_window=None, layer_types=["full_attention"] * 2)),
    "nemotron": ("Nemotron", dict(S, **rope(partial_rotary_factor=0.5))),
    "arcee": ("Arcee", dict(S)),
    "helium": ("Helium", dict(S, head_dim=8)),
    "hunyuan_v1_dense": ("HunYuanDenseV1", dict(S, head_dim=8)),
    "hunyuan_v1_dense-alpha": ("HunYuanDenseV1", dict(S, head_dim=8, rope_parameters=dict(
        rope_type="dynamic", rope_theta=10000.0, alpha=1000.0, factor=1.0))),
    "ernie4_5": ("Ernie4_5", dict(S, head_dim=8)),
    "qwen3_moe": ("Qwen3Moe", dict(S, num_hidden_layers=3, head_dim=8, moe_intermediate_size=16, num_experts=4,
                                   num_experts_per_tok=2, norm_topk_prob=True, mlp_only_layers=[1])),
    # Windows in all layers.
    "qwen3_moe-window": ("Qwen3Moe", dict(S, head_dim=8, intermediate_size=16, moe_intermediate_size=16, num_experts=4,
                                          num_experts_per_tok=2, norm_topk_prob=True, use_sliding_window=True,
                                          sliding_window=5)),
    "olmoe": ("Olmoe", dict(M, intermediate_size=16, num_experts=4, num_experts_per_tok=2)),
    "olmoe-clip": ("Olmoe", dict(S, intermediate_size=16, num_experts=4, num_experts_per_tok=2, clip_qkv=0.5)),
    "olmo3": ("Olmo3", dict(S4, sliding_window=5)),
    "deepseek_v2": ("DeepseekV2", dict(LATENT, n_shared_experts=2, topk_method="group_limited_greedy", n_group=4,
                                       topk_group=2, routed_scaling_factor=2.0)),
    "deepseek_v2-lite": ("DeepseekV2", dict(LATENT, q_lora_rank=None, topk_method="greedy", v_head_dim=6,
                                            rope_parameters=YARN)),
    "deepseek_v3": ("DeepseekV3", dict(LATENT, n_group=4, topk_group=2, attention_bias=True, rope_parameters=YARN)),
    "deepseek_v3-half": ("DeepseekV3", dict(LATENT, n_group=1, topk_group=1, norm_topk_prob=False,
                                            rope_interleave=False)),
    "deepseek_v3-plain": ("DeepseekV3", dict(LATENT, n_group=4, topk_group=2,
                                             rope_parameters=dict(YARN, mscale_all_dim=1.0))),
    "glm4_moe": ("Glm4Moe", dict(SPARSE, n_group=2, topk_group=1, num_experts_per_tok=2, use_qk_norm=True,
                                 attention_bias=True, head_dim=8, **rope(partial_rotary_factor=0.5))),
    "glm4_moe_lite": ("Glm4MoeLite", dict(LATENT, n_group=1, topk_group=1)),
    "dots1": ("Dots1", dict(SPARSE, n_group=1, topk_group=1, norm_topk_prob=True, head_dim=8)),
    "gpt_oss": ("GptOss", dict(S, head_dim=8, sliding_window=5, num_local_experts=4, num_experts_per_tok=2,
                               intermediate_size=24, rope_parameters=dict(
                                   rope_type="yarn", rope_theta=10000.0, factor=4.0, beta_fast=4.0, beta_slow=1.0,
                                   truncate=False, original_max_position_embeddings=16))),
    "qwen2_moe": ("Qwen2Moe", dict(S, num_hidden_layers=3, moe_intermediate_size=16,
                                   shared_expert_intermediate_size=24, num_experts=4, num_experts_per_tok=2,
                                   mlp_only_layers=[1])),
    # Windows in the even ones of the first layers.
    "qwen2_moe-window": ("Qwen2Moe", dict(S4, intermediate_size=16, moe_intermediate_size=16,
                                          shared_expert_intermediate_size=24, num_experts=4, num_experts_per_tok=2,
                                          use_sliding_window=True, sliding_window=5, max_window_layers=2)),
    "apertus": ("Apertus", dict(S, **rope())),
    "qwen2_moe-all": ("Qwen2Moe", dict(S, intermediate_size=16, moe_intermediate_size=16,
                                       shared_expert_intermediate_size=24, num_experts=4, num_experts_per_tok=2)),
    "qwen3_moe-all": ("Qwen3Moe", dict(S, head_dim=8, intermediate_size=16, moe_intermediate_size=16, num_experts=4,
                                       num_experts_per_tok=2, norm_topk_prob=True)),
    "starcoder2-full": ("Starcoder2", dict(S, sliding_window=None)),
    "seed_oss-bias": ("SeedOss", dict(S, head_dim=8, attention_out_bias=True)),
    "seed_oss": ("SeedOss", dict(S, head_dim=8)),
    "granitemoe": ("GraniteMoe", dict(S, intermediate_size=16, num_local_experts=4, num_experts_per_tok=2,
                                      embedding_multiplier=3.0, logits_scaling=4.0, residual_multiplier=0.3,
                                      attention_multiplier=0.2)),
    "granitemoeshared": ("GraniteMoeShared", dict(S, intermediate_size=16, num_local_experts=4, num_experts_per_tok=2,
                                                  shared_intermediate_size=24)),
    "phimoe": ("Phimoe", dict(S, intermediate_size=16, num_local_experts=4, num_experts_per_tok=2,
                              router_jitter_noise=0.3, attention_bias=True, **rope())),
    "lfm2": ("Lfm2", dict(S4, intermediate_size=60, block_multiple_of=8, layer_types=["conv", "conv", "full_attention", "conv"],
                          **rope(1e6))),
    "lfm2-bias": ("Lfm2", dict(S, intermediate_size=40, block_auto_adjust_ff_dim=False, conv_bias=True, conv_L_cache=4,
                               tie_word_embeddings=False, layer_types=["conv", "full_attention"], **rope())),
    "mamba": ("Mamba", dict(MAMBA, time_step_rank=3, state_size=5)),
    "mamba-bias": ("Mamba", dict(MAMBA, use_bias=True, use_conv_bias=False, state_size=4, conv_kernel=3,
                                 tie_word_embeddings=False)),
    "mamba2": ("Mamba2", dict(MAMBA, num_heads=8, head_dim=8, n_groups=2, state_size=6, chunk_size=4)),
    "mamba2-limits": ("Mamba2", dict(MAMBA, num_heads=4, head_dim=16, n_groups=1, state_size=6, chunk_size=4,
                                     time_step_limit=(0.6, 0.8), use_bias=True, tie_word_embeddings=True)),
    "granitemoehybrid": ("GraniteMoeHybrid", dict(GRANITE4, num_local_experts=4, num_experts_per_tok=2)),
    "granitemoehybrid-dense": ("GraniteMoeHybrid", dict(GRANITE4, num_local_experts=0, num_experts_per_tok=0,
                                                        position_embedding_type="rope", mamba_n_groups=1, **rope())),
    "falcon_mamba": ("FalconMamba", dict(MAMBA, time_step_rank=3, state_size=5, mixer_rms_eps=1e-3)),
    "falcon_mamba-bias": ("FalconMamba", dict(MAMBA, use_bias=True, use_conv_bias=False, state_size=4,
                                              tie_word_embeddings=False)),
    "jamba": ("Jamba", dict(JAMBA, num_experts=4, num_experts_per_tok=2)),
    "jamba-dense": ("Jamba", dict(JAMBA, num_experts=1, num_experts_per_tok=1, mamba_proj_bias=True,
                                  mamba_conv_bias=False, mamba_expand=3, tie_word_embeddings=True)),
    "bamba": ("Bamba", dict(S, num_hidden_layers=3, attn_layer_indices=[1], mamba_n_heads=8, mamba_n_groups=2,
                            mamba_d_state=6, mamba_chunk_size=4)),
    "bamba-bias": ("Bamba", dict(S, attn_layer_indices=[0], mamba_n_heads=4, mamba_n_groups=1, mamba_d_state=5,
                                 mamba_chunk_size=4, mamba_proj_bias=True, mamba_conv_bias=False, mlp_bias=True,
                                 attention_bias=True, tie_word_embeddings=True)),
    "falcon_h1": ("FalconH1", dict(FALCON_H1)),
    # The norm before the gate, and behind it with factors that are all 1, as GGUF files have them.
    "falcon_h1-norm": ("FalconH1", dict(FALCON_H1, mamba_rms_norm=True, mamba_norm_before_gate=True,
                                        mamba_proj_bias=True, projectors_bias=True, mlp_bias=True)),
    "falcon_h1-plain": ("FalconH1", dict(S, head_dim=8, mamba_d_ssm=None, mamba_expand=2, mamba_n_heads=8,
                                         mamba_d_state=6, mamba_chunk_size=4, mamba_rms_norm=True,
                                         mamba_norm_before_gate=False, tie_word_embeddings=True, **rope())),
    "bitnet": ("BitNet", dict(S, **rope(500000.0))),
    # Ternary weights and inputs of eight bits; FamilyTableTests has a test of its own for it.
    "../bitnet-online": ("BitNet", dict(S, quantization_config=dict(
        quant_method="bitnet", linear_class="autobitlinear", quantization_mode="online",
        modules_to_not_convert=["lm_head"]), **rope(500000.0))),
    "qwen3_next": ("Qwen3Next", dict(NEXT, moe_intermediate_size=16, shared_expert_intermediate_size=24, num_experts=6,
                                     num_experts_per_tok=2, norm_topk_prob=True, linear_value_head_dim=6)),
    "qwen3_next-sparse": ("Qwen3Next", dict(NEXT, num_hidden_layers=2, moe_intermediate_size=16, num_experts=4,
                                            shared_expert_intermediate_size=24, num_experts_per_tok=2,
                                            mlp_only_layers=[1], attention_bias=True, linear_num_key_heads=4,
                                            layer_types=["full_attention", "linear_attention"])),
    "qwen3_5_text": ("Qwen3_5Text", dict(NEXT)),
    "qwen3_5_moe_text": ("Qwen3_5MoeText", dict(NEXT, moe_intermediate_size=16, shared_expert_intermediate_size=24,
                                                num_experts=4, num_experts_per_tok=2)),
    "lfm2_moe": ("Lfm2Moe", dict(S4, intermediate_size=60, moe_intermediate_size=16, num_experts=4,
                                 num_experts_per_tok=2, num_dense_layers=1, routed_scaling_factor=1.5,
                                 layer_types=["conv", "full_attention", "conv", "full_attention"], **rope())),
    "ernie4_5_moe": ("Ernie4_5_Moe", dict(S, head_dim=8, moe_intermediate_size=16, moe_num_experts=4, moe_k=2,
                                          moe_num_shared_experts=1, num_hidden_layers=3, moe_layer_start_index=1)),
    "llama4": ("Llama4Text", dict(S4, head_dim=8, intermediate_size=16, intermediate_size_mlp=40, num_local_experts=4,
                                  interleave_moe_layer_step=2, no_rope_layer_interval=2, attention_chunk_size=5,
                                  floor_scale=4, attn_scale=0.3)),
    "llama4-plain": ("Llama4Text", dict(S4, head_dim=8, intermediate_size=16, intermediate_size_mlp=40,
                                        num_local_experts=4)),
    "mllama": ("MllamaText", dict(S4, cross_attention_layers=[1, 3], head_dim=8)),
    "gemma3n": ("Gemma3nText", dict(S, num_hidden_layers=5, head_dim=8, intermediate_size=[40, 40, 24, 40, 40],
                                    layer_types=["sliding_attention", "full_attention"] * 2 + ["full_attention"],
                                    sliding_window=5, vocab_size_per_layer_input=60, hidden_size_per_layer_input=6,
                                    altup_num_inputs=3, altup_active_idx=1, num_kv_shared_layers=2, laurel_rank=4,
                                    activation_sparsity_pattern=[0.75, 0.5, 0.0, 0.0, 0.0])),
    "gemma4": ("Gemma4Text", dict(S, num_hidden_layers=6, head_dim=8, global_head_dim=16, intermediate_size=24,
                                  layer_types=["sliding_attention", "full_attention"] * 3, sliding_window=5,
                                  vocab_size_per_layer_input=64, hidden_size_per_layer_input=6,
                                  num_kv_shared_layers=2, use_double_wide_mlp=True)),
    "gemma4-values": ("Gemma4Text", dict(S, num_hidden_layers=4, head_dim=8, global_head_dim=16,
                                         layer_types=["sliding_attention", "full_attention"] * 2, sliding_window=5,
                                         hidden_size_per_layer_input=0, attention_k_eq_v=True,
                                         num_global_key_value_heads=1, final_logit_softcapping=20.0)),
    # As converters to GGUF take them: two layers lend keys, and they are the last ones that have some.
    "gemma3n-files": ("Gemma3nText", dict(S, num_hidden_layers=6, head_dim=8, intermediate_size=40,
                                          layer_types=["sliding_attention", "full_attention"] * 3, sliding_window=5,
                                          vocab_size_per_layer_input=60, hidden_size_per_layer_input=6,
                                          num_kv_shared_layers=2, laurel_rank=4,
                                          activation_sparsity_pattern=[0.95, 0.5, 0.0, 0.0, 0.0, 0.0])),
    # Heads of their own in the layers with a window.
    "gemma4-windowed": ("Gemma4Text", dict(S, num_hidden_layers=4, head_dim=16, intermediate_size=24,
                                           layer_types=["sliding_attention", "full_attention"] * 2, sliding_window=5,
                                           hidden_size_per_layer_input=0, per_layer_config={
                                               i: dict(head_dim=8, num_key_value_heads=4) for i in (0, 2)})),
    "gemma4-experts": ("Gemma4Text", dict(S, num_hidden_layers=4, head_dim=8, global_head_dim=16, intermediate_size=24,
                                          layer_types=["sliding_attention", "full_attention"] * 2, sliding_window=5,
                                          hidden_size_per_layer_input=0, attention_k_eq_v=True,
                                          num_global_key_value_heads=1, enable_moe_block=True, num_experts=6,
                                          top_k_experts=2, moe_intermediate_size=12)),
    "gemma4-experts-all": ("Gemma4Text", dict(S, num_hidden_layers=6, head_dim=8, global_head_dim=16,
                                              intermediate_size=16, num_kv_shared_layers=2, use_double_wide_mlp=True,
                                              layer_types=["sliding_attention", "full_attention"] * 3, sliding_window=5,
                                              vocab_size_per_layer_input=64, hidden_size_per_layer_input=6,
                                              enable_moe_block=True, num_experts=4, top_k_experts=3,
                                              moe_intermediate_size=8)),
}
encoders = {
    "roberta": ("Roberta", dict(N, type_vocab_size=1, pad_token_id=1)),
    "xlm-roberta": ("XLMRoberta", dict(N, type_vocab_size=1, pad_token_id=1)),
    "camembert": ("Camembert", dict(N, type_vocab_size=1, pad_token_id=1)),
    "distilbert": ("DistilBert", dict(vocab_size=64, dim=32, n_layers=2, n_heads=4, hidden_dim=40,
                                      max_position_embeddings=64, pad_token_id=0)),
    "electra": ("Electra", dict(N, embedding_size=32)),
    "electra-factored": ("Electra", dict(N, embedding_size=16)),
    "albert": ("Albert", dict(N, embedding_size=16)),
    "nomic_bert": ("NomicBert", dict(N)),
    "eurobert": ("EuroBert", dict(S)),
    "eurobert-bias": ("EuroBert", dict(S, head_dim=12, attention_bias=True, mlp_bias=True, **rope(250000.0))),
}

T5 = dict(vocab_size=64, d_model=32, d_kv=6, d_ff=40, num_layers=2, num_heads=4, relative_attention_num_buckets=8,
          relative_attention_max_distance=12, eos_token_id=1, pad_token_id=0, decoder_start_token_id=0)
BART = dict(vocab_size=64, d_model=32, encoder_layers=2, decoder_layers=2, encoder_ffn_dim=40, decoder_ffn_dim=24,
            encoder_attention_heads=4, decoder_attention_heads=4, max_position_embeddings=64, **ids)
encoder_decoders = {
    "t5": ("T5", dict(T5)),
    "t5-gated": ("T5", dict(T5, feed_forward_proj="gated-gelu", tie_word_embeddings=False)),
    "mt5": ("MT5", dict(T5, feed_forward_proj="gated-gelu", tie_word_embeddings=False)),
    "umt5": ("UMT5", dict(T5, feed_forward_proj="gated-gelu", tie_word_embeddings=False)),
    "bart": ("Bart", dict(BART, decoder_start_token_id=2, forced_eos_token_id=2, forced_bos_token_id=1)),
    "mbart": ("MBart", dict(BART, decoder_start_token_id=2, forced_eos_token_id=2, scale_embedding=True)),
    "pegasus": ("Pegasus", dict(BART, bos_token_id=None, eos_token_id=1, decoder_start_token_id=0, forced_eos_token_id=1,
                                scale_embedding=True, activation_function="relu")),
    "marian": ("Marian", dict(BART, bos_token_id=None, eos_token_id=0, pad_token_id=63, decoder_start_token_id=63,
                              forced_eos_token_id=0, scale_embedding=True, activation_function="swish")),
    "blenderbot": ("Blenderbot", dict(BART, decoder_start_token_id=1, forced_eos_token_id=2, scale_embedding=True)),
    "blenderbot-small": ("BlenderbotSmall", dict(BART, decoder_start_token_id=1, forced_eos_token_id=2,
                                                 scale_embedding=True)),
    "m2m_100": ("M2M100", dict(BART, eos_token_id=2, pad_token_id=1, decoder_start_token_id=2, bos_token_id=0)),
}

labels3 = dict(num_labels=3)
heads = {
    "bert-tokens": ("Bert", "TokenClassification", dict(N, **labels3)),
    "bert-answers": ("Bert", "QuestionAnswering", dict(N)),
    "roberta-classes": ("Roberta", "SequenceClassification", dict(N, type_vocab_size=1, pad_token_id=1, **labels3)),
    "distilbert-classes": ("DistilBert", "SequenceClassification", dict(vocab_size=64, dim=32, n_layers=2, n_heads=4,
                           hidden_dim=40, max_position_embeddings=64, pad_token_id=0, **labels3)),
    "electra-classes": ("Electra", "SequenceClassification", dict(N, embedding_size=16, **labels3)),
    "albert-classes": ("Albert", "SequenceClassification", dict(N, embedding_size=16, **labels3)),
    "mpnet-classes": ("MPNet", "SequenceClassification", dict(N, pad_token_id=1, **labels3)),
    "mpnet-tokens": ("MPNet", "TokenClassification", dict(N, pad_token_id=1, **labels3)),
    "modernbert-classes": ("ModernBert", "SequenceClassification", dict(N4, classifier_pooling="mean", **labels3)),
    "modernbert-silu": ("ModernBert", "SequenceClassification", dict(N4, classifier_activation="silu", **labels3)),
    "modernbert-tokens": ("ModernBert", "TokenClassification", dict(N4, **labels3)),
}
D = dict(N, relative_attention=True, share_att_key=True, pos_att_type=["p2c", "c2p"], norm_rel_ebd="layer_norm",
         position_buckets=8, max_relative_positions=-1, position_biased_input=False, type_vocab_size=0)
D1 = dict(N, relative_attention=True, pos_att_type=["c2p", "p2c"], max_relative_positions=-1,
          position_biased_input=False, type_vocab_size=0)
encoders.update({
    "deberta-v2": ("DebertaV2", dict(D)),
    # Projections of their own for positions, one term, a row for each distance, and learned positions beside them.
    "deberta-v2-c2p": ("DebertaV2", dict(D, share_att_key=False, pos_att_type=["c2p"], norm_rel_ebd="none",
                                         position_buckets=-1, max_relative_positions=6, position_biased_input=True,
                                         type_vocab_size=2)),
    # The convolution of the xlarge models; and one of groups with tanh.
    "deberta-v2-conv": ("DebertaV2", dict(D, conv_kernel_size=3, conv_act="gelu")),
    "deberta-v2-conv5": ("DebertaV2", dict(D, conv_kernel_size=5, conv_groups=4)),
    "deberta-v2-p2c": ("DebertaV2", dict(D, share_att_key=False, pos_att_type=["p2c"])),
    "deberta": ("Deberta", dict(D1)),
    # One term, and positions beside the distances, which are fewer than a text has.
    "deberta-p2c": ("Deberta", dict(D1, pos_att_type=["p2c"], max_relative_positions=6, position_biased_input=True,
                                    type_vocab_size=2)),
    "ernie": ("Ernie", dict(N, use_task_id=True)),
    "ernie-plain": ("Ernie", dict(N)),
    "roformer": ("RoFormer", dict(N, embedding_size=16)),
    "megatron-bert": ("MegatronBert", dict(N)),
    "data2vec-text": ("Data2VecText", dict(N, type_vocab_size=1, pad_token_id=1)),
    # Windows that are narrower than the text.
    "longformer": ("Longformer", dict(N, type_vocab_size=1, pad_token_id=1, attention_window=[8, 4])),
    "roberta-prelayernorm": ("RobertaPreLayerNorm", dict(N, type_vocab_size=1, pad_token_id=1)),
    "xlm-roberta-xl": ("XLMRobertaXL", dict(N, type_vocab_size=1, pad_token_id=1)),
    "gte": ("Gte", dict(N, type_vocab_size=2)),
    "gte-base": ("Gte", dict(N, type_vocab_size=0)),
    "jina_embeddings_v3": ("JinaEmbeddingsV3", dict(N, type_vocab_size=1, pad_token_id=1)),
})
heads.update({
    "deberta-classes": ("DebertaV2", "SequenceClassification", dict(D, **labels3)),
    "deberta-tokens": ("DebertaV2", "TokenClassification", dict(D, **labels3)),
    "gte-classes": ("Gte", "SequenceClassification", dict(N, **labels3)),
    "gte-tokens": ("Gte", "TokenClassification", dict(N, **labels3)),
    "jina-classes": ("JinaEmbeddingsV3", "SequenceClassification", dict(N, type_vocab_size=1, pad_token_id=1, **labels3)),
    "nomic-classes": ("NomicBert", "SequenceClassification", dict(N, hidden_act="silu", **labels3)),
    "nomic-tokens": ("NomicBert", "TokenClassification", dict(N, hidden_act="silu", **labels3)),
    "nomic-masked": ("NomicBert", "MaskedLM", dict(N, hidden_act="silu")),
    "roberta-masked": ("Roberta", "MaskedLM", dict(N, type_vocab_size=1, pad_token_id=1)),
    "distilbert-masked": ("DistilBert", "MaskedLM", dict(vocab_size=64, dim=32, n_layers=2, n_heads=4, hidden_dim=40,
                                                         max_position_embeddings=64, pad_token_id=0)),
    "electra-masked": ("Electra", "MaskedLM", dict(N, embedding_size=16)),
    "albert-masked": ("Albert", "MaskedLM", dict(N, embedding_size=16)),
    "mpnet-masked": ("MPNet", "MaskedLM", dict(N, pad_token_id=1)),
    "modernbert-masked": ("ModernBert", "MaskedLM", dict(N4)),
    "modernbert-masked-silu": ("ModernBert", "MaskedLM", dict(N4, classifier_activation="silu")),
    "deberta-v1-classes": ("Deberta", "SequenceClassification", dict(D1, **labels3)),
    "deberta-v1-masked": ("Deberta", "MaskedLM", dict(D1)),
    "ernie-tokens": ("Ernie", "TokenClassification", dict(N, use_task_id=True, **labels3)),
    "ernie-masked": ("Ernie", "MaskedLM", dict(N, use_task_id=True)),
    "roformer-classes": ("RoFormer", "SequenceClassification", dict(N, embedding_size=16, **labels3)),
    "roformer-masked": ("RoFormer", "MaskedLM", dict(N, embedding_size=16)),
    "megatron-classes": ("MegatronBert", "SequenceClassification", dict(N, **labels3)),
    "megatron-masked": ("MegatronBert", "MaskedLM", dict(N)),
    "data2vec-classes": ("Data2VecText", "SequenceClassification", dict(N, type_vocab_size=1, pad_token_id=1, **labels3)),
    "longformer-masked": ("Longformer", "MaskedLM", dict(N, type_vocab_size=1, pad_token_id=1, attention_window=[4, 4])),
    "longformer-tokens": ("Longformer", "TokenClassification", dict(N, type_vocab_size=1, pad_token_id=1,
                                                                    attention_window=[4, 8], **labels3)),
    "prelayernorm-masked": ("RobertaPreLayerNorm", "MaskedLM", dict(N, type_vocab_size=1, pad_token_id=1)),
    "xlm-roberta-xl-classes": ("XLMRobertaXL", "SequenceClassification", dict(N, type_vocab_size=1, pad_token_id=1,
                                                                             **labels3)),
    "deberta-masked": ("DebertaV2", "MaskedLM", dict(D)),
    "deberta-masked-conv": ("DebertaV2", "MaskedLM", dict(D, conv_kernel_size=3, conv_act="gelu")),
    "deberta-masked-v3": ("DebertaV2", "MaskedLM", dict(D, share_att_key=False, legacy=False)),
    "gte-masked": ("Gte", "MaskedLM", dict(N)),
    "eurobert-masked": ("EuroBert", "MaskedLM", dict(S)),
    "eurobert-classes": ("EuroBert", "SequenceClassification", dict(S, **labels3)),
    "eurobert-mean": ("EuroBert", "SequenceClassification", dict(S, classifier_pooling="mean", **labels3)),
    "eurobert-first": ("EuroBert", "SequenceClassification", dict(S, classifier_pooling="bos", **labels3)),
    "eurobert-tokens": ("EuroBert", "TokenClassification", dict(S, **labels3)),
    "jina-masked": ("JinaEmbeddingsV3", "MaskedLM", dict(N, type_vocab_size=1, pad_token_id=1)),
})
encoders["gemma3-bidirectional"] = ("Gemma3Text", dict(S, head_dim=8, sliding_window=6, use_bidirectional_attention=True,
                                    layer_types=["sliding_attention", "full_attention"]))
encoders["qwen2-bidirectional"] = ("Qwen2", dict(S, is_causal=False))
encoders["mpnet"] = ("MPNet", dict(N, pad_token_id=1))
encoders["modernbert"] = ("ModernBert", dict(N4))
for name, (kind, head, arguments) in heads.items(): encoders[name] = (kind, arguments)

# Classifiers of texts on decoders and encoder-decoders: (class, arguments, the last tokens of the text). What is classified
# is the last token that is not padding, or the end token.
decoder_heads = {
    "llama-classes": ("Llama", dict(S, **labels3), [0, 0]),
    "qwen3-classes": ("Qwen3", dict(S, head_dim=8, tie_word_embeddings=True, problem_type="multi_label_classification",
                                    **labels3), []),
    "gpt2-classes": ("GPT2", dict(G, **labels3), []),
    "bart-classes": ("Bart", dict(BART, **labels3), [2, 9, 2]),
    "mbart-classes": ("MBart", dict(BART, scale_embedding=True, **labels3), [2, 9]),
    "t5-classes": ("T5", dict(T5, **labels3), [1]),
}

# Families that transformers has no code for. Each is a family that it has under other names: the golden is made with that
# one. name: (class, arguments, config.json as published, name of a tensor as published)
INTERN = {"model.embed_tokens": "model.tok_embeddings", "lm_head": "output", "input_layernorm": "attention_norm",
          "post_attention_layernorm": "ffn_norm", "self_attn.o_proj": "attention.wo",
          "mlp.gate_proj": "feed_forward.w1", "mlp.up_proj": "feed_forward.w3", "mlp.down_proj": "feed_forward.w2"}
EXAONE = {"model.embed_tokens": "transformer.wte", "model.norm": "transformer.ln_f", "model.layers": "transformer.h",
          "input_layernorm": "ln_1", "post_attention_layernorm": "ln_2", "self_attn.o_proj": "self_attn.out_proj",
          "self_attn": "attn.attention", "mlp.gate_proj": "mlp.c_fc_0", "mlp.up_proj": "mlp.c_fc_1",
          "mlp.down_proj": "mlp.c_proj"}
renamed = {
    "internlm2": ("Llama", dict(S), dict(model_type="internlm2", bias=False), INTERN),
    "internlm3": ("Llama", dict(S, head_dim=8, attention_bias=True, mlp_bias=True),
                  dict(model_type="internlm3", attention_bias=True, mlp_bias=True), {}),
    "exaone": ("Llama", dict(S, head_dim=8, rope_parameters=dict(
        rope_type="llama3", rope_theta=10000.0, factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
        original_max_position_embeddings=16)), dict(
            model_type="exaone", num_layers=2, layer_norm_epsilon=1e-6, activation_function="silu", embed_dropout=0.0,
            architectures=["ExaoneForCausalLM"]), EXAONE),
    "minicpm": ("Granite", dict(S, embedding_multiplier=12.0, logits_scaling=4.0, residual_multiplier=1.4 / 2**0.5,
                                attention_multiplier=8**-0.5),
                dict(model_type="minicpm", scale_emb=12, dim_model_base=8, scale_depth=1.4), {}),
    "baichuan": ("Llama", dict(M), dict(model_type="baichuan", z_loss_weight=0, model_max_length=64), {}),
    "baichuan-alibi": ("Llama", dict(M, num_attention_heads=4), dict(
        model_type="baichuan", z_loss_weight=0, model_max_length=64, max_position_embeddings=None), {}),
    "qwen3_vl_moe_text": ("Qwen3Moe", dict(S, head_dim=8, moe_intermediate_size=16, num_experts=4, num_experts_per_tok=2,
                                           norm_topk_prob=True), dict(model_type="qwen3_vl_moe_text"), {}),
}
for name, (kind, arguments, _, _) in renamed.items(): cases[name] = (kind, arguments)
# Models of one kind of text, by the name of their configuration.
texts = {"Llama4Text": "Llama4ForCausalLM", "MllamaText": "MllamaForCausalLM", "Gemma3nText": "Gemma3nForCausalLM",
         "Gemma4Text": "Gemma4ForCausalLM", "Qwen3_5Text": "Qwen3_5ForCausalLM",
         "Qwen3_5MoeText": "Qwen3_5MoeForCausalLM"}
