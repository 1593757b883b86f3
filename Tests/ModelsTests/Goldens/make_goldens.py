"""Makes the small random checkpoints and their logits that the family tests compare with.

    python make_goldens.py            # needs torch, transformers, safetensors

For every family: config.json, model.safetensors (weights rounded to bf16 values and stored as BF16) and
expected.safetensors (ids and the fp32 logits that transformers computes from them with eager attention).
For some, inspection.safetensors: attention [layers, heads, tokens, tokens], the residual stream before every layer
[layers, tokens, hidden], and the logits with head 1 of layer 0 switched off (its columns of the output projection zero).
"""
import json, os, shutil, sys
import torch
from safetensors.torch import save_file
from transformers import (BertConfig, BertModel, Gemma2Config, Gemma2ForCausalLM, Gemma3TextConfig, Gemma3ForCausalLM,
                          GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, MistralConfig,
                          MistralForCausalLM, MixtralConfig, MixtralForCausalLM, Phi3Config, Phi3ForCausalLM,
                          Qwen2Config, Qwen2ForCausalLM, Qwen3Config, Qwen3ForCausalLM)

here = os.path.dirname(os.path.abspath(__file__))
V, H, L, FF, A, KV, P = 96, 32, 2, 48, 4, 2, 64
small = dict(vocab_size=V, hidden_size=H, num_hidden_layers=L, intermediate_size=FF, num_attention_heads=A,
             num_key_value_heads=KV, max_position_embeddings=P, initializer_range=0.35, bos_token_id=1, eos_token_id=2,
             pad_token_id=0)


def rope(kind, **more):
    return {**small, "rope_parameters": {"rope_type": kind, "rope_theta": 10000.0, **more}}


half = [1.0 + 0.1 * i for i in range(H // A // 2)]
long = [2.0 + 0.5 * i for i in range(H // A // 2)]
cases = {
    "llama": (LlamaForCausalLM, LlamaConfig(**small, tie_word_embeddings=False), 24),
    "llama-tied-bias": (LlamaForCausalLM, LlamaConfig(**small, tie_word_embeddings=True, attention_bias=True, mlp_bias=True), 24),
    "llama-linear": (LlamaForCausalLM, LlamaConfig(**rope("linear", factor=2.0)), 24),
    "llama-dynamic": (LlamaForCausalLM, LlamaConfig(**{**rope("dynamic", factor=2.0), "max_position_embeddings": 16}), 24),
    "llama-yarn": (LlamaForCausalLM, LlamaConfig(**rope("yarn", factor=4.0, original_max_position_embeddings=16)), 24),
    "llama3": (LlamaForCausalLM, LlamaConfig(**rope("llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                                                    original_max_position_embeddings=16)), 24),
    "mistral": (MistralForCausalLM, MistralConfig(**small, sliding_window=7, head_dim=16), 24),
    "mixtral": (MixtralForCausalLM, MixtralConfig(**small, num_local_experts=4, num_experts_per_tok=2, sliding_window=None), 24),
    "qwen2": (Qwen2ForCausalLM, Qwen2Config(**small, tie_word_embeddings=True), 24),
    "qwen3": (Qwen3ForCausalLM, Qwen3Config(**small, head_dim=16), 24),
    "phi3": (Phi3ForCausalLM, Phi3Config(**small, sliding_window=9), 24),
    "phi3-longrope-short": (Phi3ForCausalLM, Phi3Config(**{**rope("longrope", short_factor=half, long_factor=long),
                            "original_max_position_embeddings": 32}), 24),
    "phi3-longrope-long": (Phi3ForCausalLM, Phi3Config(**{**rope("longrope", short_factor=half, long_factor=long),
                           "original_max_position_embeddings": 16}), 24),
    "gemma2": (Gemma2ForCausalLM, Gemma2Config(**{**small, "num_hidden_layers": 3}, head_dim=16, query_pre_attn_scalar=16,
               sliding_window=6), 24),
    "gemma3": (Gemma3ForCausalLM, Gemma3TextConfig(**{**small, "num_hidden_layers": 3}, head_dim=16, query_pre_attn_scalar=16,
               sliding_window=6, layer_types=["sliding_attention", "full_attention", "sliding_attention"]), 24),
    "gpt2": (GPT2LMHeadModel, GPT2Config(vocab_size=V, n_embd=H, n_layer=L, n_head=A, n_positions=P, initializer_range=0.35,
             bos_token_id=1, eos_token_id=2), 24),
}

inspected = ["llama", "mistral", "qwen3", "gemma2", "gpt2"]
only = sys.argv[1:]
for name, (kind, config, length) in cases.items():
    if only and name not in only: continue
    torch.manual_seed(1)
    config._attn_implementation = "eager"
    model = kind(config).eval().float()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if parameter.dim() == 1: parameter.add_(0.2 * torch.randn_like(parameter))
            parameter.copy_(parameter.to(torch.bfloat16).float())
    ids = torch.randint(3, V, (1, length), generator=torch.Generator().manual_seed(2))
    with torch.no_grad(): logits = model(input_ids=ids).logits[0].float()
    if name in inspected:
        with torch.no_grad():
            seen = model(input_ids=ids, output_attentions=True, output_hidden_states=True)
            if name == "gpt2":
                projection, width = model.transformer.h[0].attn.c_proj, H // A
                kept = projection.weight.clone()
                projection.weight[width:2 * width, :] = 0
            else:
                projection, width = model.model.layers[0].self_attn.o_proj, model.model.layers[0].self_attn.head_dim
                kept = projection.weight.clone()
                projection.weight[:, width:2 * width] = 0
            without = model(input_ids=ids).logits[0].float()
            projection.weight.copy_(kept)
        inspection = {"attention": torch.stack([a[0] for a in seen.attentions]).float().contiguous(),
                      "residuals": torch.stack([h[0] for h in seen.hidden_states[:-1]]).float().contiguous(),
                      "logits_without": without.contiguous()}
    folder = os.path.join(here, name)
    shutil.rmtree(folder, ignore_errors=True)
    model.to(torch.bfloat16).save_pretrained(folder)
    if name in inspected: save_file(inspection, os.path.join(folder, "inspection.safetensors"))
    for extra in ("generation_config.json",):
        if os.path.exists(os.path.join(folder, extra)): os.remove(os.path.join(folder, extra))
    save_file({"ids": ids[0].to(torch.int32), "logits": logits.contiguous()}, os.path.join(folder, "expected.safetensors"))
    print(name, tuple(logits.shape), float(logits.abs().max()), os.path.getsize(os.path.join(folder, "model.safetensors")))

if not only or "bert" in only:
    torch.manual_seed(1)
    config = BertConfig(vocab_size=V, hidden_size=H, num_hidden_layers=L, intermediate_size=FF, num_attention_heads=A,
                        max_position_embeddings=P, initializer_range=0.35, attn_implementation="eager")
    model = BertModel(config, add_pooling_layer=False).eval().float()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if parameter.dim() == 1: parameter.add_(0.2 * torch.randn_like(parameter))
            parameter.copy_(parameter.to(torch.bfloat16).float())
    ids = torch.randint(3, V, (1, 20), generator=torch.Generator().manual_seed(2))
    with torch.no_grad(): hidden = model(input_ids=ids).last_hidden_state[0].float()
    folder = os.path.join(here, "bert")
    shutil.rmtree(folder, ignore_errors=True)
    model.to(torch.bfloat16).save_pretrained(folder)
    save_file({"ids": ids[0].to(torch.int32), "hidden": hidden.contiguous()}, os.path.join(folder, "expected.safetensors"))
    print("bert", tuple(hidden.shape))
