#!/usr/bin/env python3
"""How far float32 is from float64: transformers in float32, and `martlet logits` with and without --exact, against transformers
in float64 with the angles of the rotation in float64 too.

  exact_error.py MARTLET FOLDER [--texts N] [--tokens N] [--gguf FILE]

FOLDER holds float32 weights as transformers reads them; martlet reads the same folder, or FILE. Texts are the first sentences of
this repository's documentation. Prints one line of JSON: for each of the three the largest error of a token's log-probability and
of a whole text's log-likelihood (relative above 1), and the root mean square of the former.
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from double_angles import use_double_angles

program, folder = sys.argv[1:3]


def option(name, usual):
    return sys.argv[sys.argv.index(name) + 1] if name in sys.argv else usual


count, length, file = int(option("--texts", 4)), int(option("--tokens", 96)), option("--gguf", folder)
torch.set_num_threads(1)


def logits_of(dtype, texts):
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
    if dtype == torch.float64:
        use_double_angles(model)
    with torch.no_grad():
        return [model(torch.tensor([ids])).logits[0].double() for ids in texts]


def ours(ids, *flags):
    with tempfile.TemporaryDirectory() as scratch:
        out = f"{scratch}/logits.safetensors"
        subprocess.run([program, "logits", file, *flags, "--ids", ",".join(map(str, ids)), "--out", out], check=True,
                       capture_output=True)
        return load_file(out)["logits"].double().reshape(len(ids), -1)


def told(logits, texts):
    """The log-probability of every token but the first, text after text."""
    return [torch.log_softmax(rows[:-1], -1)[range(len(ids) - 1), ids[1:]] for rows, ids in zip(logits, texts)]


def error(found, expected):
    tokens = torch.cat([a - b for a, b in zip(found, expected)])
    sums = [abs(float(a.sum() - b.sum())) / max(1, abs(float(b.sum()))) for a, b in zip(found, expected)]
    return {"token": float(tokens.abs().max()), "token_rms": float(tokens.square().mean().sqrt()), "text": max(sums),
            "text_absolute": max(abs(float(a.sum() - b.sum())) for a, b in zip(found, expected))}


tokenizer = AutoTokenizer.from_pretrained(folder)
words = (pathlib.Path(__file__).resolve().parents[2] / "docs" / "architecture.md").read_text(encoding="utf-8")
ids = tokenizer(words, add_special_tokens=False)["input_ids"]
texts = [ids[start * length:(start + 1) * length] for start in range(count)]
expected = told(logits_of(torch.float64, texts), texts)
report = {"texts": count, "tokens": length, "transformers_float32": error(told(logits_of(torch.float32, texts), texts), expected)}
for name, flags in (("martlet_exact", ["--exact"]), ("martlet", [])):
    report[name] = error(told([ours(text, *flags) for text in texts], texts), expected)
print(json.dumps(report))
