#!/usr/bin/env python3
"""The same task files through lm-evaluation-harness and through `martlet eval`: every metric, every standard error, every
log-likelihood.

  six_tasks.py server MARTLET MODEL [--exact] [--rows N]     lm-eval asks `martlet serve`, martlet eval computes in process
  six_tasks.py remote MARTLET MODEL [--exact] [--rows N]     the same, and martlet eval asks the server too
  six_tasks.py hf MARTLET FOLDER [--rows N] [--double]       lm-eval's Hugging Face backend in float32, martlet eval --exact;
                                                             --double: lm-eval's in float64, the rotation's angles too,
                                                             which tells our error alone
  --limit X --log-limit Y                                    what numbers and log-likelihoods may differ by

hf: lm-eval's softmax is told to use float64 (softmax_dtype), as ours does; its own float32 one moves a log-likelihood by up to
2e-5, more than the two float32 models differ in.
Needs lm_eval[api] (hf: and torch, transformers). Exits with 1 when a number differs by more than 1e-6 or a log-likelihood
by more than 1e-4, both relative above 1; hf by more than 1e-5 and 2e-5, which two float32 computations of thirty layers
differ in: --limit 1e-6 --log-limit 1e-5 is for the checkpoint of small_checkpoint.py.
"""
import glob
import json
import math
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
os.environ.setdefault("OPENAI_API_KEY", "none")
import lm_eval
import yaml
from lm_eval.tasks import TaskManager

kind, program, model = sys.argv[1:4]
exact = kind == "hf" or "--exact" in sys.argv
dtype = "float64" if "--double" in sys.argv else "float32"


def option(name, usual):
    return type(usual)(sys.argv[sys.argv.index(name) + 1]) if name in sys.argv else usual


ROWS = option("--rows", 24)
NAMES = ["Ann", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gus", "Hana"]
THINGS = ["apples", "pens", "books", "coins", "shells", "stones"]
CAPITALS = [("France", "Paris"), ("Italy", "Rome"), ("Japan", "Tokyo"), ("Egypt", "Cairo"), ("Spain", "Madrid"),
            ("Germany", "Berlin"), ("Greece", "Athens"), ("Norway", "Oslo"), ("Cuba", "Havana"), ("Peru", "Lima"),
            ("Kenya", "Nairobi"), ("Russia", "Moscow")]
SENTENCES = ["The sun rises in the east and sets in the west", "She poured the milk into a tall glass",
             "Water boils when it is hot enough", "A week has seven days and a year has twelve months",
             "He opened the door and walked into the room", "Birds build their nests in the tops of trees",
             "In winter the days are short and the nights are long", "The cat sat down in front of the fire"]


def rows(rng, count):
    """Sums, capitals and sentences in one row, so that each task reads the columns it needs."""
    out = []
    for index in range(count):
        a, b = rng.randint(2, 9), rng.randint(2, 9)
        country, city = CAPITALS[index % len(CAPITALS)]
        others = [c for _, c in rng.sample(CAPITALS, 5) if c != city][:3]
        choices = [city, *others]
        rng.shuffle(choices)
        out.append({
            "question": f"{rng.choice(NAMES)} has {a} {rng.choice(THINGS)} and finds {b} more. How many are there?",
            "answer": f"{a} + {b} = {a + b}. #### {a + b}", "country": country, "choices": choices,
            "label": choices.index(city), "sentence": SENTENCES[index % len(SENTENCES)],
            "letter": "ABCD"[choices.index(city)], "number": index})
    return out


def tasks(folder):
    data = {"dataset_path": "json", "dataset_kwargs": {"data_files": {
        split: f"{folder}/{split}.jsonl" for split in ("test", "train")}}, "test_split": "test",
        "training_split": "train", "metadata": {"version": 1.0}}
    plain = {"metric_list": [{"metric": m} for m in ("acc", "acc_norm", "acc_bytes", "acc_mutual_info", "brier_score")]}
    return [
        {**data, **plain, "task": "six_choice", "output_type": "multiple_choice", "num_fewshot": 3,
         "doc_to_text": "What is the capital of {{country}}?\nAnswer:", "doc_to_choice": "choices", "doc_to_target": "label"},
        {**data, "task": "six_letters", "output_type": "multiple_choice", "num_fewshot": 5, "fewshot_split": "test",
         "description": "The following are questions about capitals.\n\n", "fewshot_delimiter": "\n---\n",
         "doc_to_text": "The capital of {{country}}?\nA. {{choices[0]}}\nB. {{choices[1]}}\nC. {{choices[2]}}\nD. {{choices[3]}}\nAnswer:",
         "doc_to_choice": ["A", "B", "C", "D"], "doc_to_target": "letter",
         "metric_list": [{"metric": "acc"}, {"metric": "mcc"}, {"metric": "exact_match"}]},
        {**data, "task": "six_last_word", "output_type": "loglikelihood",
         "doc_to_text": "{{sentence.split(' ')[:-1]|join(' ')}}", "doc_to_target": "{{' ' + sentence.split(' ')[-1]}}",
         "metric_list": [{"metric": "perplexity"}, {"metric": "acc"}]},
        {**data, "task": "six_rolling", "output_type": "loglikelihood_rolling", "doc_to_text": "",
         "doc_to_target": "{{sentence}}, and {{question}} {{answer}}"},
        {**data, "task": "six_sums", "output_type": "generate_until", "num_fewshot": 2, "fewshot_split": "train",
         "fewshot_config": {"sampler": "first_n"}, "doc_to_text": "Question: {{question}}\nAnswer:",
         "doc_to_target": "{{answer}}", "generation_kwargs": {"until": ["Question:", "\n\n"], "max_gen_toks": 24, "do_sample": False,
                                                             "temperature": 0.0},
         "metric_list": [{"metric": "exact_match", "ignore_case": True, "ignore_punctuation": False,
                          "regexes_to_ignore": [",", "\\$", "(?s).*#### ", "\\.$"]}],
         "filter_list": [
             {"name": "strict", "filter": [{"function": "regex", "regex_pattern": "#### (\\-?[0-9\\.\\,]+)"}, {"function": "take_first"}]},
             {"name": "last", "filter": [{"function": "regex", "group_select": -1, "regex_pattern": "(-?[$0-9.,]{2,})|(-?[0-9]+)"},
                                         {"function": "take_first"}]}]},
        {**data, "task": "six_texts", "output_type": "generate_until", "num_fewshot": 1,
         "doc_to_text": "Repeat: {{sentence}}\nCopy:", "doc_to_target": "{{sentence}}",
         "generation_kwargs": {"until": ["\n"], "max_gen_toks": 16},
         "metric_list": [{"metric": m} for m in ("bleu", "chrf", "ter")]},
        {"group": "six_group", "task": ["six_choice", "six_letters"], "metadata": {"version": 1.0},
         "aggregate_metric_list": [{"metric": "acc", "weight_by_size": True}]},
    ]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def served(names, manager, run_ours):
    port = free_port()
    command = [program, "serve", f"model={model}", "--port", str(port), "--log-level", "error"] + (["--exact"] if exact else [])
    server = subprocess.Popen(command)
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2)
                break
            except OSError:
                time.sleep(0.2)
        began = time.time()
        theirs = lm_eval.simple_evaluate(
            model="local-completions", tasks=names, task_manager=manager, log_samples=True, bootstrap_iters=2000,
            model_args={"model": "model", "base_url": f"http://127.0.0.1:{port}/v1/completions", "num_concurrent": 4,
                        "max_retries": 1, "tokenizer_backend": "auto", "max_length": 2048})
        middle = time.time()
        if kind == "remote":
            run_ours([f"http://127.0.0.1:{port}/v1", "--model", "model"])
        return theirs, middle - began
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()


def in_transformers(names, manager, _):
    from lm_eval.models.huggingface import HFLM
    from double_angles import use_double_angles

    began = time.time()
    loaded = HFLM(pretrained=model, dtype=dtype, softmax_dtype="float64", device="cpu", batch_size=1)
    if dtype == "float64":
        use_double_angles(loaded.model)
    theirs = lm_eval.simple_evaluate(
        model=loaded, tasks=names, task_manager=manager, log_samples=True, bootstrap_iters=2000)
    return theirs, time.time() - began


def numbers(resps):
    """Log-likelihoods and replies of a sample, in order."""
    out = []
    for entry in resps:
        while isinstance(entry, list) and len(entry) == 1:
            entry = entry[0]
        entry = entry if isinstance(entry, (list, tuple)) else [entry]
        out.append(tuple(str(part) for part in entry))
    return out


def main():
    limit_log, limit = (2e-5, 1e-5) if kind == "hf" else (1e-4, 1e-6)
    limit_log, limit = option("--log-limit", limit_log), option("--limit", limit)
    with tempfile.TemporaryDirectory() as folder:
        rng = random.Random(7)
        for split, count in (("test", ROWS), ("train", 12)):
            with open(f"{folder}/{split}.jsonl", "w", encoding="utf-8") as file:
                file.writelines(json.dumps(row) + "\n" for row in rows(rng, count))
        for task in tasks(folder):
            pathlib.Path(folder, (task.get("task") if "group" not in task else task["group"]) + ".yaml").write_text(
                yaml.safe_dump(task, sort_keys=False, allow_unicode=True))
        names = ["six_group", "six_last_word", "six_rolling", "six_sums", "six_texts"]
        manager = TaskManager(include_path=folder, include_defaults=False)
        def run_ours(arguments):
            subprocess.run(
                [program, "eval", *arguments, "--tasks", ",".join(f"{folder}/{name}.yaml" for name in names), "--out",
                 f"{folder}/out", "--bootstrap-iters", "2000"], check=True)

        theirs, seconds = (in_transformers if kind == "hf" else served)(names, manager, run_ours)
        middle = time.time()
        if kind != "remote":
            run_ours([model] + (["--exact"] if exact else []))
        ended = time.time()
        ours = json.load(open(glob.glob(f"{folder}/out/*/results_*.json")[0]))
        bad = worst = count = 0
        for name, scores in theirs["results"].items():
            for key, value in scores.items():
                if "," not in key:
                    continue
                mine = ours["results"][name].get(key)
                count += 1
                if isinstance(value, str) or value is None or (isinstance(value, float) and math.isnan(value)):
                    same = mine in ("N/A", None)
                else:
                    difference = abs(mine - value) / max(1, abs(value)) if isinstance(mine, (int, float)) else math.inf
                    same, worst = difference <= limit, max(worst, difference)
                if not same:
                    bad += 1
                    print(f"{name} {key}: lm-eval {value}, martlet {mine}")
        farthest = logs = replies = 0
        for name, samples in theirs["samples"].items():
            path = glob.glob(f"{folder}/out/*/samples_{name}_*.jsonl")[0]
            own = [json.loads(line) for line in open(path, encoding="utf-8")]
            own = {(s["doc_id"], s["filter"]): s for s in own}
            for sample in samples:
                mine = own[(sample["doc_id"], sample["filter"])]
                for key in ("doc_hash", "prompt_hash", "target_hash"):
                    if sample[key] != mine[key]:
                        bad += 1
                        print(f"{name} {sample['doc_id']}: {key} differs")
                for a, b in zip(numbers(sample["resps"]), numbers(mine["resps"])):
                    try:
                        x, y = float(a[0]), float(b[0])
                    except ValueError:
                        replies += 1
                        if a != b:
                            bad += 1
                            print(f"{name} {sample['doc_id']}: replies {a} and {b}")
                        continue
                    logs += 1
                    farthest = max(farthest, abs(x - y) / max(1, abs(x)))
        if farthest > limit_log:
            bad += 1
        print(json.dumps({
            "against": "lm-eval " + (f"hf {dtype}" if kind == "hf" else "through martlet serve"), "exact": exact,
            "numbers": count, "largest_difference": worst, "log_likelihoods": logs, "largest_log_difference": farthest,
            "replies": replies, "differing": bad, "lm_eval_seconds": round(seconds, 1),
            "martlet_seconds": round(ended - middle, 1)}))
        sys.exit(1 if bad else 0)


main()
