#!/usr/bin/env python3
"""The wall time of 200 MMLU questions with five examples: martlet eval, and lm-evaluation-harness with transformers.

  mmlu_time.py MARTLET MODEL FOLDER DATA_DIR [THREADS] [--subjects N] [--count N]

MODEL is what martlet evaluates (a GGUF file or a folder), FOLDER the same weights for transformers (`martlet convert MODEL --to hf
--dtype f32 --out FOLDER`), DATA_DIR holds mmlu/SUBJECT_test.csv and _dev.csv. Ten subjects, twenty questions each if nothing else
is said, the same threads. lm-eval computes four questions at a time: finding the largest batch takes a CPU minutes.
Prints one line of JSON: both times, both accuracies, the ratio; and seconds of processors, which depend less on what else the
machine does. Loading, and lm-eval's own reading of the tasks, count for both.
"""
import csv
import glob
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

program, model, folder, data = sys.argv[1:5]
threads = sys.argv[5] if len(sys.argv) > 5 and not sys.argv[5].startswith("--") else str(os.cpu_count())


def option(name, usual):
    return int(sys.argv[sys.argv.index(name) + 1]) if name in sys.argv else usual


os.environ.update({"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "OMP_NUM_THREADS": threads, "MARTLET_THREADS": threads})
SUBJECTS = ["abstract_algebra", "astronomy", "college_computer_science", "computer_security", "elementary_mathematics",
            "global_facts", "high_school_geography", "marketing", "us_foreign_policy", "world_religions"]
SUBJECTS = SUBJECTS[:option("--subjects", len(SUBJECTS))]
COUNT = option("--count", 20)


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return [{"question": r[0], "choices": r[1:5], "answer": "ABCD".index(r[5])} for r in csv.reader(file)]


def processor_seconds(who):
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def ours(out):
    began = time.time()
    subprocess.run(
        [program, "eval", model, "--tasks", ",".join(f"mmlu_{s}" for s in SUBJECTS), "--num-fewshot", "5", "--limit", str(COUNT),
         "--data-dir", data, "--out", out, "--precision-check", "0"], check=True, stdout=subprocess.DEVNULL)
    seconds = time.time() - began
    results = json.load(open(glob.glob(f"{out}/*/results_*.json")[0]))["results"]
    return seconds, sum(results[f"mmlu_{s}"]["acc,none"] for s in SUBJECTS) / len(SUBJECTS)


def theirs(scratch):
    import lm_eval
    import torch
    import yaml
    from lm_eval.tasks import TaskManager
    torch.set_num_threads(int(threads))
    for subject in SUBJECTS:
        for split in ("test", "dev"):
            with open(f"{scratch}/{subject}_{split}.jsonl", "w", encoding="utf-8") as file:
                file.writelines(json.dumps(row) + "\n" for row in rows(f"{data}/mmlu/{subject}_{split}.csv"))
        pathlib.Path(scratch, subject + ".yaml").write_text(yaml.safe_dump({
            "task": "time_" + subject, "dataset_path": "json", "output_type": "multiple_choice", "test_split": "test",
            "dataset_kwargs": {"data_files": {s: f"{scratch}/{subject}_{s}.jsonl" for s in ("test", "dev")}},
            "fewshot_split": "dev", "fewshot_config": {"sampler": "first_n"}, "num_fewshot": 5,
            "description": f"The following are multiple choice questions (with answers) about {subject.replace('_', ' ')}.\n\n",
            "doc_to_text": "{{question.strip()}}\nA. {{choices[0]}}\nB. {{choices[1]}}\nC. {{choices[2]}}\nD. {{choices[3]}}\nAnswer:",
            "doc_to_choice": ["A", "B", "C", "D"], "doc_to_target": "answer", "metric_list": [{"metric": "acc"}]}))
    manager = TaskManager(include_path=scratch, include_defaults=False)
    began = time.time()
    found = lm_eval.simple_evaluate(
        model="hf", model_args={"pretrained": folder, "dtype": "float32"}, device="cpu", batch_size=4, limit=COUNT,
        tasks=[f"time_{s}" for s in SUBJECTS], task_manager=manager, bootstrap_iters=0)["results"]
    return time.time() - began, sum(found[f"time_{s}"]["acc,none"] for s in SUBJECTS) / len(SUBJECTS)


with tempfile.TemporaryDirectory() as scratch:
    mine, accuracy = ours(f"{scratch}/out")
    mine_used, before = processor_seconds(resource.RUSAGE_CHILDREN), processor_seconds(resource.RUSAGE_SELF)
    other, other_accuracy = theirs(scratch)
    other_used = processor_seconds(resource.RUSAGE_SELF) - before
    print(json.dumps({"questions": COUNT * len(SUBJECTS), "threads": int(threads), "martlet_seconds": round(mine, 1),
                      "lm_eval_seconds": round(other, 1), "ratio": round(other / mine, 2),
                      "martlet_processor_seconds": round(mine_used, 1), "lm_eval_processor_seconds": round(other_used, 1),
                      "processor_ratio": round(other_used / mine_used, 2), "martlet_acc": round(accuracy, 4),
                      "lm_eval_acc": round(other_accuracy, 4)}))
