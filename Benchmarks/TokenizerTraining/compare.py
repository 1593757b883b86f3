"""How well tokenizers fit a text they were not trained on: tokens per byte, and for Unigram models bits per byte.

Usage: compare.py HELD_OUT_TEXT TOKENIZER.json...
"""

import json
import math
import pathlib
import sys

from tokenizers import Tokenizer

text = pathlib.Path(sys.argv[1]).read_text(encoding="utf-8")
lines = text.splitlines(keepends=True)
size = len(text.encode())
for path in sys.argv[2:]:
    tokenizer = Tokenizer.from_file(path)
    ids = [id for encoding in tokenizer.encode_batch(lines) for id in encoding.ids]
    result = {"file": path, "size": tokenizer.get_vocab_size(), "tokens_per_byte": len(ids) / size}
    model = json.loads(pathlib.Path(path).read_text())["model"]
    if model["type"] == "Unigram":
        scores = [score for _, score in model["vocab"]]
        likely = [scores[id] for id in ids if id != model["unk_id"]]
        result["unknown"] = len(ids) - len(likely)
        result["bits_per_byte"] = -sum(likely) / math.log(2) / size
    print(json.dumps(result))
