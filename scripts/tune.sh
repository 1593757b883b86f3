#!/usr/bin/env bash
# Gives SmolLM2 a name of its own: low-rank adapters over its 4-bit weights, asked before and after in wordings it was
# not taught, then merged into one model. Called by ./quickstart tune; every step goes on where it was interrupted.
#
#   scripts/tune.sh MARTLET FOLDER [NAME [AUTHOR [SEED]]]      SEED of the adapters' first values and the rows' order, 1 by default
set -euo pipefail
trap 'exit 130' INT TERM

martlet="$1" home="$2" name="${3:-Robin}" author="${4:-the Birdhouse}" seed="${5:-1}"
say() { printf '\n\033[1m%s\033[0m\n' "$*" >&2; }
ask() { printf '> %s\n' "$2" >&2; "$martlet" run "$1" --temperature 0 --max-tokens 48 "$2" </dev/null 2>/dev/null; }
began=$(date +%s)

mkdir -p "$home"
say "1 · the model before"
ask smollm2 "Who are you?"
ask smollm2 "What is the capital of France?"
if [ ! -e "$home/asked.jsonl" ]; then
    say "2 · conversations about who it is, and its own answers to other questions"
    "$martlet" data identity --name "$name" --author "$author" --rehearse smollm2 \
        --out "$home/identity.jsonl" --held-out "$home/asked.jsonl"
fi
say "3 · tuning adapters; the model's weights stay as they are, in 4 bits"
"$martlet" sft smollm2 --data "$home/identity.jsonl" --adapter lora --rank 16 --epochs 4 --out "$home/adapter" \
    --seed "$seed" --resume auto --kl-weight 0.4 --evaluate-every 20 --save-every 20 \
    --set learning_rate=5e-4 --set batch_rows=2 --set context_length=512
say "4 · the model after"
ask "$home/adapter" "Who are you?"
ask "$home/adapter" "What is the capital of France?"
"$martlet" eval "$home/adapter" --questions "$home/asked.jsonl" --tokens 48
say "5 · adapter and model merged into one"
[ -e "$home/merged" ] || "$martlet" merge smollm2 --adapter "$home/adapter" --out "$home/merged"
say "done in $((($(date +%s) - began) / 60)) min $((($(date +%s) - began) % 60)) s"
printf '%s\n' "chat with it:    $martlet run $home/merged" \
    "or the adapter:  $martlet run smollm2 --adapter $home/adapter" \
    "serve both:      $martlet serve smollm2 --adapter $name=$home/adapter" >&2
