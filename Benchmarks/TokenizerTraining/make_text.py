"""Mixes texts into one of a given size: the lines of plain files and the strings of JSON ones, shuffled, and shuffled
again each time they run out.

Usage: make_text.py OUT MEGABYTES FILE...
"""

import json
import pathlib
import random
import sys


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings(item)


def lines(path):
    text = pathlib.Path(path).read_text(encoding="utf-8")
    if path.endswith(".json"):
        text = "\n".join(strings(json.loads(text)))
    elif path.endswith(".jsonl"):
        text = "\n".join(part for line in text.splitlines() for part in strings(json.loads(line)))
    return [line for line in text.split("\n") if line.strip()]


wanted = int(float(sys.argv[2]) * 1e6)
every = [line for path in sys.argv[3:] for line in lines(path)]
chance = random.Random(1)
written = 0
with open(sys.argv[1], "wb") as file:
    while written < wanted:
        chance.shuffle(every)
        for line in every:
            data = line.encode() + b"\n"
            file.write(data)
            written += len(data)
            if written >= wanted:
                break
print(f"{written} bytes of {sum(len(line.encode()) + 1 for line in every)} different ones")
