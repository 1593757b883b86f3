"""Writes loss_curve/: a small random Llama and a GPT-2, as transformers saves them, and the losses of 200 steps of
AdamW in PyTorch from there, with clipping and a cosine schedule.

    python make_loss_curve.py        (needs torch and transformers)
"""
import json, math, pathlib
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

torch.set_num_threads(1)
here = pathlib.Path(__file__).parent
STEPS, BATCH, LENGTH, VOCABULARY = 200, 4, 24, 96


def token(step, row, place):
    """A sequence with something to learn: an arithmetic progression that begins anywhere."""
    start, stride = (step * 7 + row * 13) % VOCABULARY, 1 + (step + row) % 5
    return (start + stride * place) % VOCABULARY


def rate(step, highest=3e-3, lowest=3e-4, warmup=10, total=STEPS):
    if step < warmup:
        return highest * step / warmup
    return lowest + (highest - lowest) * (1 + math.cos(math.pi * (step - warmup) / (total - warmup))) / 2


def run(name, model):
    folder = here / name
    model.save_pretrained(folder, safe_serialization=True)
    for extra in folder.glob("generation_config.json"):
        extra.unlink()
    model = model.float()
    decayed = [p for p in model.parameters() if p.dim() > 1]
    other = [p for p in model.parameters() if p.dim() <= 1]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.1}, {"params": other, "weight_decay": 0.0}],
                                  lr=1e-3, betas=(0.9, 0.95), eps=1e-8)
    losses, norms = [], []
    for step in range(STEPS):
        ids = torch.tensor([[token(step, row, place) for place in range(LENGTH + 1)] for row in range(BATCH)])
        logits = model(input_ids=ids[:, :-1]).logits
        loss = torch.nn.functional.cross_entropy(logits.reshape(-1, VOCABULARY), ids[:, 1:].reshape(-1))
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0).item())
        for group in optimizer.param_groups:
            group["lr"] = rate(step)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    (folder / "curve.json").write_text(json.dumps({"losses": losses, "norms": norms}))
    print(name, losses[0], losses[-1])


torch.manual_seed(0)
run("llama", LlamaForCausalLM(LlamaConfig(
    vocab_size=VOCABULARY, hidden_size=32, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=64, tie_word_embeddings=False, attn_implementation="eager")))
run("gpt2", GPT2LMHeadModel(GPT2Config(
    vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=4, n_positions=64, resid_pdrop=0, embd_pdrop=0, attn_pdrop=0,
    attn_implementation="eager")))
