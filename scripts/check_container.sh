#!/usr/bin/env bash
# Shows that the image does what README says: builds it, runs it as compose.yaml does, waits until it is healthy, chats,
# stops it in the middle of a reply, and does the last three again with compose where there is one.
#
#   scripts/check_container.sh MODEL.gguf [IMAGE]
#
# IMAGE (martlet by default) is built unless BUILD=no. Needs a Docker engine and curl.
# The base images are whatever `docker build` finds under the names in the Dockerfile. Where no registry can be reached,
# stand-ins under these names do: a root from debootstrap through `docker import`, and the same with git, the libraries
# that swift.org names and the toolchain in /usr, through `docker commit`.
set -euo pipefail
cd "$(dirname "$0")/.."
[[ -f ${1:-} ]] || { echo "usage: scripts/check_container.sh MODEL.gguf [IMAGE]" >&2; exit 2; }
model=$(realpath "$1") image=${2:-martlet}
name=martlet-check-$$ key=check-$RANDOM$RANDOM
work=$(mktemp -d)
export MARTLET_API_KEY=$key MARTLET_IMAGE=$image MARTLET_MODELS=$work/models
export MARTLET_MODEL=/models/model.gguf MARTLET_PORT=${MARTLET_PORT:-18080}
# Whoever the image runs as must be able to read it.
install -d "$work/models" && install -m 0644 "$model" "$work/models/model.gguf" && chmod 0755 "$work" "$work/models"

compose=()
if docker compose version > /dev/null 2>&1; then compose=(docker compose)
elif command -v docker-compose > /dev/null; then compose=(docker-compose); fi
[[ ${#compose[@]} == 0 ]] || compose+=(-p "$name")

cleanup() {
    docker rm -f -v "$name" > /dev/null 2>&1 || true
    [[ ${#compose[@]} == 0 ]] || "${compose[@]}" down -v > /dev/null 2>&1 || true
    rm -rf "$work"
}
trap cleanup EXIT
say() { printf '%-12s %s\n' "$1" "$2"; }
fail() {
    echo "failed: $1" >&2
    docker logs "${2:-$name}" 2>&1 | tail -20 >&2 || true
    exit 1
}

healthy() {  # CONTAINER
    local state
    for ((second = 0; second < 120; second++)); do
        state=$(docker inspect -f '{{.State.Health.Status}}' "$1")
        [[ $state != healthy ]] || { echo "$second"; return; }
        [[ $(docker inspect -f '{{.State.Running}}' "$1") == true ]] || fail "$1 ended before it was healthy" "$1"
        sleep 1
    done
    fail "$1 is $state after 120 s: $(docker inspect -f '{{json .State.Health.Log}}' "$1" | tail -c 400)" "$1"
}
ask() {  # URL JSON: a chat
    curl -sS --max-time 120 "$1/v1/chat/completions" -H "Authorization: Bearer $key" \
        -H 'Content-Type: application/json' -d "$2"
}
question='{"model": "model", "messages": [{"role": "user", "content": "What is the capital of France?"}],
    "max_tokens": 30, "temperature": 0}'
essay='{"model": "model", "messages": [{"role": "user", "content": "Tell a long story about a lighthouse."}],
    "max_tokens": 300, "temperature": 0, "stream": true}'

# stops CONTAINER URL: in the middle of a reply; the reply comes to its end, and so does the program.
stops() {
    ask "$2" "$essay" > "$work/reply" &
    local reader=$!
    for ((tenth = 0; tenth < 300; tenth++)); do
        [[ $(grep -c '^data: {' "$work/reply" || true) -lt 5 ]] || break
        sleep 0.1
    done
    ! grep -q '\[DONE\]' "$work/reply" || fail "the reply was over before it could be interrupted" "$1"
    docker stop -t 40 "$1" > /dev/null
    wait "$reader" || fail "the stop cut a reply off" "$1"
    grep -q '\[DONE\]' "$work/reply" || fail "the stop cut a reply off" "$1"
    local code
    code=$(docker inspect -f '{{.State.ExitCode}}' "$1")
    [[ $code == 0 ]] || fail "docker stop ended it with $code" "$1"
    say stop "exit code 0, after the reply under way ($(grep -c '^data: {' "$work/reply") parts) had ended"
}

if [[ ${BUILD:-yes} != no ]]; then
    SECONDS=0
    docker build -t "$image" .
    say build "$SECONDS s"
fi
say size "$(($(docker image inspect -f '{{.Size}}' "$image") / 1000000)) MB"
say version "$(docker run --rm "$image" --version)"
! docker run --rm --entrypoint ldd "$image" /usr/local/bin/martlet | grep 'not found' || fail "a library is missing"

# What is to be refused: everybody may connect, and no key; a plan larger than the container.
! docker run --rm -v "$work/models:/models:ro" "$image" serve --host 0.0.0.0 "$MARTLET_MODEL" 2> "$work/said" \
    || fail "it serves everybody without a key"
grep -q -- --api-key "$work/said" || fail "$(tail -1 "$work/said")"
say refused "$(head -1 "$work/said" | cut -c 1-90)…"
! docker run --rm --memory 512m "$image" profile --depth 24 2> "$work/said" || fail "it did not see its memory limit"
grep -q "has 536.9 MB" "$work/said" || fail "$(tail -1 "$work/said")"
say refused "$(tail -1 "$work/said" | cut -c 1-90)…"

docker run -d --name "$name" -p 127.0.0.1::8080 -v "$work/models:/models:ro" -e MARTLET_API_KEY --memory 4g \
    --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges \
    "$image" serve --host 0.0.0.0 "$MARTLET_MODEL" > /dev/null
say healthy "after $(healthy "$name") s"
url=http://$(docker port "$name" 8080/tcp | head -1)
user=$(docker exec "$name" id -u)
[[ $user != 0 ]] || fail "it runs as root"
! docker exec "$name" touch /usr/local/bin/x 2> /dev/null || fail "the root file system can be written"
docker exec "$name" sh -c 'touch /data/x && rm /data/x' || fail "/data cannot be written"
say user "uid $user, read-only root, /data writable"
code=$(curl -s -o /dev/null -w '%{http_code}' "$url/v1/models")
[[ $code == 401 ]] || fail "without the key: $code, not 401"
reply=$(ask "$url" "$question")
grep -q Paris <<< "$reply" || fail "no Paris in: $reply"
say chat "$(sed -E 's/.*"content": ?"([^"]*)".*/\1/' <<< "$reply" | head -1 | cut -c 1-90)"
stops "$name" "$url"

if [[ ${#compose[@]} == 0 ]]; then
    say compose "there is none here"
    exit 0
fi
"${compose[@]}" up -d --no-build 2> /dev/null
container=$("${compose[@]}" ps -q martlet)
say compose "healthy after $(healthy "$container") s"
reply=$(ask "http://127.0.0.1:$MARTLET_PORT" "$question")
grep -q Paris <<< "$reply" || fail "no Paris in: $reply" "$container"
stops "$container" "http://127.0.0.1:$MARTLET_PORT"
