#!/usr/bin/env bash
# Writes the reference of every module as static pages, with the toolchain's own docc.
#
#   scripts/make_docs.sh [FOLDER]      .build/docs by default; needs a release build (./quickstart or ./test makes one)
#
# Where the DocC plugin is available, `swift package generate-documentation` does the same.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-.build/docs}
build=$(swift build -c release --show-bin-path)
toolchain=$(dirname "$(readlink -f "$(command -v swift)")")
[[ -x $toolchain/docc ]] || { echo "the toolchain has no docc" >&2; exit 1; }
modules=(MartletSystem MartletJSON MartletTensor MartletPatterns MartletJinja MartletFormats MartletNN MartletTokenizers
    MartletGrammar MartletChat MartletModels MartletData MartletInference MartletRuns MartletTraining MartletAPI Martlet)
# Every C module that a Swift one may import, by one map each.
maps=()
while read -r map; do maps+=(-Xcc "-fmodule-map-file=$map"); done < <(
    find "$build" .build/checkouts/*/Sources -name '*.modulemap' -not -path '*-tool.build/*' 2> /dev/null |
        while read -r map; do echo "$(sed -n 's/.*module \([A-Za-z_0-9]*\).*/\1/p' "$map" | head -1) $map"; done |
        sort -u -k1,1 | cut -d' ' -f2-)
mkdir -p "$out"
symbols=$(mktemp -d)
trap 'rm -rf "$symbols"' EXIT
for module in "${modules[@]}"; do
    mkdir -p "$symbols/$module"
    "$toolchain/swift-symbolgraph-extract" -module-name "$module" -I "$build/Modules" -target "$(uname -m)-unknown-linux-gnu" \
        -minimum-access-level public "${maps[@]}" -Xcc -ISources/CKernels/include -output-dir "$symbols/$module"
    catalogue=()
    if [[ -d Sources/${module#Martlet}/$module.docc ]]; then catalogue=("Sources/${module#Martlet}/$module.docc"); fi
    if [[ $module == Martlet ]]; then catalogue=(Sources/Martlet/Martlet.docc); fi
    "$toolchain/docc" convert "${catalogue[@]}" --fallback-display-name "$module" --fallback-bundle-identifier "$module" \
        --additional-symbol-graph-dir "$symbols/$module" --output-path "$out/$module" --transform-for-static-hosting \
        --hosting-base-path "$module"
    echo "$out/$module"
done
