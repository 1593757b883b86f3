"""Makes one small golden per family of decoders and encoders: families/NAME.json.

    python make_families.py [NAME ...]      # needs torch, transformers, safetensors, numpy

A golden holds config.json as transformers writes it, the names and shapes of the published tensors, token ids, and the
float32 logits (or hidden states) that transformers computes. The weights are not stored: element i of a tensor is a
function of the tensor's name and i (`golden_values.values`), which FamilyTableTests.swift computes too.
"""
import json, os, shutil, sys, tempfile
import torch
import transformers as t
from safetensors import safe_open
from safetensors.torch import save_file

from family_cases import cases, decoder_heads, encoder_decoders, encoders, heads, renamed, texts
from golden_values import values

here = os.path.dirname(os.path.abspath(__file__))


class NormHead(torch.nn.Linear):
    """Baichuan 2's output projection: rows of length one."""
    def forward(self, x): return torch.nn.functional.linear(x, torch.nn.functional.normalize(self.weight))


def as_baichuan(model, name, length):
    """A Llama with Baichuan 2's head and, of 13B, its linear biases instead of rotation; what the model is called with."""
    head = NormHead(*reversed(model.lm_head.weight.shape), bias=False)
    head.weight = model.lm_head.weight
    model.lm_head = head
    if name != "baichuan-alibi": return {}
    heads = model.config.num_attention_heads
    slopes = torch.tensor([2 ** (-8 * (h + 1) / heads) for h in range(heads)])
    places = torch.arange(length)
    mask = slopes[:, None, None] * (places[None, :] - places[:, None])[None].float()
    mask = mask.masked_fill(places[None, :] > places[:, None], float("-inf"))
    rotary = model.model.rotary_emb
    rotary.inv_freq.zero_()
    return dict(attention_mask=mask[None])


def published(name, stored):
    """[(published name, shape, how the published tensor is taken apart)] for the tensors of a renamed family."""
    if name not in renamed: return [(key, tuple(value.shape), {key: slice(None)}) for key, value in stored.items()]
    result = []
    for key, value in stored.items():
        new = key
        for old, replacement in renamed[name][3].items(): new = new.replace(old, replacement)
        if name.startswith("baichuan") and any(p in new for p in ("q_proj", "k_proj", "v_proj")):
            if "q_proj" not in new: continue
            rows = {key.replace("q_proj", p + "_proj"): slice(32 * i, 32 * i + 32) for i, p in enumerate("qkv")}
            result.append((new.replace("q_proj", "W_pack"), (96, 32), rows))
        elif name == "internlm2" and "_proj" in new:
            if "q_proj" not in new: continue
            # Two query heads, a key head and a value head, twice.
            size = 8
            rows = {part: [r for g in range(2) for r in range(g * 4 * size + a * size, g * 4 * size + b * size)]
                    for part, a, b in (("q", 0, 2), ("k", 2, 3), ("v", 3, 4))}
            result.append((new.replace("self_attn.q_proj", "attention.wqkv"), (64, 32),
                           {key.replace("q_proj", part + "_proj"): r for part, r in rows.items()}))
        elif name == "qwen3_vl_moe_text" and ".experts." in new:
            # Stacks [experts, in, out], of gate and up projections in one.
            stem, expert, part, _ = key.rsplit(".", 3)
            if expert != "0" or part == "up_proj": continue
            count, size = arguments_of(name)["num_experts"], value.shape[0]
            if part == "down_proj":
                parts = {f"{stem}.{e}.{part}.weight": lambda whole, e=e: whole[e].T for e in range(count)}
                result.append((stem + ".down_proj", (count, *reversed(value.shape)), parts))
            else:
                parts = {f"{stem}.{e}.{half}_proj.weight": lambda whole, e=e, i=i: whole[e, :, i * size:(i + 1) * size].T
                         for e in range(count) for i, half in enumerate(("gate", "up"))}
                result.append((stem + ".gate_up_proj", (count, value.shape[1], 2 * size), parts))
        else: result.append((new, tuple(value.shape), {key: slice(None)}))
    return result


def arguments_of(name): return renamed[name][1]


only = sys.argv[1:]
for name, (kind, arguments) in {**cases, **encoders, **encoder_decoders,
                                **{name: case[:2] for name, case in decoder_heads.items()}}.items():
    if only and name not in only: continue
    try:
        is_encoder = name in encoders
        config = getattr(t, kind + "Config")(**arguments)
        # With "eager", transformers 5.24 adds Falcon's linear biases twice.
        attention = "sdpa" if name == "falcon-alibi" else "eager"
        config._attn_implementation = attention
        is_pair = name in encoder_decoders
        head = heads[name][1] if name in heads else "SequenceClassification" if name in decoder_heads else None
        cls = getattr(t, kind + ("For" + head if head else "Model")) if is_encoder or head else {
            "Marian": t.MarianMTModel}.get(kind) or getattr(t, kind + "ForConditionalGeneration") if is_pair else getattr(
            t, texts[kind]) if kind in texts else next(
            getattr(t, kind + end) for end in ("ForCausalLM", "LMHeadModel") if hasattr(t, kind + end))
        torch.manual_seed(1)
        model = cls(config, **(dict(add_pooling_layer=False) if kind in
                    ("Roberta", "XLMRoberta", "Camembert", "MPNet", "Albert", "NomicBert", "JinaEmbeddingsV3", "Ernie",
                     "MegatronBert", "Data2VecText", "RobertaPreLayerNorm", "XLMRobertaXL", "Longformer")
                    and not head else {})).eval().float()
        folder = tempfile.mkdtemp()
        model.save_pretrained(folder)
        path = os.path.join(folder, "model.safetensors")
        with safe_open(path, "pt") as file: stored = {key: file.get_tensor(key) for key in file.keys()}
        tensors, made = [], {}
        for key, shape, parts in published(name, stored):
            # RoFormer's computed positions.
            if kind == "RoFormer" and "embed_positions" in key:
                made[key] = stored[key]
                continue
            first = stored[next(iter(parts))]
            base = int(first.dim() < 2 and first.float().mean() > 0.5)
            tensors.append([key, base, *shape])
            whole = values(key, base, shape)
            for part, rows in parts.items(): made[part] = (
                rows(whole) if callable(rows) else whole[rows] if whole.dim() else whole).contiguous()
        save_file(made, path, metadata={"format": "pt"})
        model, info = cls.from_pretrained(folder, attn_implementation=attention, dtype=torch.float32, output_loading_info=True)
        model = model.eval()
        lost = [k for k in info["missing_keys"] if "pooler" not in k]
        assert not lost and not info["unexpected_keys"], info
        text = torch.randint(3, 64, (1, 14), generator=torch.Generator().manual_seed(2))
        more = as_baichuan(model, name, text.shape[1]) if name.startswith("baichuan") else {}
        if name in decoder_heads and decoder_heads[name][2]:
            text[0, -len(decoder_heads[name][2]):] = torch.tensor(decoder_heads[name][2])
        if is_pair:
            source, labels = torch.randint(3, 60, (1, 19), generator=torch.Generator().manual_seed(5)), text[:, 1:]
            text = torch.cat([torch.tensor([[config.decoder_start_token_id]]), labels[:, :-1]], 1)
            more = dict(decoder_input_ids=text)
        with torch.no_grad():
            result = model(input_ids=source if is_pair else text, **more)
            if head == "QuestionAnswering": numbers = torch.stack([result.start_logits[0], result.end_logits[0]], 1)
            elif is_encoder and not head: numbers = result.last_hidden_state[0]
            else: numbers = result.logits[0]
            numbers = numbers.float()
        config = json.load(open(os.path.join(folder, "config.json")))
        if name in renamed:
            for key in ("embedding_multiplier", "logits_scaling", "residual_multiplier", "attention_multiplier",
                        "attention_bias", "mlp_bias", "architectures", "sliding_window", "use_sliding_window"):
                config.pop(key, None)
            config.update(renamed[name][2])
            if name == "exaone":
                for key in ("num_hidden_layers", "rms_norm_eps", "hidden_act"): del config[key]
            if name == "baichuan-alibi": del config["max_position_embeddings"], config["rope_parameters"]
            if name.startswith("baichuan"): del config["num_key_value_heads"], config["head_dim"]
        golden = dict(config=config, tensors=tensors, ids=text[0].tolist(),
                      encoder=is_encoder, expected=[float(f"{x:.7g}") for x in numbers.flatten().tolist()])
        if head: golden["head"] = head
        if is_pair:
            golden.update(source=source[0].tolist(), labels=labels[0].tolist())
            for key, beams in (("greedy", 1), ("beams", 4)):
                found = model.generate(source, max_length=16, num_beams=beams, do_sample=False)[0].tolist()
                golden[key] = found[1:]
            # transformers gives the padding token, with which decoders begin, no gradient.
            for module in model.modules():
                if isinstance(module, torch.nn.Embedding): module.padding_idx = None
            loss = model(input_ids=source, labels=labels, decoder_input_ids=text).loss
        if head == "MaskedLM":
            # Every place has a target.
            labels = torch.randint(3, 64, (1, 14), generator=torch.Generator().manual_seed(3))
            loss = model(input_ids=text, labels=labels).loss
            golden["labels"] = labels[0].tolist()
        if not (is_encoder or head or name.endswith("-online")) or head == "MaskedLM":
            # Loss and gradient norm over all published parameters, as training from this checkpoint computes them.
            if not is_pair and not head: loss = model(input_ids=text, labels=text, **more).loss
            loss.backward()
            golden["loss"] = float(loss.detach())
            # Computed positions are no parameters of ours.
            norms = [p.grad.double().square().sum() for key, p in model.named_parameters() if p.grad is not None
                     and not (kind in ("Marian", "Pegasus", "RoFormer") and "embed_positions" in key)]
            golden["gradient_norm"] = float(sum(norms).sqrt())
        with open(os.path.join(here, "families", name + ".json"), "w") as file:
            json.dump(golden, file, separators=(",", ":"))
            file.write("\n")
        shutil.rmtree(folder)
        print(name, tuple(numbers.shape), float(numbers.abs().max()))
    except Exception as error:
        print("FAILED", name, type(error).__name__, str(error)[:300])
