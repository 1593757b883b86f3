#!/usr/bin/env python3
"""Holds lm-eval's log-likelihoods, got through a server, against those computed in this program's own process.

  compare.py MARTLET MODEL SERVER_URL SAMPLES.jsonl

SAMPLES.jsonl is what `lm_eval run --log_samples` wrote. Prints the largest difference and both accuracies.
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import urllib.request

import numpy
from safetensors.numpy import load_file

program, model, server, samples = sys.argv[1:5]


def tokens(text):
    body = json.dumps({"prompt": text, "add_special_tokens": False}).encode()
    request = urllib.request.Request(server + "/tokenize", body, {"content-type": "application/json"})
    return json.load(urllib.request.urlopen(request))["tokens"]


def score(context, continuation):
    whole, start = tokens(context + continuation), len(tokens(context))
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "logits.safetensors"
        ids = ",".join(map(str, whole))
        subprocess.run([program, "logits", model, "--ids", ids, "--out", out], check=True, capture_output=True)
        logits = load_file(out)["logits"].astype(numpy.float64).reshape(len(whole), -1)
    rows = logits[start - 1:len(whole) - 1]
    logs = rows - rows.max(1, keepdims=True)
    logs -= numpy.log(numpy.exp(logs).sum(1, keepdims=True))
    return float(sum(logs[i, t] for i, t in enumerate(whole[start:])))


worst, theirs, ours, count = 0.0, 0, 0, 0
for line in open(samples, encoding="utf-8"):
    sample = json.loads(line)
    pairs = [(a["arg_0"], a["arg_1"]) for a in sample["arguments"].values()]
    remote = [float(r[0][0]) for r in sample["resps"]]
    own = [score(*pair) for pair in pairs]
    worst = max(worst, *(abs(a - b) for a, b in zip(remote, own)))
    theirs += int(numpy.argmax(remote)) == int(sample["target"])
    ours += int(numpy.argmax(own)) == int(sample["target"])
    count += 1
print(f"{count} questions: accuracy {theirs / count:.6f} through lm-eval, {ours / count:.6f} in process; "
      f"largest difference of a log-likelihood {worst:.2e}")
