#!/usr/bin/env bash
# Shows that nothing leaves the machine: runs and serves a model in a network namespace that has loopback alone, and reads
# in a trace of its system calls whom the program tried to reach.
#
#   scripts/offline.sh [PROGRAM] [MODEL]       .build/release/martlet, smollm2
#
# Needs unshare, ip and strace; where the system does not let us make a namespace or trace, says so and ends with 77.
set -euo pipefail
program=$(realpath "${1:-$(dirname "$0")/../.build/release/martlet}")
model=${2:-smollm2}

skip() { echo "skipped: $1" >&2; exit 77; }
if [[ -z ${IN_NAMESPACE:-} ]]; then
    for tool in unshare ip strace curl; do command -v "$tool" > /dev/null || skip "there is no $tool"; done
    unshare -rn true 2> /dev/null || skip "this system lets nobody make a network namespace"
    IN_NAMESPACE=1 exec unshare -rn "$0" "$program" "$model"
fi
ip link set lo up
strace -f -o /dev/null true 2> /dev/null || skip "this system lets nobody trace"
trace=$(mktemp -d)
trap 'rm -rf "$trace"' EXIT
traced=(strace -f -qq -e trace=connect,sendto,sendmsg,sendmmsg -o)
# HF_HUB_OFFLINE is not set here, nor what anybody else has set for it: a model that is there is not asked for elsewhere.
unset HF_HUB_OFFLINE TRANSFORMERS_OFFLINE http_proxy https_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY

# Addresses that a trace shows, but for loopback; a name server counts wherever it is.
strangers() {
    grep -E 'sa_family=AF_INET6?' "$1" \
        | grep -Ev 'inet_addr\("127\.|inet_pton\(AF_INET6, "(::1|::ffff:127\.[0-9.]*)"' || true
    grep -E 'htons\(53\)' "$1" || true
}

failed=0
expect_none() {
    local found
    found=$(strangers "$trace/$1")
    if [[ -n $found ]]; then
        echo "$1: tried to reach somebody:" >&2
        head -5 <<< "$found" >&2
        failed=1
    else
        echo "$1: nobody but loopback ($(grep -c 'sa_family=AF_INET' "$trace/$1" || true) addresses in the trace)"
    fi
}

# That such a trace shows it at all: a download must be seen to try (the address is one for documentation).
HF_ENDPOINT=http://198.51.100.1 HF_HOME="$trace/hub" "${traced[@]}" "$trace/pull" timeout 60 \
    "$program" pull nobody/nothing > "$trace/pull.out" 2>&1 && { echo "a download worked without a network" >&2; exit 1; }
[[ -n $(strangers "$trace/pull") ]] || { echo "the trace does not show what a download tries" >&2; exit 1; }
echo "pull: is seen to try"
HF_HUB_OFFLINE=1 HF_ENDPOINT=http://198.51.100.1 HF_HOME="$trace/hub" "${traced[@]}" "$trace/pull, offline" \
    timeout 60 "$program" pull nobody/nothing > "$trace/pull.out" 2>&1 && { echo "a download worked offline" >&2; exit 1; }
expect_none "pull, offline"

"${traced[@]}" "$trace/run" timeout 600 "$program" run "$model" "Say hello." --max-tokens 8 > "$trace/run.out" 2>&1
expect_none run

"${traced[@]}" "$trace/serve" "$program" serve "$model" --port 8080 > "$trace/serve.out" 2>&1 &
server=$!
for _ in $(seq 3000); do
    curl -fs http://127.0.0.1:8080/readyz > /dev/null && break
    kill -0 "$server" 2> /dev/null || { cat "$trace/serve.out" >&2; exit 1; }
    sleep 0.1
done
ask() { curl -fsS --max-time 600 -o "$trace/reply" "http://127.0.0.1:8080$1" "${@:2}"; }
ask / && ask /playground && ask /metrics && ask /openapi.json && ask /v1/models
ask /v1/completions -H 'Content-Type: application/json' -d '{"prompt": "Once upon a time", "max_tokens": 8}'
ask /v1/chat/completions -H 'Content-Type: application/json' \
    -d '{"messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 8}'
echo "serve: answered $(head -c 120 "$trace/reply")…"
# The program, not its tracer, is told to stop.
kill -TERM "$(pgrep -P "$server")"
wait "$server" || { echo "the server ended with $?" >&2; failed=1; }
expect_none serve
exit $failed
