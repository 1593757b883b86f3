#!/usr/bin/env bash
# Checks that every Swift file asks before it imports a C library, for all three: the code above then has what it needs on
# macOS, on Linux and in a static Linux build. It says nothing about whether that code compiles there.
#
#   #if canImport(Darwin)
#   import Darwin
#   #elseif canImport(Glibc)
#   import Glibc
#   #elseif canImport(Musl)
#   import Musl
#   #endif
set -euo pipefail
cd "$(dirname "$0")/.."
find Sources Plugins -name '*.swift' -print0 | sort -z | xargs -0 awk '
    function report(line, what) { printf "%s:%d: %s\n", file, line, what; bad = 1 }
    function close_file() {
        if (count == 0) return
        if (!("Darwin" in seen) || !("Glibc" in seen) || !("Musl" in seen))
            report(first, "imports a C library, but not one of Darwin, Glibc and Musl each")
    }
    FNR == 1 { close_file(); file = FILENAME; delete seen; count = 0; before = "" }
    /^ *(@[a-z_]+ )*(public |package |internal )?import (Darwin|Glibc|Musl)([. ].*)?$/ {
        match($0, /Darwin|Glibc|Musl/)
        name = substr($0, RSTART, RLENGTH)
        if (count++ == 0) first = FNR
        seen[name] = 1
        if (before !~ "^#(if|elseif) canImport\\(" name "\\)$") report(FNR, "imports " name " without asking canImport(" name ")")
    }
    { before = $0 }
    END { close_file(); exit bad }
'
