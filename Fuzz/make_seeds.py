#!/usr/bin/env python3
"""Writes the seeds of the fuzz targets `tokenizer` and `jinja`: the tests' tokenizers with a vocabulary of a few dozen
tokens, and the snippets that render, a few kB to a file. Needs sentencepiece. Usage: Fuzz/make_seeds.py"""
import base64
import io
import json
import pathlib

import sentencepiece

HERE = pathlib.Path(__file__).resolve().parent
GOLDENS = HERE.parent / "Tests/TextTests/Goldens"
LETTERS = set("Helo, wrd's1ab<>Ġ▁Ċĉéä#")


def fields(message):
    """The fields of a protocol buffer that have a length."""
    position = 0

    def number():
        nonlocal position
        value = shift = 0
        while True:
            byte = message[position]
            position += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while position < len(message):
        tag = number()
        if tag & 7 == 2:
            length = number()
            yield tag >> 3, message[position:position + length]
            position += length
        elif tag & 7 == 5:
            position += 4
        else:
            number()


def small_map():
    """A normalisation map of three rules, as sentencepiece compiles it."""
    rules = HERE / "rules.tsv"
    rules.write_text("FB01\t66 69\nE9\t65\n1F469\t\n")
    out = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(["hello world the end of it"] * 20), model_writer=out, vocab_size=40,
            hard_vocab_limit=False, normalization_rule_tsv=str(rules), minloglevel=2)
    finally:
        rules.unlink()
    normalizer = next(value for number, value in fields(out.getvalue()) if number == 3)
    return base64.b64encode(next(value for number, value in fields(normalizer) if number == 2)).decode()


def shrink(tokenizer):
    """Keeps the added tokens, the pieces of LETTERS and the merges among them, and numbers them anew."""
    model = tokenizer["model"]
    added = [token["content"] for token in tokenizer["added_tokens"]]
    rows = model["vocab"] if isinstance(model["vocab"], list) else [[name, id] for name, id in model["vocab"].items()]
    known = {name for name, _ in rows}
    needed = {"the", "<unk>", "[UNK]", "[CLS]", "[SEP]", "<s>", "</s>", "<0xC3>", "<0xA9>", *added}

    def keep(name):
        text = name.removesuffix("</w>").removeprefix("##")
        return name in needed or set(text) <= LETTERS and len(text) <= 3

    rows = [row for row in rows if keep(row[0])]
    rows = [row for index, row in enumerate(rows) if index < 90 or row[0] in needed]
    names = [row[0] for row in rows]
    ids = {name: index for index, name in enumerate(names + [name for name in added if name not in known])}
    model["vocab"] = rows if isinstance(model["vocab"], list) else {name: ids[name] for name in names}
    if "merges" in model:
        pairs = [merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"]]
        kept = [pair for pair in pairs if all(part in names for part in (*pair, "".join(pair)))]
        model["merges"] = [" ".join(pair) for pair in kept] if isinstance(model["merges"][0], str) else kept
    for token in tokenizer["added_tokens"]:
        token["id"] = ids[token["content"]]

    def renumber(step):
        for token in (step or {}).get("special_tokens", {}).values() if isinstance(step, dict) else []:
            token["ids"] = [ids[name] for name in token["tokens"]]
        for inner in (step or {}).get("processors", []):
            renumber(inner)
        for key in ("sep", "cls"):
            if isinstance((step or {}).get(key), list):
                step[key][1] = ids[step[key][0]]

    renumber(tokenizer["post_processor"])
    if (tokenizer["normalizer"] or {}).get("type") == "Precompiled":
        tokenizer["normalizer"]["precompiled_charsmap"] = small_map()
    for inner in (tokenizer["normalizer"] or {}).get("normalizers", []):
        if inner["type"] == "Precompiled":
            inner["precompiled_charsmap"] = small_map()
    return tokenizer


def tokenizers():
    for path in sorted(GOLDENS.glob("pipeline-*.json")):
        tokenizer = json.loads(path.read_text()).get("tokenizer")
        if tokenizer is None:
            continue
        small = shrink(tokenizer)
        small["configuration"] = {"eos_token": "</s>", "bos_token": {"content": "<s>"}, "add_bos_token": True}
        text = json.dumps(small, ensure_ascii=False, separators=(",", ":"))
        (HERE / "seeds/tokenizer" / path.stem.removeprefix("pipeline-")).write_text(text)


def snippets():
    file = json.loads((GOLDENS / "jinja-snippets.json").read_text())
    context = "".join("{% set " + name + " = " + repr(value) + " %}" for name, value in file["context"].items())
    texts, size, number = [], 0, 0
    rendering = [case[0] for case in file["cases"] if isinstance(case[1], str)]
    for index, text in enumerate(rendering):
        texts.append(text)
        size += len(text)
        if size > 1800 or index == len(rendering) - 1:
            used = context if any(name in " ".join(texts) for name in file["context"]) else ""
            (HERE / f"seeds/jinja/snippets-{number}").write_text(used + "\n".join(texts))
            texts, size, number = [], 0, number + 1


tokenizers()
snippets()
