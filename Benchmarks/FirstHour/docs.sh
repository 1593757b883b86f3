#!/usr/bin/env bash
# Runs every code block of README.md and docs/ that can be run, as it stands there, with the real smollm2 and minilm. Takes
# some twenty minutes; ./test does the same with tiny models and fewer steps.
#
#   Benchmarks/FirstHour/docs.sh [FILE…]
set -euo pipefail
cd "$(dirname "$0")/../.."
./quickstart --models smollm2 minilm
export HF_HUB_OFFLINE=1
build="${BUILD:-.build/release}"
exec python3 scripts/doc_blocks.py --martlet "${MARTLET:-$build/martlet}" --build "$build" \
    --link "$build/martlet.product/Objects.LinkFileList" "$@"
