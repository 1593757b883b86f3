#!/bin/bash
# Alternating pairs of the two programs on one text: megabytes a second, ratios pair by pair.
# Usage: compare.sh PYTHON TEXT VOCAB_JSON MERGES_TXT [PAIRS]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
program=$(cd "$here/../.." && swift build -c release --show-bin-path)/tokenizer-speed
python3 "$here/../pairs.py" --pairs "${5:-5}" --figure encode_mb_s:encode_mb_s --figure decode_mb_s:decode_mb_s \
    "$program $2 $3 $4 3" "$1 $here/tiktoken_speed.py $2 $3 3"
