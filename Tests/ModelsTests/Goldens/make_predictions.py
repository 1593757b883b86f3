"""Makes predictions.json: loss and gradient norm of a DeepSeek V3 with two modules of multi-token prediction, by
transformers' layers put together as the paper's equations 21 to 25 say.

    python make_predictions.py      # needs torch, transformers, numpy; reads families/deepseek_v3.json
"""
import json, os
import torch
import transformers as t
from transformers.models.deepseek_v3 import modeling_deepseek_v3 as d

from golden_values import values

here = os.path.dirname(os.path.abspath(__file__))
WEIGHT, MODULES = 0.3, 2

golden = json.load(open(os.path.join(here, "families", "deepseek_v3.json")))
config = t.DeepseekV3Config(**golden["config"])
config._attn_implementation = "eager"
ids = torch.tensor([golden["ids"]])
layers, hidden, experts = config.num_hidden_layers, config.hidden_size, config.n_routed_experts
model = t.DeepseekV3ForCausalLM(config).float().eval()
blocks = torch.nn.ModuleList([d.DeepseekV3DecoderLayer(config, layers - 1) for _ in range(MODULES)]).float().eval()
made = {name: values(name, base, shape) for name, base, *shape in golden["tensors"]}
bases = {name: base for name, base, *shape in golden["tensors"]}
extra = []


def fill(module, prefix, source):
    """The parameters of a module, from the golden's tensors or, for a new layer, from its own names."""
    def stored(name, like):
        if source is None: return made[name]
        base = bases[name.replace(prefix, source)]
        shape = made[name.replace(prefix, source)].shape
        if not any(e[0] == name for e in extra): extra.append([name, base, *shape])
        return values(name, base, tuple(shape))
    with torch.no_grad():
        for name, parameter in list(module.named_parameters()) + list(module.named_buffers()):
            full = prefix + name
            if name.endswith("experts.gate_up_proj"):
                head = full[: -len("gate_up_proj")]
                parameter.copy_(torch.stack([torch.cat([stored(f"{head}{e}.gate_proj.weight", 0),
                                                        stored(f"{head}{e}.up_proj.weight", 0)]) for e in range(experts)]))
            elif name.endswith("experts.down_proj"):
                head = full[: -len("down_proj")]
                parameter.copy_(torch.stack([stored(f"{head}{e}.down_proj.weight", 0) for e in range(experts)]))
            elif "rotary" in name or "inv_freq" in name: continue
            else: parameter.copy_(stored(full, parameter))


fill(model, "", None)
norms, projections = [], []
for k in range(MODULES):
    prefix = f"model.layers.{layers + k}."
    fill(blocks[k], prefix, f"model.layers.{layers - 1}.")
    own = []
    for name in ("enorm", "hnorm", "shared_head.norm"):
        norm = d.DeepseekV3RMSNorm(hidden, config.rms_norm_eps)
        with torch.no_grad(): norm.weight.copy_(values(f"{prefix}{name}.weight", 1, (hidden,)))
        extra.append([f"{prefix}{name}.weight", 1, hidden])
        own.append(norm)
    norms.append(torch.nn.ModuleList(own))
    projection = torch.nn.Linear(2 * hidden, hidden, bias=False)
    with torch.no_grad(): projection.weight.copy_(values(f"{prefix}eh_proj.weight", 0, (hidden, 2 * hidden)))
    extra.append([f"{prefix}eh_proj.weight", 0, hidden, 2 * hidden])
    projections.append(projection)
everything = torch.nn.ModuleList([model, blocks, *norms, *projections])
states = model.model(input_ids=ids).last_hidden_state
count = ids.shape[1] - 1
cross = lambda logits, wanted: torch.nn.functional.cross_entropy(logits, wanted, reduction="sum") / count
loss = cross(model.lm_head(states[0, :-1]), ids[0, 1:])
positions = torch.arange(ids.shape[1])[None]
further = []
for k in range(MODULES):
    # Token k + 1 places behind each; what is beyond the end is token 0 and is not learnt from.
    next_ids = torch.zeros_like(ids)
    next_ids[0, : ids.shape[1] - 1 - k] = ids[0, 1 + k:]
    embedded = model.model.embed_tokens(next_ids)
    joined = torch.cat([norms[k][0](embedded), norms[k][1](states)], -1)
    x = projections[k](joined)
    mask = torch.full((1, 1, ids.shape[1], ids.shape[1]), float("-inf")).triu(1)
    x = blocks[k](x, attention_mask=mask, position_ids=positions,
                  position_embeddings=model.model.rotary_emb(x, positions))
    states = x[0] if isinstance(x, tuple) else x
    logits = model.lm_head(norms[k][2](states))
    further.append(cross(logits[0, : ids.shape[1] - 2 - k], ids[0, 2 + k:]))
total = loss + WEIGHT / MODULES * sum(further)
total.backward()
norm = sum(p.grad.double().square().sum() for p in everything.parameters() if p.grad is not None).sqrt()
assert abs(float(loss.detach()) - golden["loss"]) < 1e-4, (float(loss.detach()), golden["loss"])
with open(os.path.join(here, "predictions.json"), "w") as file:
    json.dump(dict(tensors=extra, weight=WEIGHT, loss=float(total.detach()), next_loss=float(loss.detach()),
                   further=[float(one.detach()) for one in further], gradient_norm=float(norm)), file, separators=(",", ":"))
    file.write("\n")
print(float(total.detach()), [float(one.detach()) for one in further], float(norm), len(extra))
