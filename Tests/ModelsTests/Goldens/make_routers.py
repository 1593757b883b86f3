"""Makes routers.json: losses and gradient norms of a mixture in training, by transformers' Qwen 3 MoE with the choice of
experts written out token by token.

    python make_routers.py      # needs torch, transformers, numpy; reads families/qwen3_moe.json

Cases: the losses of routers beside that of tokens, capacity with dropped tokens (Switch Transformers, best experts of all
tokens first), experts that choose their tokens (Zhou et al. 2022). The balance loss of a layer is transformers' own
function; the case takes the mean over the layers.
"""
import json, math, os
import torch
import transformers as t
from transformers.models.qwen3_moe import modeling_qwen3_moe as q

from golden_values import values

here = os.path.dirname(os.path.abspath(__file__))

golden = json.load(open(os.path.join(here, "families", "qwen3_moe.json")))
config = t.Qwen3MoeConfig(**golden["config"])
config._attn_implementation = "eager"
ids = torch.tensor([golden["ids"]])
experts, active = config.num_experts, config.num_experts_per_tok
seen, mode, factor = [], "tokens", None


def block(self, hidden):
    x = hidden.reshape(-1, hidden.shape[-1])
    logits = torch.nn.functional.linear(x, self.gate.weight)
    seen.append(logits)
    p, tokens = logits.softmax(-1), x.shape[0]

    def expert(e, row):
        gate, up = torch.nn.functional.linear(row, self.experts.gate_up_proj[e]).chunk(2, -1)
        return torch.nn.functional.linear(torch.nn.functional.silu(gate) * up, self.experts.down_proj[e])

    out = [torch.zeros_like(x[0]) for _ in range(tokens)]
    capacity = math.ceil((factor or 1) * tokens * active / experts)
    if mode == "experts":
        chosen = [[] for _ in range(tokens)]
        for e in range(experts):
            for token in p[:, e].topk(min(capacity, tokens)).indices.tolist(): chosen[token].append(e)
        for token in range(tokens):
            total = sum(p[token, e] for e in chosen[token])
            for e in chosen[token]: out[token] = out[token] + p[token, e] / total * expert(e, x[token])
        drops.append(0)
        loads.append([min(capacity, tokens)] * experts)
    else:
        top, index = p.topk(active, -1)
        top = top / top.sum(-1, keepdim=True)
        used, lost = [0] * experts, 0
        for place in range(active):
            for token in range(tokens):
                e = int(index[token, place])
                if factor is not None and used[e] >= capacity:
                    lost += 1
                    continue
                used[e] += 1
                out[token] = out[token] + top[token, place] * expert(e, x[token])
        drops.append(lost)
        loads.append(used)
    return torch.stack(out).reshape(hidden.shape)


q.Qwen3MoeSparseMoeBlock.forward = block
model = t.Qwen3MoeForCausalLM(config).float().eval()
made = {name: values(name, base, shape) for name, base, *shape in golden["tensors"]}
with torch.no_grad():
    for name, parameter in model.named_parameters():
        if name.endswith("experts.gate_up_proj"):
            head = name[: -len("gate_up_proj")]
            parameter.copy_(torch.stack([torch.cat([made[f"{head}{e}.gate_proj.weight"], made[f"{head}{e}.up_proj.weight"]])
                                         for e in range(experts)]))
        elif name.endswith("experts.down_proj"):
            head = name[: -len("down_proj")]
            parameter.copy_(torch.stack([made[f"{head}{e}.down_proj.weight"] for e in range(experts)]))
        else: parameter.copy_(made[name])
result = {}
for name, (mode, factor, balance, z) in {
    "plain": ("tokens", None, 0, 0), "balance": ("tokens", None, 0.1, 0), "z": ("tokens", None, 0, 0.01),
    "capacity": ("tokens", 0.75, 0.05, 0.01), "tight": ("tokens", 0.3, 0, 0), "experts": ("experts", None, 0, 0.01),
    "experts-few": ("experts", 0.6, 0, 0),
}.items():
    seen, drops, loads = [], [], []
    model.zero_grad()
    loss = model(input_ids=ids, labels=ids).loss
    even = torch.stack([q.load_balancing_loss_func((one,), experts, active) for one in seen]).mean()
    square = torch.stack([one.logsumexp(-1).square().mean() for one in seen]).mean()
    loss = loss + balance * even + z * square
    loss.backward()
    norm = sum(p.grad.double().square().sum() for p in model.parameters() if p.grad is not None).sqrt()
    result[name] = dict(loss=float(loss.detach()), balance_loss=float(even.detach()), z_loss=float(square.detach()), gradient_norm=float(norm),
                        dropped=sum(drops), loads=loads)
assert abs(result["plain"]["loss"] - golden["loss"]) < 1e-5, (result["plain"], golden["loss"])
with open(os.path.join(here, "routers.json"), "w") as file:
    json.dump(result, file, indent=1)
    file.write("\n")
print(json.dumps({k: (v["loss"], v["dropped"]) for k, v in result.items()}))
