"""The peer of main.swift: the tokenizers library on the same text.

Usage: train.py TEXT VOCABULARY_SIZE [bpe|unigram] [OUT.json]
"""

import json
import pathlib
import resource
import sys
import time

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

start = time.perf_counter()
size = int(sys.argv[2])
if sys.argv[3:4] == ["unigram"]:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    trainer = trainers.UnigramTrainer(
        vocab_size=size, unk_token="<unk>", special_tokens=["<unk>"], show_progress=False
    )
else:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
tokenizer.train([sys.argv[1]], trainer)
seconds = time.perf_counter() - start
if len(sys.argv) > 4:
    tokenizer.save(sys.argv[4])
merges = json.loads(tokenizer.to_str())["model"].get("merges", [])
value = 0xCBF29CE484222325
for left, right in merges:
    for byte in f"{left} {right}\n".encode():
        value = ((value ^ byte) * 0x100000001B3) % 2**64
print(
    json.dumps(
        {
            "program": "tokenizers",
            "seconds": seconds,
            "mb_s": pathlib.Path(sys.argv[1]).stat().st_size / 1e6 / seconds,
            "merges": len(merges),
            "merges_hash": f"{value:x}",
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
        }
    )
)
