#!/usr/bin/env python3
"""Writes a small multiple-choice task for lm-eval that needs no network: facts with one right and three wrong ends."""
import json
import pathlib
import sys

FACTS = [
    ("The capital of {}is", [("France ", "Paris"), ("Italy ", "Rome"), ("Japan ", "Tokyo"), ("Egypt ", "Cairo"),
                             ("Russia ", "Moscow"), ("Spain ", "Madrid"), ("Germany ", "Berlin"), ("Greece ", "Athens")]),
    ("The opposite of {}is", [("hot ", "cold"), ("up ", "down"), ("big ", "small"), ("early ", "late"),
                              ("open ", "closed"), ("wet ", "dry"), ("day ", "night"), ("young ", "old")]),
    ("A baby {}is called a", [("dog ", "puppy"), ("cat ", "kitten"), ("cow ", "calf"), ("sheep ", "lamb"),
                              ("horse ", "foal"), ("bear ", "cub"), ("duck ", "duckling"), ("frog ", "tadpole")]),
    ("The number after {}is", [("one ", "two"), ("three ", "four"), ("seven ", "eight"), ("nine ", "ten"),
                               ("eleven ", "twelve"), ("four ", "five"), ("five ", "six"), ("two ", "three")]),
]

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
with open(folder / "facts.jsonl", "w", encoding="utf-8") as out:
    for pattern, pairs in FACTS:
        for index, (subject, right) in enumerate(pairs):
            wrong = [pairs[(index + step) % len(pairs)][1] for step in (1, 3, 5)]
            choices = sorted({right, *wrong})
            out.write(json.dumps({"question": pattern.format(subject), "choices": choices, "label": choices.index(right)}) + "\n")
(folder / "facts.yaml").write_text(f"""task: martlet_facts
dataset_path: json
dataset_kwargs: {{data_files: {{test: {folder.resolve()}/facts.jsonl}}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{question}}}}"
doc_to_choice: choices
doc_to_target: label
metric_list:
  - metric: acc
  - metric: acc_norm
""")
