#!/usr/bin/env bash
# A reward model that learns from pairs, and a policy that learns from the reward model: on sums, whose true score a program knows.
#
#   Benchmarks/reward_then_ppo.sh MARTLET FOLDER [STEPS]
#
# A small model learns from solved sums until it answers some; it answers problems eight times, and right and wrong answers to the
# same problem become pairs; a reward model learns these; PPO learns from the reward model alone. Before, during and after, held-out
# sums are answered greedily and judged by the program: the true score. Prints a table of both scores and the divergence.
set -euo pipefail
martlet="$1" home="$2" steps="${3:-120}"
# It is called from another folder.
martlet="$(realpath "$(command -v "$martlet")")"
mkdir -p "$home/text"
cd "$home"

[ -e solved.jsonl ] || {
    "$martlet" data world --kind arithmetic --documents 20000 --out sums.jsonl
    python3 - <<'PY'
import json
with open("solved.jsonl", "w") as solved, open("text/sums.jsonl", "w") as text:
    for row in map(json.loads, open("sums.jsonl")):
        question = row["messages"][-1]["content"]
        solved.write(json.dumps({"prompt": question, "response": row["reply"]}) + "\n")
        text.write(json.dumps({"text": question + "\n" + row["reply"]}) + "\n")
PY
}
[ -e tokenizer/tokenizer.json ] || "$martlet" tokenizer train text --vocab-size 512 --pattern qwen2 --out tokenizer
[ -e shards/shards.json ] || "$martlet" data pack text --tokenizer tokenizer --out shards
[ -e sft/model.safetensors ] || {
    "$martlet" train --data shards --out base --resume auto --depth 3 --set hidden_size=128 --set heads=4 --set family=qwen3 \
        --set layout=packed --set optimizer=muon --set batch_rows=8 --steps "${BASE_STEPS:-200}"
    "$martlet" sft base --data solved.jsonl --out sft --resume auto --set optimizer=muon --set learning_rate=0.0015 \
        --set batch_rows=8 --steps "${SFT_STEPS:-300}"
}
# One round of drawing: what the model itself writes, with what the program says of it.
[ -e drawn/round-1/samples.jsonl ] ||
    "$martlet" expert sft --task arithmetic --rounds 1 --problems 1500 --samples 8 --tokens 48 --questions 0 --seed 7 \
        --set steps=1 --out drawn || [ -e drawn/round-1/samples.jsonl ]
[ -e pairs.jsonl ] || python3 - <<'PY'
import json
pairs = 0
with open("pairs.jsonl", "w") as out:
    for row in list(map(json.loads, open("drawn/round-1/samples.jsonl")))[1:]:
        right = [r["text"] for r in row["replies"] if r["finished"] and r["reward"] > 0.5]
        wrong = [r["text"] for r in row["replies"] if r["finished"] and r["reward"] <= 0.5]
        for chosen, rejected in list(zip(right, wrong))[:2]:
            out.write(json.dumps({"prompt": row["prompt"], "chosen": chosen, "rejected": rejected}) + "\n")
            pairs += 1
print(f"{pairs} pairs of the model's own right and wrong answers")
PY
[ -e rm/model.safetensors ] ||
    "$martlet" reward sft --data pairs.jsonl --out rm --resume auto --rate 3e-4 --epochs "${RM_EPOCHS:-3}" --centering 0.01
# Twice: with the divergence let go up to 6 nats a reply, and held at 1.
for kl in 6 1; do
    weight=0.05 horizon=10000
    [ $kl = 1 ] && weight=0.3 horizon=1000
    "$martlet" ppo sft --task arithmetic --reward ./rm --out "ppo-$kl" --resume auto --steps "$steps" --problems 32 --group 4 \
        --tokens 48 --rate 3e-5 --set updates=2 --kl-weight $weight --kl-target $kl --set kl_horizon=$horizon \
        --set questions=300 --evaluate-every 10
    python3 - "ppo-$kl" <<'PY'
import json, sys
scores, rows = {}, {}
for line in map(json.loads, open(sys.argv[1] + "/log.jsonl")):
    if "accuracy" in line and "step" in line: scores[line["step"]] = line["accuracy"]
    if "objective/kl" in line: rows[line["step"]] = line
print(sys.argv[1] + "\nstep  true score  reward model  kl")
for step in sorted(scores):
    near = [rows[s] for s in rows if step - 9 <= s <= step] or [rows[min(rows)]]
    mean = lambda name: sum(r[name] for r in near) / len(near)
    print(f"{step:4}  {100 * scores[step]:8.1f} %  {mean('objective/scores'):12.3f}  {mean('objective/kl'):.2f}")
PY
done
