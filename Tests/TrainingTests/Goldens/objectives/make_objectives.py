"""Losses of preferences, rewards, policies and distillation with their gradients, by TRL's own code.

    python make_objectives.py      (torch, transformers and trl) writes policy/, reference/, cases.json and
                                   gradients.safetensors beside itself

Two tiny Llamas are policy and reference. TRL's loss functions are called on objects that hold no more than what they
read; everything is computed in float64. A gradient is kept of three parameters: embedding (which is the head too),
queries of the layer, last norm.
"""
import json
import math
import pathlib
import types
from collections import defaultdict

import torch
import torch.nn.functional as F
import transformers
from safetensors.torch import save_file
from trl import DPOTrainer, GRPOTrainer, KTOTrainer, RewardTrainer
from trl.experimental.cpo import CPOTrainer
from trl.experimental.gkd import GKDTrainer
from trl.experimental.orpo import ORPOTrainer

HERE = pathlib.Path(__file__).parent
torch.manual_seed(7)
CONFIG = dict(
    vocab_size=24, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
    num_key_value_heads=1, head_dim=8, max_position_embeddings=64, tie_word_embeddings=True, rms_norm_eps=1e-5,
    initializer_range=0.35, bos_token_id=None, eos_token_id=0, pad_token_id=None)


def model(name):
    m = transformers.LlamaForCausalLM(transformers.LlamaConfig(**CONFIG))
    torch.nn.init.normal_(m.model.norm.weight, 1, 0.1)
    (HERE / name).mkdir(exist_ok=True)
    m.save_pretrained(HERE / name)
    return m.double().eval()


policy, reference = model("policy"), model("reference")
KEPT = {"embed": policy.model.embed_tokens.weight, "query": policy.model.layers[0].self_attn.q_proj.weight,
        "norm": policy.model.norm.weight}
generator = torch.Generator().manual_seed(3)


def ids(count):
    return torch.randint(1, 24, (count,), generator=generator).tolist()


PAIRS = [dict(prompt=ids(p), chosen=ids(c), rejected=ids(r)) for p, c, r in [(3, 5, 4), (6, 2, 7), (1, 6, 3)]]
MARGINS = [0.5, 1.5, 0.25]
JUDGED = [dict(prompt=ids(p), reply=ids(c), label=l) for p, c, l in [(3, 4, True), (5, 3, False), (2, 6, True), (4, 2, False)]]
cases, gradients = {"pairs": PAIRS, "judged": JUDGED, "margins": MARGINS, "losses": {}}, {}


def padded(rows, value=0):
    length = max(map(len, rows))
    return torch.tensor([row + [value] * (length - len(row)) for row in rows])


def fused(m, input_ids, attention_mask, labels, **_):
    """What TRL's fused head gives, from whole logits."""
    logits = m(input_ids=input_ids, attention_mask=attention_mask).logits[:, :-1]
    logp = logits.log_softmax(-1)
    target = labels[:, 1:]
    picked = logp.gather(-1, target.clamp(min=0)[..., None])[..., 0]
    return types.SimpleNamespace(
        log_probs=torch.where(target != -100, picked, torch.zeros_like(picked)), entropy=-(logp.exp() * logp).sum(-1),
        mean_logits=logits.mean(-1), is_top1=logits.argmax(-1) == target)


class Caller:
    """A model as the trainers call it."""
    training = True

    def __init__(self, m): self.m = m
    def __call__(self, **kwargs): return fused(self.m, **kwargs)


accelerator = types.SimpleNamespace(
    device="cpu", gather=lambda x: x, gather_for_metrics=lambda x: x, num_processes=1, sync_gradients=True,
    unwrap_model=lambda m: m, reduce=lambda x, reduction: x)


def keep(name, loss, metrics=None):
    policy.zero_grad()
    loss.backward()
    for key, p in KEPT.items():
        # Of the embedding half the rows: what there is to see is seen.
        gradients[f"{name}.{key}"] = p.grad[:12].clone().float() if key == "embed" else p.grad.clone().float()
    cases["losses"][name] = dict(loss=loss.item(), metrics=metrics or {})


def pair_inputs():
    rows = [p["prompt"] + p["chosen"] for p in PAIRS] + [p["prompt"] + p["rejected"] for p in PAIRS]
    masks = [[0] * len(p["prompt"]) + [1] * len(p["chosen"]) for p in PAIRS]
    masks += [[0] * len(p["prompt"]) + [1] * len(p["rejected"]) for p in PAIRS]
    return dict(input_ids=padded(rows), attention_mask=padded([[1] * len(r) for r in rows]),
                completion_mask=padded(masks))


def dpo(name, losses, weights=None, beta=0.1, smoothing=0.0, ld_alpha=None, divergence="reverse_kl", free=False):
    inputs = pair_inputs()
    metrics = defaultdict(list)
    ns = types.SimpleNamespace(
        model=policy, accelerator=accelerator, aux_loss_enabled=False, ld_alpha=ld_alpha, precompute_ref_logps=False,
        ref_model=Caller(reference), args=types.SimpleNamespace(gradient_checkpointing_kwargs=None, discopop_tau=0.05),
        f_divergence_type=divergence, f_alpha_divergence_coef=0.5, loss_types=losses,
        loss_weights=weights or [1.0] * len(losses), beta=beta, label_smoothing=smoothing, use_weighting=False,
        _metrics={"train": metrics, "eval": metrics}, _total_train_tokens=0, _tp_size=1)
    if free:
        ns.precompute_ref_logps = True
        inputs |= dict(ref_chosen_logps=torch.zeros(3).double(), ref_rejected_logps=torch.zeros(3).double())
    loss = DPOTrainer._compute_loss(ns, Caller(policy), inputs, False)
    keep(name, loss, {k: v[-1] for k, v in metrics.items() if k != "num_tokens"})


for kind in ["sigmoid", "hinge", "ipo", "nca_pair", "bco_pair", "sppo_hard", "aot", "aot_unpaired", "apo_zero", "apo_down",
             "discopop", "sigmoid_norm"]:
    dpo(f"dpo/{kind}", [kind], beta=0.3)
for kind in ["robust", "exo_pair"]:
    dpo(f"dpo/{kind}", [kind], beta=0.3, smoothing=0.1)
dpo("dpo/aot/smoothed", ["aot"], beta=0.3, smoothing=0.1)
dpo("dpo/mixed", ["sigmoid", "bco_pair", "sft"], [0.8, 0.2, 1.0])
dpo("dpo/desensitised", ["sigmoid"], ld_alpha=0.4)
dpo("dpo/reference-free", ["sigmoid"], free=True)
for divergence in ["forward_kl", "js_divergence"]:
    dpo(f"dpo/{divergence}", ["sigmoid"], beta=0.3, divergence=divergence)


def free_inputs():
    inputs = pair_inputs()
    logits = policy(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).logits
    labels = inputs["input_ids"].masked_fill(inputs["completion_mask"] == 0, -100)
    return inputs, logits, labels


def nll(logits, labels):
    return F.cross_entropy(logits[:, :-1].reshape(-1, 24), labels[:, 1:].reshape(-1))


def cpo(name, kind, beta=0.3, smoothing=0.0, gamma=0.5, cpo_alpha=1.0, alpha=0.0):
    inputs, logits, labels = free_inputs()
    ns = types.SimpleNamespace(accelerator=accelerator, alpha=alpha, loss_type=kind, simpo_gamma=gamma, beta=beta,
                               label_smoothing=smoothing)
    logps = CPOTrainer.get_batch_logps(logits, labels.clone(), average_log_prob=kind in ["ipo", "simpo"])
    losses, chosen, rejected = CPOTrainer.cpo_loss(ns, logps[:3], logps[3:])
    likelihood = nll(logits[:3], labels[:3]) if cpo_alpha else torch.tensor(0.0)
    keep(name, losses.mean() + cpo_alpha * likelihood, {
        "rewards/chosen": chosen.mean().item(), "rewards/rejected": rejected.mean().item(),
        "rewards/accuracies": (chosen > rejected).double().mean().item(),
        "rewards/margins": (chosen - rejected).mean().item(), "logps/chosen": logps[:3].mean().item(),
        "logps/rejected": logps[3:].mean().item(), "nll_loss": likelihood.item()})


for kind in ["sigmoid", "hinge", "ipo"]:
    cpo(f"cpo/{kind}", kind)
cpo("cpo/smoothed", "sigmoid", smoothing=0.1, cpo_alpha=0.5)
cpo("cpo/simpo", "simpo", beta=2.0, cpo_alpha=0.0)
cpo("cpo/alphapo", "simpo", beta=2.0, cpo_alpha=0.0, alpha=0.25)


def orpo():
    inputs, logits, labels = free_inputs()
    ns = types.SimpleNamespace(accelerator=accelerator, beta=0.1)
    logps = ORPOTrainer.get_batch_logps(logits, labels.clone(), average_log_prob=True)
    # TRL casts to float32 there; the same in float64.
    c, r = logps[:3], logps[3:]
    c.float, r.float = (lambda: c), (lambda: r)
    losses, chosen, rejected, ratio, odds = ORPOTrainer.odds_ratio_loss(ns, c, r)
    whole = inputs["input_ids"].masked_fill(inputs["attention_mask"] == 0, -100)
    likelihood = nll(logits[:3], whole[:3])
    keep("orpo", likelihood - losses.mean(), {
        "rewards/margins": (chosen - rejected).mean().item(), "nll_loss": likelihood.item(),
        "log_odds_ratio": ratio.item(), "log_odds_chosen": odds.item()})


orpo()


def kto(name, kind, desirable=1.0, undesirable=1.0):
    rows = [j["prompt"] + j["reply"] for j in JUDGED]
    masks = [[0] * len(j["prompt"]) + [1] * len(j["reply"]) for j in JUDGED]
    # Each prompt with the reply of the one before it.
    others = [j["prompt"] + JUDGED[i - 1]["reply"] for i, j in enumerate(JUDGED)]
    other_masks = [[0] * len(j["prompt"]) + [1] * len(JUDGED[i - 1]["reply"]) for i, j in enumerate(JUDGED)]
    inputs = dict(
        input_ids=padded(rows), attention_mask=padded([[1] * len(r) for r in rows]), completion_mask=padded(masks),
        KL_input_ids=padded(others), KL_attention_mask=padded([[1] * len(r) for r in others]),
        KL_completion_mask=padded(other_masks), label=torch.tensor([j["label"] for j in JUDGED]))
    metrics = defaultdict(list)
    ns = types.SimpleNamespace(
        model=policy, accelerator=accelerator, aux_loss_enabled=False, precompute_ref_logps=False,
        ref_model=Caller(reference), args=types.SimpleNamespace(gradient_checkpointing_kwargs=None),
        calculate_KL=kind == "kto", loss_type=kind, beta=0.3, desirable_weight=desirable,
        undesirable_weight=undesirable, _metrics={"train": metrics, "eval": metrics}, _total_train_tokens=0, _tp_size=1)
    ns._compute_kl_logps = types.MethodType(KTOTrainer._compute_kl_logps, ns)
    loss = KTOTrainer._compute_loss(ns, Caller(policy), inputs, False)
    keep(name, loss, {k: v[-1] for k, v in metrics.items() if k != "num_tokens"})


kto("kto/kto", "kto")
kto("kto/weighted", "kto", 1.5, 0.5)
kto("kto/apo_zero_unpaired", "apo_zero_unpaired")


def reward(name, margins, centre):
    """A head on the hidden state of the last token: the embedding of token 1 stands in for it."""
    inputs = pair_inputs()
    head = policy.model.embed_tokens.weight[1]
    hidden = policy.model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).last_hidden_state
    last = inputs["attention_mask"].sum(1) - 1
    logits = (hidden[torch.arange(6), last] @ head)[:, None]
    metrics = defaultdict(list)
    ns = types.SimpleNamespace(
        model=policy, accelerator=accelerator, args=types.SimpleNamespace(center_rewards_coefficient=centre),
        _metrics={"train": metrics, "eval": metrics}, _total_train_tokens=0, _tp_size=1)
    given = dict(attention_mask=inputs["attention_mask"])
    if margins:
        given["margin"] = torch.tensor(MARGINS).double()
    loss = RewardTrainer.compute_loss(ns, lambda **_: types.SimpleNamespace(logits=logits), given)
    keep(name, loss, {k: v[-1] for k, v in metrics.items() if k != "num_tokens"})


reward("reward/plain", False, None)
reward("reward/margin", True, 0.01)

# Policies: two groups of two replies, written by something near the policy.
REPLIES = [dict(prompt=ids(p), reply=ids(c)) for p, c in [(3, 5), (3, 2), (4, 6), (4, 3)]]
ADVANTAGES = [1.0, -1.0, 0.4, -0.7]
OLD = [[0.0] * len(r["reply"]) for r in REPLIES]
with torch.no_grad():
    for row, reply in enumerate(REPLIES):
        whole = torch.tensor([reply["prompt"] + reply["reply"]])
        logp = policy(input_ids=whole).logits[0, :-1].log_softmax(-1)
        for place, token in enumerate(reply["reply"]):
            OLD[row][place] = logp[len(reply["prompt"]) - 1 + place, token].item()
            OLD[row][place] += 0.45 * torch.randn((), generator=generator, dtype=torch.float64).item()
cases["replies"] = [r | dict(old=o, advantage=a) for r, o, a in zip(REPLIES, OLD, ADVANTAGES)]


def grpo(name, kind, level="token", low=0.2, high=0.2, beta=0.0, delta=None):
    longest = max(len(r["prompt"]) for r in REPLIES)
    prompts = torch.tensor([[0] * (longest - len(r["prompt"])) + r["prompt"] for r in REPLIES])
    prompt_mask = torch.tensor([[0] * (longest - len(r["prompt"])) + [1] * len(r["prompt"]) for r in REPLIES])
    replies, mask = padded([r["reply"] for r in REPLIES]), padded([[1] * len(r["reply"]) for r in REPLIES])

    def chances(m, *_, **__):
        full, seen = torch.cat([prompts, replies], 1), torch.cat([prompt_mask, mask], 1)
        places = (seen.cumsum(1) - 1).clamp(min=0)
        logits = m(input_ids=full, attention_mask=seen, position_ids=places).logits[:, :-1][:, -replies.size(1):]
        logp = logits.log_softmax(-1)
        return logp.gather(-1, replies[..., None])[..., 0], -(logp.exp() * logp).sum(-1), None

    with torch.no_grad():
        old = chances(reference)[0]
    inputs = dict(prompt_ids=prompts, prompt_mask=prompt_mask, completion_ids=replies, completion_mask=mask,
                  advantages=torch.tensor(ADVANTAGES).double(), old_per_token_logps=padded(OLD, 0.0).double(),
                  num_items_in_batch=mask.sum(), ref_per_token_logps=old)
    metrics = defaultdict(list)
    ns = types.SimpleNamespace(
        model=policy, accelerator=accelerator, aux_loss_enabled=False, top_entropy_quantile=1.0,
        off_policy_mask_threshold=None, importance_sampling_level=level, beta=beta, loss_type=kind, epsilon_low=low,
        epsilon_high=high, use_vllm=False, current_gradient_accumulation_steps=1, max_completion_length=8,
        _entropy_bonus_enabled=False, _metrics={"train": metrics, "eval": metrics}, use_adaptive_entropy=False,
        args=types.SimpleNamespace(use_bias_correction_kl=False, delta=delta, steps_per_generation=1,
                                   sapo_temperature_pos=1.0, sapo_temperature_neg=1.05))
    ns._get_per_token_logps_and_entropies = chances
    loss = GRPOTrainer._compute_loss(ns, policy, inputs)
    keep(name, loss, {k: v[-1] for k, v in metrics.items() if not math.isnan(v[-1])})


policy.training = True
grpo("grpo/grpo", "grpo")
grpo("grpo/bnpo", "bnpo")
grpo("grpo/dr_grpo", "dr_grpo")
grpo("grpo/dapo", "dapo", low=0.2, high=0.28)
grpo("grpo/gspo", "grpo", level="sequence", low=0.1, high=0.15)
grpo("grpo/cispo", "cispo", high=0.5)
grpo("grpo/kl", "dapo", beta=0.04)
grpo("grpo/delta", "dapo", delta=1.3)


def distil(name, beta, temperature):
    """Student on teacher over the replies of the chosen sides."""
    inputs = pair_inputs()
    given = dict(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])
    with torch.no_grad():
        teacher = reference(**given).logits[:, :-1]
    student = policy(**given).logits[:, :-1]
    labels = inputs["input_ids"].masked_fill(inputs["completion_mask"] == 0, -100)[:, 1:]
    keep(name, GKDTrainer.generalized_jsd_loss(student, teacher, labels, beta, temperature))


distil("distil/forward", 0, 1.0)
distil("distil/reverse", 1, 1.0)
distil("distil/half", 0.5, 1.0)
distil("distil/warm", 0.3, 2.0)

save_file(gradients, HERE / "gradients.safetensors")
(HERE / "cases.json").write_text(json.dumps(cases, separators=(",", ":")))
