#!/usr/bin/env bash
# What a first ./quickstart costs, and what ./test compiles after it: in a fresh clone, on a machine that does nothing else.
# One JSON line each, with seconds of wall time and of processors.
#
#   Benchmarks/FirstHour/build.sh            packages are fetched anew; PACKAGES=.build takes the checkouts that are there
set -euo pipefail
cd "$(dirname "$0")/../.."
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
git clone -q . "$work/martlet"
if [ -n "${PACKAGES:-}" ]; then
    mkdir "$work/martlet/.build"
    cp -a "$PACKAGES/checkouts" "$PACKAGES/repositories" "$PACKAGES/workspace-state.json" "$work/martlet/.build/"
    [ ! -f Package.resolved ] || cp Package.resolved "$work/martlet/"
fi
cd "$work/martlet"
TIMEFORMAT='%R %U %S'
measure() {
    local what="$1" line
    shift
    line="$({ time "$@" >"$work/log" 2>&1 || { tail -5 "$work/log" >&2; exit 1; }; } 2>&1)"
    awk -v what="$what" '{ printf "{\"what\": \"%s\", \"wall_s\": %.0f, \"processor_s\": %.0f}\n", what, $1, $2 + $3 }' <<<"$line"
}
measure "first ./quickstart" ./quickstart --yes "What is the capital of France?"
measure "compiling ./test after it" swift build -c release --build-tests --disable-testable-imports
