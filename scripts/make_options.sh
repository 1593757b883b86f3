#!/usr/bin/env bash
# Writes docs/options.md anew, from the options that the program declares.
set -euo pipefail
cd "$(dirname "$0")/.."
program=${MARTLET:-.build/release/martlet}
"$program" help options --markdown > docs/options.md
