#!/usr/bin/env bash
# What a first ./quickstart costs, and what ./test compiles after it: in a fresh clone, with the models that are at home.
# One JSON line each: seconds of the clock, on a machine that does nothing else, and of processors, which other work on the
# same cores changes by a tenth or two. `ask` is the first answer once all is built.
#
#   Benchmarks/FirstHour/build.sh            packages are fetched anew; PACKAGES=.build takes the checkouts that are there
#   Benchmarks/FirstHour/build.sh first      ./quickstart alone
set -euo pipefail
cd "$(dirname "$0")/../.."
packages="${PACKAGES:+$(cd "$PACKAGES" && pwd)}"
resolved="$PWD/Package.resolved"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
git clone -q . "$work/martlet"
cd "$work/martlet"
if [ -n "$packages" ]; then
    mkdir .build
    cp -a "$packages/checkouts" "$packages/repositories" "$packages/workspace-state.json" .build/
    [ ! -f "$resolved" ] || cp "$resolved" .
fi
TIMEFORMAT='%R %U %S'
measure() {
    local what="$1" line
    shift
    # The command's own streams go to a file; what `time` says of it is the line.
    line="$({ time "$@" >"$work/log" 2>&1 </dev/null || { tail -20 "$work/log" >&3; exit 1; }; } 2>&1)"
    awk -v what="$what" '{ printf "{\"what\": \"%s\", \"wall_s\": %.1f, \"processor_s\": %.1f}\n", what, $1, $2 + $3 }' <<<"$line"
}
exec 3>&2
question="What is the capital of France?"
measure "first ./quickstart" ./quickstart --yes "$question"
measure "ask" ./quickstart --yes "$question"
grep -v -e '^\[' -e '^Build' "$work/log" | head -5 >&2
[ "${1:-}" != first ] || exit 0
measure "compiling for ./test after it" bash -c '. scripts/prepare.sh && build_tests'
