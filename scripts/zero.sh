#!/usr/bin/env bash
# From nothing to a model that chats: a synthetic world, a tokenizer, pre-training, instruction tuning, reinforcement
# learning, evaluation and a report. Called by ./quickstart zero; every step goes on where it was interrupted.
#
#   scripts/zero.sh MARTLET FOLDER [MINUTES]      MINUTES of training in the two long steps together, 10.4 by default
set -euo pipefail
# A step that is interrupted at its very end is done and says nothing of it: the next must not begin all the same.
trap 'exit 130' INT TERM

martlet="$1" home="$2" minutes="${3:-10.4}"
say() { printf '\n\033[1m%s\033[0m\n' "$*" >&2; }
share() { awk "BEGIN { printf \"%.2f\", $minutes * $1 }"; }
# Four layers of 192: small enough for 20,000 tokens a second on two cores. What lets it look things up early: embeddings
# of their own that begin far apart (a tied table drifts together before it tells names from each other), and every other
# layer looking back on 8 tokens only, which says what stands beside what.
shape=(--depth 4 --set hidden_size=192 --set heads=3 --set family=qwen3 --set layout=packed)
shape+=(--set tied_embeddings=false --set initialization=zero-residual --set sliding_window=8)
usual=(--set optimizer=muon --set batch_rows=8 --set schedule=linear --set final_rate=0.02)
usual+=(--set log_every=50 --set evaluate_every=1000 --set save_every=1000)
began=$(date +%s)

mkdir -p "$home/corpus"
if [ ! -e "$home/chat.jsonl" ]; then
    say "1 · a small world, made by a program: stories, facts, sums, in English and Chinese"
    "$martlet" data world --tokens 16M --out "$home/corpus/world.jsonl"
    "$martlet" data world --kind chat --documents 200000 --out "$home/chat.jsonl"
fi
if [ ! -e "$home/tokenizer/tokenizer.json" ]; then
    # Phrases as tokens bring who and what next to each other: "Anna", " saw a goat". Looking back over one token is learnt
    # in minutes, over five by chance.
    say "2 · a tokenizer of 4096 words, parts of words and phrases, learnt from the text"
    "$martlet" tokenizer train "$home/corpus" --vocab-size 4096 --phrases 1024 --pattern qwen2 --out "$home/tokenizer"
fi
[ -e "$home/shards/shards.json" ] ||
    "$martlet" data pack "$home/corpus" --tokenizer "$home/tokenizer" --out "$home/shards"
say "3 · pre-training on the text"
"$martlet" train --data "$home/shards" --out "$home/base" --resume auto "${shape[@]}" "${usual[@]}" \
    --minutes "$(share 0.42)"
say "4 · instruction tuning on conversations"
"$martlet" sft "$home/base" --data "$home/chat.jsonl" --out "$home/sft" --resume auto "${usual[@]}" \
    --set learning_rate=0.0015 --validation 0.002 --minutes "$(share 0.58)"
"$martlet" eval "$home/sft" --show 0
say "5 · reinforcement learning on sums the program can check"
"$martlet" grpo "$home/sft" --task arithmetic --out "$home/grpo" --resume auto \
    --group 16 --rate 4e-4 --schedule linear --steps 80
"$martlet" eval "$home/grpo" --show 0
"$martlet" report "$home/base" "$home/sft" "$home/grpo" --out "$home/report.html" \
    --note "All text, questions and conversations of these runs are synthetic: \`martlet data world\` made them. \
Questions are held out: they share no story, problem or wording with training."
say "done in $((($(date +%s) - began) / 60)) min $((($(date +%s) - began) % 60)) s: $home/report.html"
