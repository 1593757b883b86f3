"""Writes initial.json: how the parameters of recurrent layers begin in transformers.

    python make_initial.py            # needs torch, transformers

For one layer of each family: of every such parameter the shape, and of its numbers mean, deviation, least and largest.
Names are the model's; InitialRuleTests.swift begins the same shapes and compares.
"""
import json, os
import torch
import transformers as t

here = os.path.dirname(os.path.abspath(__file__))
ids = dict(vocab_size=64, hidden_size=256, num_hidden_layers=1, bos_token_id=1, eos_token_id=2, pad_token_id=0)
attends = dict(ids, intermediate_size=64, num_attention_heads=4, num_key_value_heads=4)
cases = {
    "mamba": ("Mamba", dict(ids, state_size=16), "backbone.layers.0.mixer."),
    "mamba2": ("Mamba2", dict(ids, state_size=16, num_heads=64, head_dim=8, n_groups=1), "backbone.layers.0.mixer."),
    "granitemoehybrid": ("GraniteMoeHybrid", dict(attends, mamba_n_heads=64, mamba_n_groups=1, mamba_d_state=16,
                         num_local_experts=0, num_experts_per_tok=0, shared_intermediate_size=64,
                         layer_types=["linear_attention"]), "model.layers.0.mamba."),
    "qwen3_5_text": ("Qwen3_5Text", dict(attends, linear_num_key_heads=64, linear_num_value_heads=128,
                     linear_key_head_dim=4, linear_value_head_dim=4, layer_types=["linear_attention"]),
                     "model.layers.0.linear_attn."),
    "lfm2": ("Lfm2", dict(attends, layer_types=["conv"], conv_L_cache=3), "model.layers.0.conv."),
}
own = {"conv1d.weight": "conv.weight", "conv.weight": "conv.weight", "A_log": "A_log", "D": "D", "dt_bias": "dt_bias",
       "dt_proj.weight": "dt_proj.weight", "dt_proj.bias": "dt_proj.bias"}
result = {}
for name, (kind, arguments, prefix) in cases.items():
    torch.manual_seed(1)
    config = getattr(t, kind + "Config")(**arguments)
    cls = t.Qwen3_5ForCausalLM if kind == "Qwen3_5Text" else getattr(t, kind + "ForCausalLM")
    found = {}
    for key, value in cls(config).named_parameters():
        if not key.startswith(prefix) or key[len(prefix):] not in own: continue
        numbers = value.detach().double()
        found[own[key[len(prefix):]]] = dict(
            shape=list(value.shape), mean=float(numbers.mean()), deviation=float(numbers.std(correction=0)),
            least=float(numbers.min()), largest=float(numbers.max()))
    result[name] = dict(config=json.loads(config.to_json_string()), parameters=found)
    print(name, found)
with open(os.path.join(here, "initial.json"), "w") as file:
    json.dump(result, file, indent=1)
    file.write("\n")
