#!/usr/bin/env bash
# How often held-out pairs are ranked rightly after DPO, by tenths of the prompts: each fold learns nine and is asked about the tenth,
# so that every pair is asked about once, by a model that has not seen its prompt.
#
#   Benchmarks/preference_folds.sh MARTLET MODEL PAIRS FOLDER [FOLDS] [OPTION…]
#
# One tenth of 300 pairs is 30: two thirds right are not told from a half by it. All ten are 300. A fold of dpo_en_demo.json with
# SmolLM2, LoRA in its last ten layers and pairs of up to 1024 tokens is about 40 minutes of one processor. Goes on where it was
# interrupted; the table has what is done so far, with Wilson's 95 % interval.
set -euo pipefail
martlet="$1" model="$2" pairs="$3" home="$4" folds="${5:-10}"
shift $(($# < 5 ? $# : 5))
usual=(--adapter lora --rank 16 --adapter-layers "last 10" --context-length 1024 --batch 4 --set micro_batches=2 --epochs 1)
usual+=(--rate 5e-4 --schedule linear --set warmup=4 --beta 0.1 --save-every 10)
mkdir -p "$home"
for ((fold = 0; fold < folds; fold++)); do
    "$martlet" dpo "$model" --data "$pairs" --out "$home/$fold" --set "validation_fold=$fold" --resume auto "${usual[@]}" "$@"
    python3 - "$home" <<'PY'
import glob, json, sys
def wilson(share, count, z=1.959964):
    centre, half = share + z * z / 2 / count, z * (share * (1 - share) / count + z * z / 4 / count / count) ** 0.5
    return [(centre + sign * half) / (1 + z * z / count) for sign in (-1, 1)]
looks = {}
for path in glob.glob(sys.argv[1] + "/*/log.jsonl"):
    rows = [row for row in map(json.loads, open(path)) if row.get("kind") == "evaluation" and "rewards/accuracies" in row]
    for place, row in enumerate(rows): looks.setdefault(place, []).append(row)
print("step  held-out pairs  rightly ranked  95 % interval    margin")
for place, rows in sorted(looks.items()):
    count = sum(row["count"] for row in rows)
    share = sum(row["rewards/accuracies"] * row["count"] for row in rows) / count
    margin = sum(row.get("rewards/margins", 0) * row["count"] for row in rows) / count
    low, high = wilson(share, count)
    print(f"{rows[0]['step']:4}  {count:14}  {100 * share:12.1f} %  {100 * low:.1f} to {100 * high:.1f}  {margin:8.4f}")
PY
done
