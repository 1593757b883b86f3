#!/usr/bin/env bash
# A mixture of 16 experts, 2 of them for a token, against its dense twin with as many active parameters, for equal time on the world's
# text.
#
#   Benchmarks/mixture_twin.sh MARTLET FOLDER [MINUTES]
#
# Both have the same tokenizer, data, batch and schedule, one after the other for MINUTES each (5 where left out). Prints the parameters of
# both, what `plan` counts, and every evaluation; FOLDER/report.html has both curves. Runs that are there go on where they stopped.
set -euo pipefail
martlet="$1" home="$2" minutes="${3:-5}"
# It is called from another folder.
martlet="$(realpath "$(command -v "$martlet")")"
mkdir -p "$home/text"
cd "$home"

[ -e text/world.jsonl ] || "$martlet" data world --tokens "${TOKENS:-4M}" --chinese 0 --out text/world.jsonl
[ -e tokenizer/tokenizer.json ] || "$martlet" tokenizer train text --vocab-size 2000 --out tokenizer
[ -e shards/shards.json ] || "$martlet" data pack text --tokenizer tokenizer --out shards

same=(--depth "${DEPTH:-4}" --data shards --resume auto --set evaluate_every=50 --set log_every=10 --minutes "$minutes")
"$martlet" train "${same[@]}" --arch qwen3 --out dense
"$martlet" train "${same[@]}" --arch qwen3-moe --experts 16 --active 2 --out mixture
"$martlet" report dense mixture --out report.html

for arch in "qwen3" "qwen3-moe --experts 16 --active 2"; do
    echo "== $arch"
    "$martlet" plan --depth "${DEPTH:-4}" --vocabulary 2000 --arch $arch | grep -E "^parameters|of a token"
done
python3 - <<'PY'
import json
for run in ("dense", "mixture"):
    rows = []
    for line in open(run + "/log.jsonl"):
        record = json.loads(line)
        if record["kind"] == "step": last = record
        if record["kind"] == "evaluation": rows.append((record["step"], record.get("loss"), last.get("seconds")))
    print(run, *(f"step {step}: {loss:.3f}" for step, loss, _ in rows[-1:]))
    for step, loss, seconds in rows: print(f"  {step:6} {loss:.4f} {seconds if seconds is None else round(seconds)}")
PY
