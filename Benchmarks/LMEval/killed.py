#!/usr/bin/env python3
"""Kills `martlet eval` three times (SIGKILL) and lets it go on: the results are those of a run that nobody killed, and no
request is computed twice.

  killed.py MARTLET MODEL DATA_DIR [LIMIT] [--tokens N]        gsm8k_test.jsonl and gsm8k_train.jsonl lie in DATA_DIR

With --tokens the replies have N tokens at most: a task file of the same questions with two examples, for slow machines.
"""
import glob
import json
import pathlib
import subprocess
import sys
import tempfile
import time

program, model, data = sys.argv[1:4]
limit = sys.argv[4] if len(sys.argv) > 4 and not sys.argv[4].startswith("--") else "100"
scratch = tempfile.TemporaryDirectory()
task, name = "gsm8k", "gsm8k"
if "--tokens" in sys.argv:
    name, task = "gsm8k_short", scratch.name + "/gsm8k_short.yaml"
    pathlib.Path(task).write_text(f"""task: gsm8k_short
dataset_path: json
dataset_kwargs:
  data_files:
    test: {pathlib.Path(data).resolve()}/gsm8k_test.jsonl
    train: {pathlib.Path(data).resolve()}/gsm8k_train.jsonl
test_split: test
fewshot_split: train
fewshot_config:
  sampler: first_n
num_fewshot: 2
output_type: generate_until
doc_to_text: "Question: {{{{question}}}}\\nAnswer:"
doc_to_target: "{{{{answer}}}}"
generation_kwargs:
  until: ["Question:"]
  max_gen_toks: {int(sys.argv[sys.argv.index("--tokens") + 1])}
metric_list:
  - metric: exact_match
    regexes_to_ignore: [",", "\\\\$", "(?s).*#### "]
""", encoding="utf-8")


def command(out):
    return [program, "eval", model, "--tasks", task, "--limit", limit, "--data-dir", data, "--out", out]


def lines(out):
    found = glob.glob(f"{out}/*/answers.jsonl")
    return pathlib.Path(found[0]).read_bytes().count(b"\n") if found else 0


def results(out):
    """Everything but when it was and how long it took."""
    value = json.load(open(glob.glob(f"{out}/*/results_*.json")[0]))
    for key in ("date", "total_evaluation_time_seconds"):
        del value[key]
    for key in ("requests_computed", "requests_reused"):
        del value["martlet"][key]
    return value


def samples(out):
    return pathlib.Path(glob.glob(f"{out}/*/samples_{name}_*.jsonl")[0]).read_bytes()


with tempfile.TemporaryDirectory() as folder:
    whole, killed = f"{folder}/whole", f"{folder}/killed"
    kills = []
    for part in (1, 2, 3):
        process = subprocess.Popen(command(killed), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while lines(killed) < 1 + part * int(limit) // 4 and process.poll() is None:
            time.sleep(0.05)
        process.kill()
        process.wait()
        kills.append(lines(killed) - 1)
    subprocess.run(command(killed), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    subprocess.run(command(whole), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    keys = [json.loads(line).get("key") for line in open(glob.glob(f"{killed}/*/answers.jsonl")[0])][1:]
    report = {"killed_after": kills, "same_results": results(whole) == results(killed),
              "same_samples": samples(whole) == samples(killed), "answers": len(keys), "twice": len(keys) - len(set(keys))}
    print(json.dumps(report))
    sys.exit(0 if report["same_results"] and report["same_samples"] and not report["twice"] else 1)
