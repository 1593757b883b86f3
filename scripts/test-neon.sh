#!/bin/sh
# Builds the C kernels for 64-bit Arm and runs every check in scripts/neon/ under qemu-user.
# Clang (the Swift toolchain's) compiles, gcc-aarch64-linux-gnu has the headers and links, qemu-user runs. Says so and
# exits 0 where one of them is missing.
set -eu
cd "$(dirname "$0")/.."
for tool in clang aarch64-linux-gnu-gcc qemu-aarch64; do
    if ! command -v $tool >/dev/null; then
        echo "test-neon: $tool is not installed, nothing checked"
        exit 0
    fi
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
headers=$(aarch64-linux-gnu-gcc -print-sysroot)/usr/aarch64-linux-gnu/include
compile="clang --target=aarch64-linux-gnu -isystem $headers -std=gnu11 -O2 -Wall -ISources/CKernels/include -c"
for source in Sources/CKernels/*.c; do
    $compile "$source" -o "$work/$(basename "$source" .c).o"
done
for check in scripts/neon/*.c; do
    $compile "$check" -o "$work/check.main"
    aarch64-linux-gnu-gcc -static -x none "$work/check.main" "$work"/*.o -o "$work/check" -lm -lpthread
    # A processor with every extension, and one with none beyond ARMv8.0.
    qemu-aarch64 -cpu max "$work/check"
    qemu-aarch64 -cpu cortex-a53 "$work/check"
done
