#!/usr/bin/env python3
"""Holds texts that the masks let through against the jsonschema wheel.
Usage: grammar-benchmark MODEL walks CASES 30 | check_walks.py CASES"""
import json
import sys

from jsonschema import Draft202012Validator

cases = json.load(open(sys.argv[1]))
validators = [Draft202012Validator(case["schema"], format_checker=Draft202012Validator.FORMAT_CHECKER) for case in cases]
counts, wrong = [0] * len(cases), 0
for line in sys.stdin:
    walk = json.loads(line)
    counts[walk["case"]] += 1
    try:
        validators[walk["case"]].validate(json.loads(walk["text"]))
    except Exception as error:
        wrong += 1
        print(json.dumps(cases[walk["case"]]["schema"]), repr(walk["text"]), str(error).splitlines()[0])
print(json.dumps({"schemas": len(cases), "without_text": counts.count(0), "texts": sum(counts), "wrong": wrong}))
sys.exit(wrong > 0)
