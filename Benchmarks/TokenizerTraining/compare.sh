#!/bin/bash
# Alternating pairs of the two programs on one text: megabytes a second, ratios pair by pair; and whether what they
# learned is the same. Usage: compare.sh PYTHON TEXT VOCABULARY_SIZE [PAIRS] [bpe|unigram]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
program=$(cd "$here/../.." && swift build -c release --show-bin-path)/tokenizer-training
export RAYON_NUM_THREADS=2 TOKENIZERS_PARALLELISM=true
kind=${5:-bpe}
if [ "$kind" = bpe ]; then
    hashes=$({ "$program" "$2" "$3" bpe 2; "$1" "$here/train.py" "$2" "$3" bpe; } | grep -o '"merges_hash": *"[0-9a-f]*"' |
        grep -o '[0-9a-f]*"$' | sort -u | wc -l)
    if [ "$hashes" = 1 ]; then echo "same merges"; else echo "different merges"; fi
fi
python3 "$here/../pairs.py" --pairs "${4:-5}" --figure mb_s:mb_s "$program $2 $3 $kind 2" "$1 $here/train.py $2 $3 $kind"
