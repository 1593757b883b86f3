#!/bin/bash
# Alternating pairs of the two programs on one text. Usage: compare.sh PYTHON TEXT VOCABULARY_SIZE [PAIRS]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
program=$(cd "$here/../.." && swift build -c release --show-bin-path)/tokenizer-training
for ((pair = 0; pair < ${4:-5}; pair++)); do
    "$program" "$2" "$3" 2
    RAYON_NUM_THREADS=2 TOKENIZERS_PARALLELISM=true "$1" "$here/train.py" "$2" "$3"
done
