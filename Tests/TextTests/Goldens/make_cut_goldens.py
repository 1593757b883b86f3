#!/usr/bin/env python3
"""Writes cuts.json: the pieces that the tokenizers wheel cuts the corpus into, for the patterns of the families.
Each piece is given by where it ends, in UTF-8 bytes."""
import json
import pathlib

from tokenizers import Regex, pre_tokenizers as p

HERE = pathlib.Path(__file__).resolve().parent
TEXTS = [c["text"] for c in json.loads((HERE / "pipeline-wordlevel.json").read_text())["cases"]]
TEXTS += [
    "HelloWorld HTTPServer iPhone XMLHttpRequest DON'T We'LL it'S ABC's aB'ſ Ünïcödé ÉCOLE école",
    "x\u0301Y\u0301 \u0301\u0301AB \u0301a 日本Go日Ab A日B ǅungla ʰʰAb path/to//file /\n/ ...\n\n/ !!\r\n",
    "123456 1234567 ١٢٣٤٥ ½⅓ x1y22z333 1,234.5 \u3000\u3000a \u00a0b\t\tc\n \n d \r\n\r\n e   \n",
    "user@x.com #tag $x %y &z (a) [b] {c} \"q\" 'r' 's 't're 'Ve'LL '' ' '\n'd",
]
CL100K = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
ANY = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|"
O200K = "|".join([
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n/]*", r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+"])
DEEPSEEK = [r"\p{N}{1,3}", r"[一-龥぀-ゟ゠-ヿ]+",
            r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"]
split = lambda r: p.Split(Regex(r), "isolated")
byte = p.ByteLevel(add_prefix_space=False, use_regex=False)
CUTTERS = {
    "gpt2": p.ByteLevel(add_prefix_space=False),
    "llama3": p.Sequence([split(ANY + CL100K), byte]),
    "qwen2": p.Sequence([split(ANY + CL100K.replace("{1,3}", "")), byte]),
    "nanochat": p.Sequence([split(ANY + CL100K.replace("{1,3}", "{1,2}")), byte]),
    "o200k": p.Sequence([split(O200K), byte]),
    "smollm": p.Sequence([p.Digits(individual_digits=True), p.ByteLevel(add_prefix_space=False)]),
    "deepseek-v3": p.Sequence([split(r) for r in DEEPSEEK] + [byte]),
    "bert": p.BertPreTokenizer(),
    "words": p.Whitespace(),
    "spaces": p.WhitespaceSplit(),
    "punctuation": p.Punctuation("merged_with_previous"),
    "digits": p.Digits(individual_digits=False),
    "split-next": p.Split(" ", "merged_with_next"),
    "split-contiguous": p.Split("a", "contiguous"),
    "split-inverted": p.Split(Regex(r"\w+"), "removed", invert=True),
    "delimiter": p.CharDelimiterSplit("a"),
}
out = {"texts": TEXTS, "cutters": {}}
for name, cutter in CUTTERS.items():
    rows = []
    for text in TEXTS:
        spans = [(len(text[:a].encode()), len(text[:b].encode())) for _, (a, b) in cutter.pre_tokenize_str(text)]
        rows.append([n for span in spans for n in span])
    out["cutters"][name] = {"json": json.loads(cutter.__getstate__()), "cuts": rows}
path = HERE / "cuts.json"
path.write_text(json.dumps(out, ensure_ascii=False, separators=(",", ":")))
print(path.stat().st_size)
