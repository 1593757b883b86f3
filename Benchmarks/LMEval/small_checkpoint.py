#!/usr/bin/env python3
"""Writes a small float32 checkpoint as transformers saves it, for six_tasks.py and exact_error.py: a Llama of few layers with
random weights, and the tokenizer of another folder.

  small_checkpoint.py TOKENIZER OUT [--layers N] [--width N] [--seed N]

TOKENIZER is a folder that transformers reads a tokenizer from. Matrices have a deviation of 1 / sqrt(width) and the head is tied to
an embedding of deviation 0.3, so that predictions are neither flat nor certain.
"""
import sys

import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

source, out = sys.argv[1:3]


def option(name, usual):
    return int(sys.argv[sys.argv.index(name) + 1]) if name in sys.argv else usual


layers, width = option("--layers", 2), option("--width", 64)
torch.manual_seed(option("--seed", 7))
tokenizer = AutoTokenizer.from_pretrained(source)
model = LlamaForCausalLM(LlamaConfig(
    vocab_size=len(tokenizer), hidden_size=width, intermediate_size=3 * width, num_hidden_layers=layers,
    num_attention_heads=width // 16, num_key_value_heads=max(width // 32, 1), max_position_embeddings=2048,
    tie_word_embeddings=True, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
    pad_token_id=tokenizer.pad_token_id))
with torch.no_grad():
    for name, parameter in model.named_parameters():
        if parameter.dim() == 2:
            torch.nn.init.normal_(parameter, std=0.3 if "embed_tokens" in name else width ** -0.5)
model.float().save_pretrained(out)
tokenizer.save_pretrained(out)
print(f"{sum(p.numel() for p in model.parameters())} parameters in {out}")
