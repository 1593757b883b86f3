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

# What models publish whose GGUF files say these names in tokenizer.ggml.pre.
LETTERS = r"[^\r\n\p{L}\p{N}]?\p{L}+"
SPACES = r"\s*[\r\n]+|\s+(?!\S)|\s+"
SIGNS = r" ?[^\s\p{L}\p{N}]+[\r\n]*"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
TEKKEN = (rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*|\p{{N}}"
          r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|" + SPACES)
KIMI_UPPER, KIMI_LOWER = UPPER[:-1] + r"&&[^\p{Han}]]", LOWER[:-1] + r"&&[^\p{Han}]]"
END = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
KIMI = (rf"[\p{{Han}}]+|[^\r\n\p{{L}}\p{{N}}]?{KIMI_UPPER}*{KIMI_LOWER}+{END}"
        rf"|[^\r\n\p{{L}}\p{{N}}]?{KIMI_UPPER}+{KIMI_LOWER}*{END}|\p{{N}}{{1,3}}|{SIGNS}|" + SPACES)
BLOOM = r" ?[^(\s|[.,!?…。，、।۔،])]+"
gpt2 = p.ByteLevel(add_prefix_space=False)
one_digit = split(r"\p{N}")
NAMED = {
    "gpt-2": gpt2, "exaone4": gpt2, "modern-bert": gpt2,
    "command-r": CUTTERS["smollm"], "mellum2": CUTTERS["smollm"],
    "llama-bpe": CUTTERS["llama3"], "dbrx": CUTTERS["llama3"], "glm4": CUTTERS["llama3"],
    "chatglm-bpe": CUTTERS["llama3"], "falcon3": CUTTERS["llama3"],
    "qwen2": CUTTERS["qwen2"], "grok-2": CUTTERS["qwen2"], "gpt-4o": CUTTERS["o200k"], "minimax-m2": CUTTERS["o200k"],
    "deepseek-v3": CUTTERS["deepseek-v3"], "hunyuan-dense": CUTTERS["deepseek-v3"],
    "tekken": p.Sequence([split(TEKKEN), byte]),
    "bloom": p.Sequence([split(BLOOM), byte]), "poro-chat": p.Sequence([split(BLOOM), byte]),
    "viking": p.Sequence([split(BLOOM), one_digit, byte]),
    "seed-coder": p.Sequence([split(ANY + LETTERS + r"|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|" + SPACES), byte]),
    "kimi-k2": p.Sequence([split(KIMI), byte]),
    "qwen35": p.Sequence([split(
        ANY + r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|" + SPACES), byte]),
    "bailingmoe": p.Sequence([split(
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"),
        byte]),
    "exaone-moe": p.Sequence([split(
        ANY + r"[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]"
        r"|\s+(?!\S)|\s+"), byte]),
    "minicpm5": p.Sequence([split(r"\p{N}{1,3}"), split(
        ANY + LETTERS + r"|\p{N}+|" + SIGNS + "|" + SPACES), byte]),
    "tiny_aya": p.Sequence([split(r"\d{1,3}(?=(?:\d{3})*\b)"), split(O200K), byte]),
    "superbpe": p.Sequence([split(r"\p{N}+"), split(r"(?=(\d{3})+(?!\d))"), byte]),
    "jais-2": p.Sequence([split(
        ANY + LETTERS + r"|\p{N}{1,3}|" + SIGNS + r"|\s*[\r\n]+|"
        + "".join(rf"\s{{{n}}}(?!\S)|" for n in (512, 256, 128, 64, 32, 16, 8, 4)) + r"\s{1,2}(?!\S)|\s{1}"), byte]),
    "ufakzeka": p.Sequence([split(LETTERS + r"|\p{N}|" + SIGNS + "|" + SPACES), byte]),
    "laguna": p.Sequence([split(r"[^\n]+|[\n]+"), split(ANY + CL100K.replace("{1,3}", "")), byte]),
    "youtu": p.Sequence([
        split(r"[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[一-龥぀-ゟ゠-ヿ]+"),
        split(O200K.replace("{1,3}", "")), byte]),
    # Falcon's own, before its last steps look at bytes in disguise: without characters beyond Latin.
    "falcon": p.Sequence([
        p.Punctuation("contiguous"), gpt2, p.Digits(individual_digits=False), split("[0-9][0-9][0-9]")]),
    "chameleon": p.Sequence([
        split("<sentinel:[0-9]+>"), split("(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z"), split(r"([\t\n]|    |  )"),
        one_digit, split(r"[\p{P}!-/:-@\[-`{-~]"), gpt2]),
}


def cuts(cutter):
    rows = []
    for text in TEXTS:
        spans = [(len(text[:a].encode()), len(text[:b].encode())) for _, (a, b) in cutter.pre_tokenize_str(text)]
        rows.append([n for span in spans for n in span])
    return rows


out = {"texts": TEXTS, "cutters": {}, "named": {}}
for name, cutter in CUTTERS.items():
    out["cutters"][name] = {"json": json.loads(cutter.__getstate__()), "cuts": cuts(cutter)}
shared = {}
for name, cutter in NAMED.items():
    rows = cuts(cutter)
    # The same cuts under another name are not written twice.
    first = shared.setdefault(json.dumps(rows), name)
    out["named"][name] = rows if first == name else first
path = HERE / "cuts.json"
path.write_text(json.dumps(out, ensure_ascii=False, separators=(",", ":")))
print(path.stat().st_size)
