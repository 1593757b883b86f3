"""Writes the checkpoints beside this script as GGUF files, as converters write them.

    python make_gguf.py            # needs torch, safetensors, gguf

Each file computes what the folder it is made from does; gguf/<name>.gguf belongs to <folder>/expected.safetensors.
"""
import json, math, os, sys
import numpy as np
import torch
from gguf import GGUFWriter, GGMLQuantizationType
from safetensors.torch import load_file

here = os.path.dirname(os.path.abspath(__file__))
os.makedirs(os.path.join(here, "gguf"), exist_ok=True)


def permuted(weight, heads):
    """Llama's queries and keys for interleaved rotation: rows i and i + half of a head become neighbours."""
    shape = weight.shape
    return weight.reshape(heads, 2, shape[0] // heads // 2, *shape[1:]).transpose(1, 2).reshape(shape)


class Writer:
    def __init__(self, folder, architecture, name):
        self.folder, self.architecture = os.path.join(here, folder), architecture
        self.config = json.load(open(os.path.join(self.folder, "config.json")))
        self.weights = load_file(os.path.join(self.folder, "model.safetensors"))
        self.path = os.path.join(here, "gguf", name + ".gguf")
        self.out = GGUFWriter(self.path, architecture)

    def key(self, name, value):
        name = f"{self.architecture}.{name}"
        if isinstance(value, bool): self.out.add_bool(name, value)
        elif isinstance(value, int): self.out.add_uint32(name, value)
        elif isinstance(value, float): self.out.add_float32(name, value)
        elif isinstance(value, str): self.out.add_string(name, value)
        else: self.out.add_array(name, value)

    def tensor(self, name, value):
        value = value.contiguous()
        if value.dim() > 1:
            raw = value.to(torch.bfloat16).view(torch.uint16).numpy().view(np.uint8)
            self.out.add_tensor(name, raw, raw_dtype=GGMLQuantizationType.BF16)
        else:
            self.out.add_tensor(name, value.float().numpy())

    def close(self):
        self.out.write_header_to_file(); self.out.write_kv_data_to_file(); self.out.write_tensors_to_file()
        self.out.close()
        print(self.path, os.path.getsize(self.path))


def decoder(folder, architecture, name, norm_offset=0.0):
    w = Writer(folder, architecture, name)
    c = w.config
    heads, kv = c["num_attention_heads"], c["num_key_value_heads"]
    head = c.get("head_dim") or c["hidden_size"] // heads
    w.key("block_count", c["num_hidden_layers"]); w.key("context_length", c["max_position_embeddings"])
    w.key("embedding_length", c["hidden_size"]); w.key("feed_forward_length", c["intermediate_size"])
    w.key("attention.head_count", heads); w.key("attention.head_count_kv", kv)
    w.key("attention.key_length", head); w.key("attention.value_length", head)
    w.key("attention.layer_norm_rms_epsilon", c["rms_norm_eps"]); w.key("vocab_size", c["vocab_size"])
    names = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
             "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
             "self_attn.qkv_proj": "attn_qkv", "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm",
             "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
             "mlp.gate_up_proj": "ffn_up"}
    if norm_offset:
        names.update({"post_attention_layernorm": "post_attention_norm", "pre_feedforward_layernorm": "ffn_norm",
                      "post_feedforward_layernorm": "post_ffw_norm"})
    if architecture == "olmo2":
        names.update({"post_attention_layernorm": "post_attention_norm", "post_feedforward_layernorm": "post_ffw_norm"})
    outer = {"model.embed_tokens.weight": "token_embd.weight", "model.norm.weight": "output_norm.weight",
             "lm_head.weight": "output.weight"}
    for key, value in w.weights.items():
        if norm_offset and "norm" in key: value = value.float() + norm_offset
        if key in outer: w.tensor(outer[key], value); continue
        _, _, layer, *module, kind = key.split(".")
        module = ".".join(module)
        if architecture == "llama" and module in ("self_attn.q_proj", "self_attn.k_proj"):
            value = permuted(value, heads if "q_proj" in module else kv)
        w.tensor(f"blk.{layer}.{names[module]}.{kind}", value)
    return w


def llama3_divisors(rope, head):
    low, high = rope["original_max_position_embeddings"] / rope["low_freq_factor"], \
        rope["original_max_position_embeddings"] / rope["high_freq_factor"]
    divisors = []
    for i in range(0, head, 2):
        wave = 2 * math.pi * rope["rope_theta"] ** (i / head)
        if wave < high: divisors.append(1.0)
        elif wave > low: divisors.append(rope["factor"])
        else:
            smooth = (rope["original_max_position_embeddings"] / wave - rope["low_freq_factor"]) / \
                (rope["high_freq_factor"] - rope["low_freq_factor"])
            divisors.append(1 / ((1 - smooth) / rope["factor"] + smooth))
    return torch.tensor(divisors)


# Llama 3.1: divisors as a tensor, nothing among the keys.
w = decoder("llama3", "llama", "llama3")
rope = w.config["rope_parameters"]
w.key("rope.freq_base", float(rope["rope_theta"])); w.key("rope.dimension_count", 8)
w.tensor("rope_freqs.weight", llama3_divisors(rope, 8)); w.close()

for folder in ("llama-linear", "llama-yarn", "llama-tied-bias", "llama-head4"):
    w = decoder(folder, "llama", folder)
    rope = w.config["rope_parameters"]
    w.key("rope.freq_base", float(rope["rope_theta"]))
    if rope["rope_type"] != "default":
        w.key("rope.scaling.type", rope["rope_type"]); w.key("rope.scaling.factor", float(rope["factor"]))
        if "original_max_position_embeddings" in rope:
            w.key("rope.scaling.original_context_length", rope["original_max_position_embeddings"])
            w.key("rope.scaling.attn_factor", 1.0)
    w.close()

w = decoder("mistral", "llama", "mistral")
w.key("rope.freq_base", 10000.0); w.key("attention.sliding_window", w.config["sliding_window"]); w.close()

# Phi 3.5 and 4-mini: two lists of divisors, a part of each head.
for folder in ("phi3-longrope-short", "phi3-longrope-long", "phi3-partial"):
    w = decoder(folder, "phi3", folder)
    rope = w.config["rope_parameters"]
    original = w.config.get("original_max_position_embeddings") or rope["original_max_position_embeddings"]
    stretch = w.config["max_position_embeddings"] / original
    w.key("rope.freq_base", float(rope["rope_theta"])); w.key("rope.scaling.original_context_length", original)
    w.key("rope.scaling.attn_factor", math.sqrt(1 + math.log(stretch) / math.log(original)))
    w.key("rope.dimension_count", int(8 * rope.get("partial_rotary_factor", 1.0)))
    w.tensor("rope_factors_long.weight", torch.tensor(rope["long_factor"]))
    w.tensor("rope_factors_short.weight", torch.tensor(rope["short_factor"])); w.close()

for folder in ("gemma2", "gemma3"):
    w = decoder(folder, folder, folder, norm_offset=1.0)
    c = w.config
    w.key("attention.sliding_window", c["sliding_window"])
    if folder == "gemma2":
        w.key("attn_logit_softcapping", float(c["attn_logit_softcapping"]))
        w.key("final_logit_softcapping", float(c["final_logit_softcapping"]))
    else:
        w.key("rope.freq_base", 1000000.0); w.key("rope.freq_base_swa", 10000.0)
        w.key("attention.sliding_window_pattern", [kind == "sliding_attention" for kind in c["layer_types"]])
    w.close()

w = decoder("qwen2", "qwen2", "qwen2"); w.key("rope.freq_base", 10000.0); w.close()
w = decoder("qwen2", "qwen2vl", "qwen2vl"); w.key("rope.freq_base", 10000.0)
w.key("rope.dimension_sections", [2, 1, 1, 0]); w.close()
for folder in ("qwen3", "olmo2"): w = decoder(folder, folder, folder); w.key("rope.freq_base", 10000.0); w.close()

w = Writer("bert", "bert", "bert")
c = w.config
w.key("block_count", c["num_hidden_layers"]); w.key("context_length", c["max_position_embeddings"])
w.key("embedding_length", c["hidden_size"]); w.key("feed_forward_length", c["intermediate_size"])
w.key("attention.head_count", c["num_attention_heads"]); w.key("attention.layer_norm_epsilon", c["layer_norm_eps"])
w.key("attention.causal", False); w.key("pooling_type", 2)
outer = {"embeddings.word_embeddings": "token_embd", "embeddings.position_embeddings": "position_embd",
         "embeddings.token_type_embeddings": "token_types", "embeddings.LayerNorm": "token_embd_norm"}
names = {"attention.self.query": "attn_q", "attention.self.key": "attn_k", "attention.self.value": "attn_v",
         "attention.output.dense": "attn_output", "attention.output.LayerNorm": "attn_output_norm",
         "intermediate.dense": "ffn_up", "output.dense": "ffn_down", "output.LayerNorm": "layer_output_norm"}
for key, value in w.weights.items():
    module, kind = key.rsplit(".", 1)
    if module in outer: w.tensor(f"{outer[module]}.{kind}", value); continue
    _, _, layer, rest = module.split(".", 3)
    w.tensor(f"blk.{layer}.{names[rest]}.{kind}", value)
w.close()
