"""Greedy continuations of real GGUF models by transformers in float32, from weights dequantised by the gguf wheel.

Nothing of this project takes part: the file is read by `gguf`, every tensor becomes float32, and transformers' own
model class computes. Each continuation is made token by token with a cache and then checked by one pass over the whole
sequence without one. `gap` is how far the best logit lay above the second at each step.

    python make_reference.py MODELS    # MODELS as MARTLET_TEST_MODELS: smollm2/….gguf, gemma3/….gguf, minilm/

Needs torch, transformers, sentence-transformers, gguf, numpy. Writes reference.json and embeddings.json beside itself.
"""
import json
import pathlib
import sys

import gguf
import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from transformers import (AutoModel, AutoTokenizer, Gemma3ForCausalLM, Gemma3TextConfig, LlamaConfig,
                          LlamaForCausalLM)

HERE = pathlib.Path(__file__).parent
NEW_TOKENS = 32
FILES = {"smollm2": "smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", "gemma3": "gemma3/gemma-3-270m-q4_k_m.gguf"}
PROMPTS = {
    "english": "The history of the lighthouse begins long before electricity, when keepers",
    "chinese": "人工智能是计算机科学的一个分支，它的目标是",
    "french": "Le petit village se trouve au pied de la montagne, et chaque matin les habitants",
    "code": "def is_prime(n: int) -> bool:\n    \"\"\"Whether n is a prime number.\"\"\"\n    if n < 2:\n",
    "arithmetic": "12 + 7 = 19\n8 + 5 = 13\n21 + 14 = 35\n6 + 9 =",
}
SENTENCES = [
    "A man is playing the guitar on stage.",
    "Someone performs music in front of an audience.",
    "The stock market fell sharply on Monday.",
    "Ein Hund läuft über die grüne Wiese.",
    "今天天气很好。",
    "x",
]
NAMES = {
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj", "attn_q_norm": "self_attn.q_norm", "attn_k_norm": "self_attn.k_norm",
    "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj", "attn_norm": "input_layernorm",
}
LLAMA_NAMES = NAMES | {"ffn_norm": "post_attention_layernorm"}
GEMMA_NAMES = NAMES | {
    "post_attention_norm": "post_attention_layernorm", "ffn_norm": "pre_feedforward_layernorm",
    "post_ffw_norm": "post_feedforward_layernorm",
}


def fields(reader, architecture):
    def get(key, default=None):
        field = reader.fields.get(f"{architecture}.{key}")
        return default if field is None else field.contents()
    return get


def state(reader, names, change):
    """transformers' parameter names to float32 tensors."""
    result = {}
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        values = values.reshape(list(reversed(tensor.shape.tolist())))
        stem = tensor.name.removesuffix(".weight")
        if stem == "token_embd":
            name = "model.embed_tokens"
        elif stem == "output_norm":
            name = "model.norm"
        elif stem == "output":
            name = "lm_head"
        else:
            _, layer, part = stem.split(".")
            name = f"model.layers.{layer}.{names[part]}"
        result[name + ".weight"] = torch.from_numpy(np.ascontiguousarray(change(name, values)))
    if "lm_head.weight" not in result:
        result["lm_head.weight"] = result["model.embed_tokens.weight"]
    return result


def llama(reader):
    get = fields(reader, "llama")
    heads = {"q_proj": get("attention.head_count"), "k_proj": get("attention.head_count_kv")}

    def change(name, values):
        # GGUF keeps the two halves of a rotated head interleaved; transformers keeps them one after the other.
        for part, count in heads.items():
            if name.endswith(part):
                rows, columns = values.shape
                return values.reshape(count, rows // count // 2, 2, columns).swapaxes(1, 2).reshape(rows, columns)
        return values

    config = LlamaConfig(
        vocab_size=get("vocab_size"), hidden_size=get("embedding_length"),
        intermediate_size=get("feed_forward_length"), num_hidden_layers=get("block_count"),
        num_attention_heads=heads["q_proj"], num_key_value_heads=heads["k_proj"],
        max_position_embeddings=get("context_length"), rms_norm_eps=get("attention.layer_norm_rms_epsilon"),
        rope_parameters={"rope_type": "default", "rope_theta": get("rope.freq_base")}, tie_word_embeddings=True)
    return LlamaForCausalLM(config), state(reader, LLAMA_NAMES, change)


def gemma3(reader):
    get = fields(reader, "gemma3")
    layers = get("block_count")
    config = Gemma3TextConfig(
        vocab_size=next(t.shape[1] for t in reader.tensors if t.name == "token_embd.weight").item(),
        hidden_size=get("embedding_length"), intermediate_size=get("feed_forward_length"), num_hidden_layers=layers,
        num_attention_heads=get("attention.head_count"), num_key_value_heads=get("attention.head_count_kv"),
        head_dim=get("attention.key_length"), query_pre_attn_scalar=get("attention.key_length"),
        max_position_embeddings=get("context_length"), rms_norm_eps=get("attention.layer_norm_rms_epsilon"),
        sliding_window=get("attention.sliding_window"), tie_word_embeddings=True,
        layer_types=["full_attention" if (i + 1) % 6 == 0 else "sliding_attention" for i in range(layers)],
        rope_parameters={
            "full_attention": {"rope_type": "default", "rope_theta": get("rope.freq_base")},
            "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
        })
    # GGUF stores 1 + w of each norm.
    return Gemma3ForCausalLM(config), state(reader, GEMMA_NAMES, lambda n, v: v - 1 if "norm" in n else v)


def load(models, name):
    reader = gguf.GGUFReader(models / FILES[name])
    model, weights = (llama if name == "smollm2" else gemma3)(reader)
    model.load_state_dict(weights, strict=True)
    return model.float().eval()


def top(logits):
    best = torch.topk(logits, 2)
    return best.indices[0].item(), (best.values[0] - best.values[1]).item()


@torch.no_grad()
def continuation(model, prompt):
    tokens, gaps, cache, feed = list(prompt), [], None, prompt
    for _ in range(NEW_TOKENS):
        result = model(input_ids=torch.tensor([feed]), past_key_values=cache, use_cache=True)
        cache = result.past_key_values
        token, gap = top(result.logits[0, -1])
        tokens.append(token)
        gaps.append(round(gap, 4))
        feed = [token]
    logits = model(input_ids=torch.tensor([tokens[:-1]]), use_cache=False).logits[0, len(prompt) - 1:]
    assert logits.argmax(-1).tolist() == tokens[len(prompt):], "with and without a cache differ"
    return tokens[len(prompt):], gaps


def tokenizer(models, name):
    path = models / FILES[name]
    return AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)


@torch.no_grad()
def embeddings(folder):
    """Those of sentence-transformers, checked against transformers: the mean of the last hidden states over a text's
    own tokens, length one; one text at a time, so no padding."""
    model, texts = AutoModel.from_pretrained(folder).float().eval(), AutoTokenizer.from_pretrained(folder)
    rows = SentenceTransformer(str(folder), device="cpu").encode(SENTENCES, normalize_embeddings=True)
    for sentence, row in zip(SENTENCES, rows):
        mean = model(**texts(sentence, return_tensors="pt")).last_hidden_state[0].mean(0)
        assert np.abs((mean / mean.norm()).numpy() - row).max() < 1e-5, "transformers computes something else"
    return [[round(float(x), 7) for x in row] for row in rows]


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1])
    reference = {}
    for name in FILES:
        model, words, cases = load(folder, name), tokenizer(folder, name), []
        for topic, text in PROMPTS.items():
            prompt = words(text)["input_ids"]
            reply, gaps = continuation(model, prompt)
            print(name, topic, prompt, repr(words.decode(reply)), "least gap", min(gaps))
            cases.append({"topic": topic, "text": text, "prompt": prompt, "reply": reply, "gap": gaps})
        reference[name] = cases
    (HERE / "reference.json").write_text(json.dumps(reference, ensure_ascii=False) + "\n")
    vectors = embeddings(folder / "minilm")
    (HERE / "embeddings.json").write_text(json.dumps({"texts": SENTENCES, "vectors": vectors}, ensure_ascii=False) + "\n")
