#!/usr/bin/env bash
# Sends a running server requests that its own description allows, and such as it forbids: no crash, no status from 500 on,
# replies as described, and what the description forbids refused.
#
#   scripts/check_openapi.sh [PROGRAM] [SECONDS] [MODEL...]    .build/release/martlet, 120, smollm2 minilm
#
# Needs schemathesis (pip install schemathesis); SCHEMATHESIS names it where it is not in PATH.
set -euo pipefail
program=${1:-$(dirname "$0")/../.build/release/martlet}
seconds=${2:-120}
models=("${@:3}")
((${#models[@]})) || models=(smollm2 minilm)
tool=${SCHEMATHESIS:-schemathesis}
command -v "$tool" > /dev/null || { echo "there is no $tool" >&2; exit 77; }

program=$(realpath "$program")
folder=$(mktemp -d)
trap 'kill "$server" 2> /dev/null || true; rm -rf "$folder"' EXIT
port=18090
"$program" serve "${models[@]}" --port $port --load-all --log-format json > "$folder/log" 2>&1 &
server=$!
for _ in $(seq 300); do
    curl -fs http://127.0.0.1:$port/readyz > /dev/null && break
    kill -0 "$server" 2> /dev/null || { cat "$folder/log" >&2; exit 1; }
    sleep 0.1
done
status=0
# Models are not unloaded by chance. A seed makes it the same run again.
hooks=$(realpath "$(dirname "$0")/openapi_hooks.py")
(cd "$folder" && SCHEMATHESIS_HOOKS=$hooks "$tool" run http://127.0.0.1:$port/openapi.json --checks not_a_server_error,negative_data_rejection,response_schema_conformance,content_type_conformance --max-time "$seconds" \
    --workers 1 --request-timeout 60 --continue-on-failure --exclude-path-regex '^/admin' --seed 1) || status=$?
kill -0 "$server" 2> /dev/null || { echo "the server ended:" >&2; tail "$folder/log" >&2; exit 1; }
curl -fsS http://127.0.0.1:$port/readyz > /dev/null
kill -TERM "$server"
wait "$server" || { echo "the server ended with $?" >&2; status=1; }
grep '"status":5' "$folder/log" | head || true
exit $status
