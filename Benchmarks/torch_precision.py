"""PyTorch's training step on the CPU with products in lower precision, one JSON line: the counterpart of
`train-step CASE STEPS high|medium`, with the same shapes and the same optimiser.

Usage: torch_precision.py cs336|llama15m|gpt2 highest|high|medium|autocast [compile]

highest, high and medium are `torch.set_float32_matmul_precision`; autocast is `torch.autocast` to bfloat16.
"""

import contextlib
import json
import sys
import time

import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

torch.set_num_threads(2)
case, precision = sys.argv[1:3]
if case == "gpt2":
    vocabulary, batch, length = 50257, 4, 64
    model = GPT2LMHeadModel(GPT2Config(resid_pdrop=0, embd_pdrop=0, attn_pdrop=0))
else:
    vocabulary, width, inner, layers, heads, tied = {
        "llama15m": (32000, 288, 768, 6, 6, True), "cs336": (10000, 512, 1344, 4, 16, False)}[case]
    batch, length = 8, 256
    model = LlamaForCausalLM(LlamaConfig(
        vocab_size=vocabulary, hidden_size=width, intermediate_size=inner, num_hidden_layers=layers,
        num_attention_heads=heads, max_position_embeddings=256, tie_word_embeddings=tied))
if precision != "autocast":
    torch.set_float32_matmul_precision(precision)
context = torch.autocast("cpu", torch.bfloat16) if precision == "autocast" else contextlib.nullcontext()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)
step_model = torch.compile(model) if "compile" in sys.argv else model
tokens = torch.randint(0, vocabulary, (batch, length))
times = []
for step in range(8):
    start = time.time()
    with context:
        loss = step_model(input_ids=tokens, labels=tokens).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad()
    if step >= 3:
        times.append(time.time() - start)
median = sorted(times)[len(times) // 2]
print(json.dumps({
    "peer": "torch " + torch.__version__, "case": case, "products": precision, "compile": "compile" in sys.argv,
    "tok_per_s": round(batch * length / median, 1), "loss": loss.item()}))
