#!/usr/bin/env bash
# Speed of whole models in packed folders against GGUF files of about as many bytes, whose embeddings, which are the output
# projection too, are bfloat16 as those of the folders are. Makes what is missing in FOLDER, then runs pairs.
#
#   Benchmarks/Encoders/whole_models.sh MARTLET MODEL TEXT FOLDER [PAIRS] [PROMPT] [NEW]
#
# Prints a line for each form and figure: folder, file, medians of both, the median of folder ÷ file pair by pair.
set -euo pipefail
martlet="$1" model="$2" text="$3" home="$4" pairs="${5:-5}" prompt="${6:-256}" new="${7:-64}"
here="$(cd "$(dirname "$0")/.." && pwd)"
mkdir -p "$home"
made() { [ -e "$home/$1" ] || "$martlet" "${@:2}" --out "$home/$1" >&2; }
made hf convert "$model" --to hf --dtype bf16
made q4_1.gguf quantize "$home/hf" --to q4_1 --tensor token_embd=bf16
made q8_0.gguf quantize "$home/hf" --to q8_0 --tensor token_embd=bf16
made iq4_nl.gguf quantize "$home/hf" --to iq4_nl --tensor token_embd=bf16
made mxfp4.gguf quantize "$home/hf" --to mxfp4 --tensor token_embd=bf16
made gptq quantize "$home/hf" --method gptq --group 64 --calibration "$text" --chunks 8
made gptq-zeros quantize "$home/hf" --method gptq --asymmetric --group 64 --calibration "$text" --chunks 8
made awq quantize "$home/hf" --method awq --group 64 --calibration "$text" --chunks 8
made smoothquant quantize "$home/hf" --method smoothquant --calibration "$text" --chunks 8
for method in nf4 int8 fp8; do made "$method" quantize "$home/hf" --method "$method"; done

run() {  # form, file, more flags for the form
    echo "== $1 ${3:-} against $2" >&2
    python3 "$here/pairs.py" --pairs "$pairs" --figure new_tokens_per_second:new_tokens_per_second \
        --figure prompt_tokens_per_second:prompt_tokens_per_second -- \
        "$martlet bench $home/$1 -p $prompt -n $new -r 1 ${3:-}" "$martlet bench $home/$2 -p $prompt -n $new -r 1" |
        sed "s|^{|{\"form\": \"$1 ${3:-}\", \"file\": \"$2\", |" | grep -v peak_rss
}
for form in gptq gptq-zeros awq nf4 iq4_nl.gguf mxfp4.gguf; do run "$form" q4_1.gguf; done
for form in int8 fp8; do run "$form" q8_0.gguf; done
run int8 q8_0.gguf --int8-inputs
run smoothquant q8_0.gguf --int8-inputs
