"""Makes goldens of encoders whose own files need code that transformers does not have: families/NAME.json.

    python make_remote_encoders.py      # needs torch, transformers, numpy

- jina_bert: JinaBERT (jina-embeddings-v2). transformers has no such model. The oracle below is written from the layout of
  its published tensors and its paper (Günther et al. 2023, sections 3.1 and 3.2): BERT without a table of positions,
  symmetric linear biases, and feed-forward layers gated by GELU with the gate before the other half.
- xlm-roberta-rotary: Jina's third embedding model in the form of its own files (model_type xlm-roberta), where queries, keys
  and values are joined and every matrix is "parametrized". The numbers are those of transformers' JinaEmbeddingsV3Model.
- new: GTE in the form of Alibaba's files, with the fixed NTK scaling of its rotary frequencies, which transformers' own
  configuration does not have; the numbers are those of its GteModel with these frequencies put in.

The golden has the form that make_families.py describes.
"""
import json, math, os
import torch
import transformers as t

from golden_values import values

here = os.path.dirname(os.path.abspath(__file__))
HIDDEN, INNER, HEADS, LAYERS, VOCABULARY = 48, 40, 6, 2, 64
ids = torch.randint(3, VOCABULARY, (1, 14), generator=torch.Generator().manual_seed(2))


def write(name, config, tensors, states):
    golden = dict(config=config, tensors=[[key, base, *shape] for key, (base, shape) in tensors.items()],
                  ids=ids[0].tolist(), encoder=True, expected=[float(f"{x:.7g}") for x in states.flatten().tolist()])
    with open(os.path.join(here, "families", name + ".json"), "w") as file:
        json.dump(golden, file, separators=(",", ":"))
        file.write("\n")
    print(name, tuple(states.shape), float(states.abs().max()))


def made(tensors): return {key: values(key, base, shape) for key, (base, shape) in tensors.items()}
def linear(name, out, inside, bias=True):
    return {name + ".weight": (0, (out, inside)), **({name + ".bias": (0, (out,))} if bias else {})}
def norm(name): return {name + ".weight": (1, (HIDDEN,)), name + ".bias": (0, (HIDDEN,))}


def jina_bert():
    tensors = {"embeddings.word_embeddings.weight": (0, (VOCABULARY, HIDDEN)),
               "embeddings.token_type_embeddings.weight": (0, (2, HIDDEN)), **norm("embeddings.LayerNorm")}
    for layer in range(LAYERS):
        at = f"encoder.layer.{layer}."
        for part in ("query", "key", "value"): tensors.update(linear(f"{at}attention.self.{part}", HIDDEN, HIDDEN))
        tensors.update(linear(at + "attention.output.dense", HIDDEN, HIDDEN))
        tensors.update(norm(at + "attention.output.LayerNorm"))
        tensors.update(linear(at + "mlp.gated_layers", 2 * INNER, HIDDEN, bias=False))
        tensors.update(linear(at + "mlp.wo", HIDDEN, INNER))
        tensors.update(norm(at + "mlp.layernorm"))
    w = made(tensors)

    def project(x, name): return x @ w[name + ".weight"].T + w.get(name + ".bias", 0)
    def normed(x, name): return torch.nn.functional.layer_norm(x, (HIDDEN,), w[name + ".weight"], w[name + ".bias"], 1e-12)

    # The slopes of 2^n heads, and for the others every other one of twice as many (Press et al. 2022).
    def powers(count): return [2.0 ** (-8.0 * (i + 1) / count) for i in range(count)]
    near = 2 ** int(math.log2(HEADS))
    slopes = torch.tensor(powers(near) + powers(2 * near)[0::2][:HEADS - near])
    place = torch.arange(ids.shape[1])
    bias = -slopes[:, None, None] * (place[None, :] - place[:, None]).abs()
    x = normed(w["embeddings.word_embeddings.weight"][ids[0]] + w["embeddings.token_type_embeddings.weight"][0],
               "embeddings.LayerNorm")
    size = HIDDEN // HEADS
    for layer in range(LAYERS):
        at = f"encoder.layer.{layer}."
        q, k, v = (project(x, f"{at}attention.self.{part}").view(-1, HEADS, size).transpose(0, 1)
                   for part in ("query", "key", "value"))
        weights = torch.softmax(q @ k.transpose(1, 2) / math.sqrt(size) + bias, -1)
        mixed = (weights @ v).transpose(0, 1).reshape(-1, HIDDEN)
        x = normed(x + project(mixed, at + "attention.output.dense"), at + "attention.output.LayerNorm")
        both = project(x, at + "mlp.gated_layers")
        inner = torch.nn.functional.gelu(both[:, :INNER]) * both[:, INNER:]
        x = normed(x + project(inner, at + "mlp.wo"), at + "mlp.layernorm")
    config = dict(
        architectures=["JinaBertForMaskedLM"], model_type="bert", hidden_size=HIDDEN, num_hidden_layers=LAYERS,
        num_attention_heads=HEADS, intermediate_size=INNER, vocab_size=VOCABULARY, max_position_embeddings=64,
        type_vocab_size=2, layer_norm_eps=1e-12, hidden_act="gelu", position_embedding_type="alibi",
        feed_forward_type="geglu", emb_pooler="mean", attn_implementation="torch", pad_token_id=0,
        auto_map={"AutoModel": "jinaai/jina-bert-implementation--modeling_bert.JinaBertModel"})
    write("jina_bert", config, tensors, x)


def loaded(model, w, names):
    """The model with its parameters taken from published tensors: names maps a parameter to a tensor, and to which of how
    many parts of its rows."""
    state = {}
    for key, value in model.state_dict().items():
        stored, (part, parts) = names(key)
        state[key] = w[stored].chunk(parts)[part].contiguous()
        assert state[key].shape == value.shape, (key, state[key].shape, value.shape)
    model.load_state_dict(state)
    return model.eval()


def xlm_roberta_rotary():
    prefix, original = "roberta.", ".parametrizations.weight.original"
    tensors = {prefix + "embeddings.word_embeddings" + original: (0, (VOCABULARY, HIDDEN)),
               prefix + "embeddings.token_type_embeddings" + original: (0, (1, HIDDEN)), **norm(prefix + "emb_ln")}
    for layer in range(LAYERS):
        at = f"{prefix}encoder.layers.{layer}."
        for name, out, inside in (("mixer.Wqkv", 3 * HIDDEN, HIDDEN), ("mixer.out_proj", HIDDEN, HIDDEN),
                                  ("mlp.fc1", INNER, HIDDEN), ("mlp.fc2", HIDDEN, INNER)):
            tensors[at + name + original] = (0, (out, inside))
            tensors[at + name + ".bias"] = (0, (out,))
        tensors.update(norm(at + "norm1"))
        tensors.update(norm(at + "norm2"))
    sizes = dict(vocab_size=VOCABULARY, hidden_size=HIDDEN, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
                 intermediate_size=INNER, max_position_embeddings=66, type_vocab_size=1, layer_norm_eps=1e-5, pad_token_id=1)
    config = t.JinaEmbeddingsV3Config(**sizes, rope_parameters=dict(rope_type="default", rope_theta=20000.0))

    def names(key):
        parts = {"q_proj": (0, 3), "k_proj": (1, 3), "v_proj": (2, 3)}
        rows = next((row for part, row in parts.items() if part in key), (0, 1))
        stored = prefix + key.replace("embeddings.LayerNorm", "emb_ln").replace("layers.", "encoder.layers.") \
            .replace("self_attn.o_proj", "mixer.out_proj").replace("post_attention_layernorm", "norm1") \
            .replace("post_mlp_layernorm", "norm2")
        for part in parts: stored = stored.replace("self_attn." + part, "mixer.Wqkv")
        if stored.endswith(".weight") and stored not in tensors: stored = stored[:-len(".weight")] + original
        return stored, rows

    model = loaded(t.JinaEmbeddingsV3Model(config, add_pooling_layer=False), made(tensors), names)
    with torch.no_grad(): states = model(input_ids=ids).last_hidden_state[0]
    own = dict(sizes, architectures=["XLMRobertaModel"], model_type="xlm-roberta", position_embedding_type="rotary",
               rotary_emb_base=20000.0, hidden_act="gelu", use_flash_attn=True, emb_pooler="mean",
               lora_adaptations=["retrieval.query", "text-matching"], lora_rank=4, lora_alpha=1, lora_dropout_p=0.0,
               lora_main_params_trainable=False, load_trained_adapters=True, matryoshka_dimensions=[32, 48],
               truncate_dim=None, task_instructions={"text-matching": ""}, use_reentrant=False)
    write("xlm-roberta-rotary", own, tensors, states)


def new():
    tensors = {"new.embeddings.word_embeddings.weight": (0, (VOCABULARY, HIDDEN)), **norm("new.embeddings.LayerNorm")}
    for layer in range(LAYERS):
        at = f"new.encoder.layer.{layer}."
        tensors.update(linear(at + "attention.qkv_proj", 3 * HIDDEN, HIDDEN))
        tensors.update(linear(at + "attention.o_proj", HIDDEN, HIDDEN))
        tensors.update(linear(at + "mlp.up_gate_proj", 2 * INNER, HIDDEN, bias=False))
        tensors.update(linear(at + "mlp.down_proj", HIDDEN, INNER))
        tensors.update(norm(at + "attn_ln"))
        tensors.update(norm(at + "mlp_ln"))
    sizes = dict(vocab_size=VOCABULARY, hidden_size=HIDDEN, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
                 intermediate_size=INNER, max_position_embeddings=64, type_vocab_size=0, layer_norm_eps=1e-12, pad_token_id=0)
    config = t.GteConfig(**sizes, rope_parameters=dict(rope_type="default", rope_theta=500.0))

    def names(key):
        parts = {"q_proj": (0, 3), "k_proj": (1, 3), "v_proj": (2, 3), "up_proj": (0, 2), "gate_proj": (1, 2)}
        rows = next((row for part, row in parts.items() if part in key), (0, 1))
        stored = "new." + key.replace("layers.", "encoder.layer.").replace("self_attn.o_proj", "attention.o_proj") \
            .replace("post_attention_layernorm", "attn_ln").replace("post_mlp_layernorm", "mlp_ln")
        for part in ("q_proj", "k_proj", "v_proj"): stored = stored.replace("self_attn." + part, "attention.qkv_proj")
        for part in ("up_proj", "gate_proj"): stored = stored.replace("mlp." + part, "mlp.up_gate_proj")
        return stored, rows

    model = loaded(t.GteModel(config), made(tensors), names)
    # Su Jianlin, kexue.fm/archives/9706, equations 6 and 12: fixed NTK scaling, mixed with b where that is given.
    for name, factor, mixed in (("new", 2.0, None), ("new-mixed", 8.0, 0.625)):
        half = HIDDEN // HEADS // 2
        plain = 500.0 ** (-torch.arange(half) / half)
        b = 1.0 if mixed is None else mixed
        a = math.log(factor) / half ** b
        model.rotary_emb.inv_freq = plain / torch.exp(a * torch.arange(1, half + 1) ** b)
        with torch.no_grad(): states = model(input_ids=ids).last_hidden_state[0]
        scaling = dict(type="ntk", factor=factor, **({} if mixed is None else {"mixed_b": mixed}))
        own = dict(sizes, architectures=["NewModel"], model_type="new", hidden_act="gelu", position_embedding_type="rope",
                   rope_theta=500.0, rope_scaling=scaling, layer_norm_type="layer_norm", logn_attention_scale=False,
                   logn_attention_clip1=False, pack_qkv=True, unpad_inputs=False, use_memory_efficient_attention=False)
        write(name, own, tensors, states)


jina_bert()
xlm_roberta_rotary()
new()


def deberta_buckets():
    """deberta_buckets.json: the row of the table for each distance from -600 to 600, as transformers' function has it."""
    from transformers.models.deberta_v2.modeling_deberta_v2 import make_log_bucket_position
    distances = torch.arange(-600, 601)
    tables = {}
    for buckets, farthest in ((256, 512), (8, 64), (32, 100)):
        rows = make_log_bucket_position(distances, buckets, farthest).long() + buckets
        tables[f"{buckets}/{farthest}"] = rows.clamp(0, 2 * buckets - 1).tolist()
    with open(os.path.join(here, "deberta_buckets.json"), "w") as file:
        json.dump(tables, file, separators=(",", ":"))
        file.write("\n")


deberta_buckets()
