#!/usr/bin/env bash
# Writes docs/options.md and docs/log-records.md anew, from the options and records that the program declares, and their
# Chinese twins.
set -euo pipefail
cd "$(dirname "$0")/.."
program=${MARTLET:-.build/release/martlet}
"$program" help options --markdown > docs/options.md
"$program" help log --markdown > docs/log-records.md
python3 scripts/chinese_reference.py options log-records
