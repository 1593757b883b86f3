#!/usr/bin/env python3
"""Writes normalization.json: FNV-1a of what Python's unicodedata makes of every scalar (a line each) and of
pseudo-random strings of scalars that interact, for each form."""
import json
import pathlib
import unicodedata

MASK = (1 << 64) - 1


def fnv(data, value=0xCBF29CE484222325):
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & MASK
    return value


def scalars():
    return (c for c in range(0x110000) if not 0xD800 <= c < 0xE000 and unicodedata.category(chr(c)) != "Cn")


# Starters, marks of several classes, jamo, syllables, Indic vowels that compose without being marks of a class.
POOL = [0x41, 0x65, 0x6F, 0x71, 0xC5, 0x212B, 0x300, 0x301, 0x302, 0x307, 0x308, 0x30A, 0x316, 0x323, 0x327, 0x328,
        0x345, 0x338, 0x1100, 0x1105, 0x1161, 0x1169, 0x11A8, 0x11C2, 0xAC00, 0xAC01, 0x9C7, 0x9BE, 0x9D7, 0xB47,
        0xB3E, 0xBC6, 0xBBE, 0x1025, 0x102E, 0x3B1, 0x313, 0x342, 0x1F00, 0xFB2C, 0x5D0, 0x5B7, 0x5BC, 0x64B, 0x651,
        0xFDFA, 0x1D15E, 0x1D165, 0x1D16E, 0x4E00, 0xF900, 0x2F800, 0x3099, 0x304B, 0x20]


def strings():
    state = 12345
    for _ in range(4000):
        text = ""
        for _ in range(12):
            state = (state * 6364136223846793005 + 1442695040888963407) & MASK
            text += chr(POOL[(state >> 33) % len(POOL)])
        yield text


out = {"pool": POOL}
for form in ("NFC", "NFD", "NFKC", "NFKD"):
    value = fnv(b"")
    for c in scalars():
        value = fnv(unicodedata.normalize(form, chr(c)).encode() + b"\n", value)
    mixed = fnv(b"")
    for text in strings():
        mixed = fnv(unicodedata.normalize(form, text).encode() + b"\n", mixed)
    out[form.lower()] = {"scalars": f"{value:016x}", "strings": f"{mixed:016x}"}
ranges = []
for c in scalars():
    if ranges and ranges[-1][1] == c - 1:
        ranges[-1][1] = c
    else:
        ranges.append([c, c])
out["ranges"] = ranges
pathlib.Path(__file__).with_name("normalization.json").write_text(json.dumps(out, separators=(",", ":")))
