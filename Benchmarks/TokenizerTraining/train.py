"""The peer of main.swift: the tokenizers library on the same text.

Usage: train.py TEXT VOCABULARY_SIZE [OUT.json]
"""

import json
import resource
import sys
import time

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

start = time.perf_counter()
tokenizer = Tokenizer(models.BPE())
tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tokenizer.decoder = decoders.ByteLevel()
trainer = trainers.BpeTrainer(
    vocab_size=int(sys.argv[2]),
    special_tokens=["<|endoftext|>"],
    initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    show_progress=False,
)
tokenizer.train([sys.argv[1]], trainer)
seconds = time.perf_counter() - start
if len(sys.argv) > 3:
    tokenizer.save(sys.argv[3])
merges = json.loads(tokenizer.to_str())["model"]["merges"]
value = 0xCBF29CE484222325
for left, right in merges:
    for byte in f"{left} {right}\n".encode():
        value = ((value ^ byte) * 0x100000001B3) % 2**64
print(
    json.dumps(
        {
            "program": "tokenizers",
            "seconds": seconds,
            "merges": len(merges),
            "merges_hash": f"{value:x}",
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
        }
    )
)
