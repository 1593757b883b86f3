"""Trains a tokenizer of every kind with the martlet program and checks that the tokenizers wheel and transformers load
what it wrote and give the same ids and the same text.

Usage: check_trained_tokenizers.py MARTLET TEXT [HELD_OUT_TEXT]
"""

import json
import pathlib
import subprocess
import sys
import tempfile

from tokenizers import Tokenizer
from transformers import AutoTokenizer

CASES = [
    ["--kind", "bpe", "--pattern", pattern, "--tie", tie]
    for pattern in ["gpt2", "cl100k", "o200k", "llama3", "qwen2"]
    for tie in ["wheel", "cs336"]
] + [["--kind", "wordpiece"], ["--kind", "unigram"]]
STRANGE = ["", " ", "  two  blanks\n\n\t", "Hello<|im_end|> it's 12345 日本語", "naïve e\u0301 😀 ß", "a" * 300]


def martlet_ids(program, folder, text):
    command = [program, "tokenize", folder, "--json"]
    output = subprocess.run(command, input=text.encode(), capture_output=True, check=True).stdout
    return json.loads(output)["ids"]


def main():
    program, corpus = sys.argv[1:3]
    heldout = pathlib.Path((sys.argv + [corpus])[3]).read_text(encoding="utf-8")[:200_000]
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(
                [program, "tokenizer", "train", corpus, "--vocab-size", "3000", "--out", folder, *case],
                check=True, capture_output=True)
            wheel = Tokenizer.from_file(folder + "/tokenizer.json")
            transformer = AutoTokenizer.from_pretrained(folder)
            for text in [heldout, *STRANGE]:
                ids = martlet_ids(program, folder, text)
                assert ids == wheel.encode(text).ids, (case, text[:60])
                assert ids == transformer(text)["input_ids"], (case, text[:60])
                if case[1] != "wordpiece":
                    assert wheel.decode(ids, skip_special_tokens=False) == text, (case, text[:60])
            if case[1] != "wordpiece":
                chat = transformer.apply_chat_template([{"role": "user", "content": "hi"}], tokenize=False)
                assert chat == "<|im_start|>user\nhi<|im_end|>\n", chat
                assert transformer.eos_token == "<|im_end|>"
        print(" ".join(case), "same ids", flush=True)


main()
