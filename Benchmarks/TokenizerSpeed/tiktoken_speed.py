"""The peer of main.swift: tiktoken with GPT-2's tokenizer on the same text, one thread.

Usage: tiktoken_speed.py TEXT VOCAB_JSON [REPEATS]
"""

import json
import pathlib
import sys
import time

import tiktoken

# GPT-2's expression as tiktoken writes it, and the bytes that GPT-2's alphabet spells.
PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"""
plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
alphabet = {chr(byte): byte for byte in plain}
alphabet |= {chr(256 + place): byte for place, byte in enumerate(b for b in range(256) if b not in plain)}

vocabulary = json.loads(pathlib.Path(sys.argv[2]).read_text())
special = "<|endoftext|>"
encoding = tiktoken.Encoding(
    "gpt2",
    pat_str=PATTERN,
    mergeable_ranks={
        bytes(alphabet[letter] for letter in token): id for token, id in vocabulary.items() if token != special
    },
    special_tokens={special: vocabulary[special]},
)
data = pathlib.Path(sys.argv[1]).read_bytes()
text = data.decode()
for _ in range(int(sys.argv[3]) if len(sys.argv) > 3 else 3):
    start = time.perf_counter()
    ids = encoding.encode_ordinary(text)
    encoded = time.perf_counter()
    decoded = encoding.decode_bytes(ids)
    end = time.perf_counter()
    value = 0xCBF29CE484222325
    for id in ids:
        value = ((value ^ id) * 0x100000001B3) % 2**64
    result = {
        "program": "tiktoken",
        "mb": len(data) / 1e6,
        "tokens": len(ids),
        "encode_mb_s": len(data) / (encoded - start) / 1e6,
        "decode_mb_s": len(data) / (end - encoded) / 1e6,
        "ids_hash": f"{value:x}",
        "round_trip": decoded == data,
    }
    print(json.dumps(result), flush=True)
