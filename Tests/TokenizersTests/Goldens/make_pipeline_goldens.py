#!/usr/bin/env python3
"""Trains small tokenizers of every kind and writes what the tokenizers and sentencepiece wheels make of a hard
corpus. Usage: make_pipeline_goldens.py FOLDER_OF_TEXTS (wiki_demo.txt, tinyshakespeare.txt, alpaca_zh_demo.json).
Writes pipeline-*.json beside itself. Needs tokenizers 0.23, sentencepiece 0.2."""
import base64
import collections
import io
import json
import pathlib
import random
import struct
import sys
import tempfile
import unicodedata

import sentencepiece as spm
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = pathlib.Path(__file__).resolve().parent
DATA = pathlib.Path(sys.argv[1])
random.seed(7)

CORPUS = [
    "",
    " ",
    "a",
    "Hello, world!",
    "  leading and trailing  ",
    "tabs\tand\nnew\r\nlines\n\n\n\nend",
    " " * 37 + "x" + " " * 5,
    "\n" * 12,
    "\t\t\tif (x) {\r\n\t\t\t\treturn -1;\r\n\t\t\t}",
    "def f(n):\n    return n if n < 2 else f(n - 1) + f(n - 2)  # fib\n",
    "let x: [String: Int] = [:]; x[\"a\", default: 0] += 1 // ++",
    "The quick brown fox jumps over the lazy dog. It's didn't we'll I'm they've you're he'd 'sss",
    "ALL CAPS, camelCase, snake_case, kebab-case, 3.14159, 1,000,000, 0xDEADBEEF, 1e-9",
    "Café naïve façade Zürich Ångström İstanbul ﬁne ﬀ Ⅳ ½ ² ™ №",
    "Cafe\u0301 nai\u0308ve A\u030angstro\u0308m q\u0307\u0323 q\u0323\u0307 o\u0302\u0301\u0323",
    "Здравствуй, мир! Ёлка и ёж — «кавычки».",
    "Γειά σου Κόσμε ΣΊΣΥΦΟΣ ᾳ ΐ",
    "你好,世界!今天天气怎么样?我在北京学习中文。",
    "日本語のテキスト、カタカナ、ｶﾞﾀｶﾅ、ひらがな。㈱㍿",
    "한국어 문장입니다. 각 \u1100\u1161\u11a8 \uac00\u11a8",
    "مرحبا بالعالم! كَيْفَ حَالُكَ؟ ١٢٣",
    "שלום עולם שָׁלוֹם",
    "नमस्ते दुनिया क्षत्रिय हिन्दी",
    "สวัสดีชาวโลก น้ำ",
    "Xin chào thế giới, tiếng Việt có dấu",
    "ქართული ენა Հայերեն አማርኛ தமிழ் বাংলা",
    "😀 👩‍👩‍👧‍👦 🏳️‍🌈 🇩🇪🇫🇷 👍🏽 ☕️ ❤️‍🔥 1️⃣",
    "zero\u200bwidth\u200djoin\ufeffbom\u00adsoft\u00a0nbsp\u3000ideographic\u2028line",
    "control\u0000\u0001\u0007\u001b[31m\u007f\u0085\u009f end",
    "\ufffd replacement \ufffd\ufffd",
    "<s>not really</s> <unk> [CLS] x [SEP] [MASK]. <|im_start|>user\nhi<|im_end|>",
    "word<mask>word <mask> , <mask>  <mask>",
    "foo<new>bar <new>s new> <ne <neW> X<new>",
    "ab aab aaab abab <ab> <abc> <abcd> <abcde",
    "▁already ▁▁marked _under",
    "a▁b ▁ c",
    "<0x41><0xE4> <0x0A>",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "Pneumonoultramicroscopicsilicovolcanoconiosis antidisestablishmentarianism",
    "https://example.org/a/b?c=d&e=f%20g#h user@mail.example $100 50% a+b=c 2^10 ~x `code` \\n",
    "…—–‘’“”„‚‹›«»•·¿¡§¶†‡°′″",
    "x\u0300\u0316\u0300\u0316" * 8,
    "Straße GROẞ ſ K Å Ω ℵ",
    "mixed: a你b好c 1２3 Ａｂｃ １２３",
    b"bad \xff\xfe bytes \xc3( \xe2\x82 \xf0\x9f\x98 end \xed\xa0\x80".decode("utf-8", "replace"),
    "do not stop . Is n't it ? ' quoted '",
    "a" + "\u0301" * 40,
]


def texts():
    out = []
    for name in ("wiki_demo.txt", "tinyshakespeare.txt"):
        out += (DATA / name).read_text().splitlines()[:4000]
    for row in json.loads((DATA / "alpaca_zh_demo.json").read_text())[:300]:
        out.append(row["output"])
    out = [t for t in out if t.strip()]
    random.shuffle(out)
    return out[:5000] + [c for c in CORPUS if c.strip()] * 3


TEXTS = texts()
COMMON = {c for c, _ in collections.Counter("".join(TEXTS)).most_common(250)}
FEW = [t for t in ("".join(c for c in t if c in COMMON) for t in TEXTS) if t.strip()]
SPECIAL = ["<s>", "</s>", "<unk>", "<pad>", "[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]"]


def save(name, body, cases, **more):
    path = HERE / f"pipeline-{name}.json"
    path.write_text(json.dumps({**body, **more, "cases": cases}, ensure_ascii=False, separators=(",", ":")))
    print(path.name, path.stat().st_size)
    assert path.stat().st_size < 200_000, name


def cases(tok, **more):
    out = []
    for text in CORPUS:
        ids = tok.encode(text, add_special_tokens=False).ids
        out.append({
            "text": text, "ids": ids, "with": tok.encode(text).ids,
            "decoded": tok.decode(ids, skip_special_tokens=False),
            "skipped": tok.decode(ids, skip_special_tokens=True),
        })
    return out


def hf(name, tok, trainer=None, added=()):
    if trainer:
        tok.train_from_iterator(TEXTS, trainer)
    for token in added:
        (tok.add_special_tokens if token.special else tok.add_tokens)([token])
    body = json.loads(tok.to_str())
    pair = tok.encode("one two", "three, four")
    tok.encode_special_tokens = True
    plain = [tok.encode(t, add_special_tokens=False).ids for t in CORPUS]
    tok.encode_special_tokens = False
    save(name, {"tokenizer": body}, cases(tok), plain=plain, pair={"ids": pair.ids, "types": pair.type_ids})


ADDED = [
    AddedToken("<new>", normalized=False),
    AddedToken("<mask>", special=True, lstrip=True, normalized=False),
    AddedToken("<|im_start|>", special=True, normalized=False),
    AddedToken("<|im_end|>", special=True, rstrip=True, normalized=False),
    AddedToken("ab", single_word=True, normalized=True),
    AddedToken("<ab>", normalized=True),
    AddedToken("<abc", normalized=False),
    AddedToken("<abcd>", normalized=False),
]


def unigram(size=700, **kw):
    return trainers.UnigramTrainer(
        vocab_size=size, special_tokens=["<unk>", "<s>", "</s>"], unk_token="<unk>", show_progress=False, **kw)


def wordpiece():
    return trainers.WordPieceTrainer(
        vocab_size=1500, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], show_progress=False)


def make_unigram():
    for scheme, split in (("always", True), ("first", True), ("never", True), ("first", False)):
        tok = Tokenizer(models.Unigram())
        tok.normalizer = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
        tok.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=True)
        tok.decoder = decoders.Metaspace(prepend_scheme=scheme, split=split)
        tok.train_from_iterator(FEW, unigram())
        if not split:
            tok.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=False)
        tok.post_processor = processors.TemplateProcessing(
            single="$A </s>", pair="$A </s> $B:1 </s>:1", special_tokens=[("</s>", tok.token_to_id("</s>"))])
        hf(f"unigram-{scheme}-{'split' if split else 'whole'}", tok, None, ADDED)

    # T5 / XLM-R: the compiled character map of a sentencepiece model.
    pieces, charsmap = parsed(sentencepiece(model_type="unigram", vocab_size=700, normalization_rule_tsv=rules()))
    tok = Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=False))
    tok.normalizer = normalizers.Sequence([
        normalizers.Precompiled(charsmap), normalizers.Replace(Regex(" {2,}"), " ")])
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")])
    tok.decoder = decoders.Metaspace()
    tok.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 1))
    hf("unigram-precompiled", tok, None, ADDED)

    pieces, _ = parsed(sentencepiece(
        model_type="unigram", vocab_size=900, byte_fallback=True, normalization_rule_name="identity"))
    tok = Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=True))
    tok.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tok.decoder = decoders.Sequence([
        decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    hf("unigram-bytes", tok, None, ADDED)


def make_words():
    for name, norm in (
        ("uncased", normalizers.BertNormalizer(lowercase=True)),
        ("cased", normalizers.BertNormalizer(lowercase=False)),
        ("parts", normalizers.Sequence([
            normalizers.NFD(), normalizers.StripAccents(), normalizers.Lowercase(), normalizers.Strip()])),
    ):
        tok = Tokenizer(models.WordPiece(unk_token="[UNK]"))
        tok.normalizer = norm
        tok.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
        tok.decoder = decoders.WordPiece()
        tok.train_from_iterator(TEXTS, wordpiece())
        tok.post_processor = (
            processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2)) if name == "cased" else
            processors.TemplateProcessing(
                single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1",
                special_tokens=[("[CLS]", 2), ("[SEP]", 3)]))
        hf(f"wordpiece-{name}", tok, None, ADDED)
    tok = Tokenizer(models.WordLevel(unk_token="[UNK]"))
    tok.normalizer = normalizers.NFKD()
    tok.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    hf("wordlevel", tok, trainers.WordLevelTrainer(
        vocab_size=800, special_tokens=["[UNK]", "[CLS]"], show_progress=False), ADDED)


def make_pairs():
    # GPT-2, with and without a normaliser.
    for name, prefix, norm in (("gpt2", False, None), ("gpt2-prefix", True, None), ("gpt2-nfc", False, normalizers.NFC())):
        tok = Tokenizer(models.BPE())
        if norm:
            tok.normalizer = norm
        tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
        tok.decoder = decoders.ByteLevel()
        tok.post_processor = processors.ByteLevel(trim_offsets=False)
        hf(f"bpe-{name}", tok, trainers.BpeTrainer(
            vocab_size=900, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            special_tokens=["<s>", "</s>"], show_progress=False), ADDED)

    # Llama 3's shape: Split by a regular expression, then bytes.
    tok = Tokenizer(models.BPE(ignore_merges=True))
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"),
            "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tok.decoder = decoders.ByteLevel()
    tok.train_from_iterator(TEXTS, trainers.BpeTrainer(
        vocab_size=900, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<s>", "</s>"], show_progress=False))
    tok.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B:1", special_tokens=[("<s>", 0)])])
    hf("bpe-llama3", tok, None, ADDED)

    # Llama 2's shape: no cuts, bytes for what has no token.
    tok = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    tok.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tok.decoder = decoders.Sequence([
        decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tok.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    tok.train_from_iterator(TEXTS, trainers.BpeTrainer(
        vocab_size=1100, limit_alphabet=150, show_progress=False,
        special_tokens=["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]))
    body = json.loads(tok.to_str())
    body["pre_tokenizer"] = None
    for token in body["added_tokens"]:
        token["special"] = token["id"] < 3
    body["added_tokens"] = body["added_tokens"][:3]
    body["post_processor"] = json.loads(processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s>:1 $B:1", special_tokens=[("<s>", 1)]).__getstate__())
    hf("bpe-llama2", Tokenizer.from_str(json.dumps(body)), None, ADDED)

    # Words that end in </w>.
    tok = Tokenizer(models.BPE(unk_token="<unk>", end_of_word_suffix="</w>"))
    tok.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tok.pre_tokenizer = pre_tokenizers.Whitespace()
    tok.decoder = decoders.BPEDecoder(suffix="</w>")
    hf("bpe-suffix", tok, trainers.BpeTrainer(
        vocab_size=1200, limit_alphabet=120, end_of_word_suffix="</w>", special_tokens=["<unk>"], show_progress=False), ADDED)


def sentencepiece(**kw):
    buffer = io.BytesIO()
    spm.SentencePieceTrainer.train(
        sentence_iterator=iter([t.replace("\x00", "") for t in FEW]), model_writer=buffer,
        character_coverage=0.98, hard_vocab_limit=False, minloglevel=2, **kw)
    return buffer.getvalue()


def fields(data):
    """(number, value) of each field of a protocol buffer."""
    at = 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
        elif key & 7 == 5:
            yield key >> 3, struct.unpack("<f", data[at : at + 4])[0]
            at += 4
        elif key & 7 == 2:
            size = varint()
            yield key >> 3, data[at : at + size]
            at += size
        else:
            at += 8


def parsed(model):
    """Pieces with their scores, and the character map."""
    pieces, charsmap = [], b""
    for number, value in fields(model):
        if number == 1:
            piece = dict(fields(value))
            pieces.append((piece[1].decode(), piece.get(2, 0.0)))
        elif number == 3:
            charsmap = dict(fields(value)).get(2, b"")
    return pieces, charsmap


def rules():
    """A character map small enough to commit: part of NFKC, with sequences and deletions, and the odd spaces."""
    rows = {}
    for c in [*range(0xA0, 0x250), *range(0x1E00, 0x1F00), *range(0xFB00, 0xFB07), *range(0xFF01, 0xFF9F),
              *range(0x2100, 0x2140), 0x3231, 0x334D, 0x2026]:
        for form in ("NFC", "NFD"):
            source, target = unicodedata.normalize(form, chr(c)), unicodedata.normalize("NFKC", chr(c))
            if source != target:
                rows[source] = target
    for c in [9, 10, 13, 0x3000, 0x200B, 0xFEFF, 0x2028]:
        rows[chr(c)] = " "
    for c in [1, 7, 0x1B, 0x7F]:
        rows[chr(c)] = ""
    path = pathlib.Path(tempfile.mkdtemp()) / "rules.tsv"
    code = lambda text: " ".join(f"{ord(c):X}" for c in text)
    path.write_text("".join(f"{code(a)}\t{code(b)}\n" for a, b in sorted(rows.items())))
    return str(path)


def make_sentencepiece():
    for name, kw in {
        "unigram": dict(model_type="unigram", vocab_size=800, normalization_rule_tsv=rules()),
        "unigram-bytes": dict(model_type="unigram", vocab_size=1000, byte_fallback=True, normalization_rule_name="identity",
                              remove_extra_whitespaces=False, user_defined_symbols=["<new>", "<|im_start|>"]),
        "bpe-bytes": dict(model_type="bpe", vocab_size=1200, byte_fallback=True, normalization_rule_name="identity",
                          remove_extra_whitespaces=False, user_defined_symbols=["<new>", "ab"]),
        "bpe": dict(model_type="bpe", vocab_size=900, normalization_rule_tsv=rules()),
        "bpe-noprefix": dict(model_type="bpe", vocab_size=1200, byte_fallback=True, add_dummy_prefix=False,
                             normalization_rule_name="identity", remove_extra_whitespaces=False, split_digits=True),
    }.items():
        model = sentencepiece(**kw)
        sp = spm.SentencePieceProcessor(model_proto=model)
        # The trainer's record of itself is not needed and holds no tokens.
        rows = []
        for text in CORPUS:
            if "\x00" in text:
                text = text.replace("\x00", "")
            ids = sp.encode(text)
            rows.append({"text": text, "ids": ids, "decoded": sp.decode(ids)})
        save(f"sentencepiece-{name}", {"model": base64.b64encode(model).decode()}, rows, unknown=sp.unk_id())


if __name__ == "__main__":
    for make in (make_unigram, make_words, make_pairs, make_sentencepiece):
        if len(sys.argv) < 3 or make.__name__ in sys.argv[2:]:
            make()
