#!/usr/bin/env bash
# Writes the reference of every module as static pages, with the toolchain's own docc. Ends with 1 where a link leads nowhere.
#
#   scripts/make_docs.sh [FOLDER]      .build/docs by default; needs a release build of all (./install or ./test makes one)
#
# BUILD names the folder of the build, or of the modules alone; MODULES some of them. Where the DocC plugin is available,
# `swift package generate-documentation` does the same.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-.build/docs}
build=${BUILD:-$(swift build -c release --show-bin-path)}
modules=$build
[[ -d $build/Modules ]] && modules=$build/Modules
toolchain=$(dirname "$(readlink -f "$(command -v swift)")")
[[ -x $toolchain/docc ]] || { echo "the toolchain has no docc" >&2; exit 1; }
# Every C module that a Swift one may import, by one map each.
maps=()
while read -r map; do maps+=(-Xcc "-fmodule-map-file=$map"); done < <(
    find -L "$build" .build/checkouts/*/Sources -name '*.modulemap' -not -path '*-tool.build/*' 2> /dev/null |
        while read -r map; do echo "$(sed -n 's/.*module \([A-Za-z_0-9]*\).*/\1/p' "$map" | head -1) $map"; done |
        sort -u -k1,1 | cut -d' ' -f2-)
rooms=$(find Sources -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | grep -v -e '^C[A-Z]' -e '^CommandLine$' -e '^SmallProgram$' | sort)
mkdir -p "$out"
symbols=$(mktemp -d)
trap 'rm -rf "$symbols"' EXIT
broken=0
for room in ${MODULES:-$rooms}; do
    module=Martlet$room
    [[ $room == Martlet ]] && module=Martlet
    [[ -e $modules/$module.swiftmodule ]] || { echo "there is no module $module in $modules" >&2; exit 1; }
    mkdir -p "$symbols/$module"
    "$toolchain/swift-symbolgraph-extract" -module-name "$module" -I "$modules" -target "$(uname -m)-unknown-linux-gnu" \
        -minimum-access-level public "${maps[@]}" -Xcc -ISources/CKernels/include -output-dir "$symbols/$module"
    catalogue=()
    if [[ -d Sources/$room/$module.docc ]]; then catalogue=("Sources/$room/$module.docc"); fi
    "$toolchain/docc" convert "${catalogue[@]}" --fallback-display-name "$module" --fallback-bundle-identifier "$module" \
        --additional-symbol-graph-dir "$symbols/$module" --output-path "$out/$module" --transform-for-static-hosting \
        --hosting-base-path "$module" --ide-console-output > "$symbols/$module.log" 2>&1 || { cat "$symbols/$module.log" >&2; exit 1; }
    # A parameter whose name says all needs no line of its own.
    sed -i '/is missing documentation/d' "$symbols/$module.log"
    found=$(grep -c 'warning:' "$symbols/$module.log" || true)
    [[ $found == 0 ]] || { grep -A2 'warning:' "$symbols/$module.log" >&2; broken=$((broken + found)); }
    echo "$out/$module"
done
[[ $broken == 0 ]] || { echo "$broken warnings" >&2; exit 1; }
