#!/usr/bin/env python3
"""Writes seeds of fuzz targets, a few kB to a file: the tests' tokenizers with a vocabulary of a few dozen tokens, the
snippets that render, the tests' expressions and configurations, random models of one layer in GGUF, what OpenAI's
client sends, and files of tables, arrays and logs. Needs sentencepiece, gguf, pyarrow and zstandard.
Usage: Fuzz/make_seeds.py [KIND...]"""
import base64
import gzip
import io
import json
import pathlib
import sys

import gguf
import numpy
import pyarrow
import pyarrow.ipc
import sentencepiece
import zstandard

HERE = pathlib.Path(__file__).resolve().parent
TESTS = HERE.parent / "Tests"
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
    for path in sorted((TESTS / "TokenizersTests/Goldens").glob("pipeline-*.json")):
        tokenizer = json.loads(path.read_text()).get("tokenizer")
        if tokenizer is None:
            continue
        small = shrink(tokenizer)
        small["configuration"] = {"eos_token": "</s>", "bos_token": {"content": "<s>"}, "add_bos_token": True}
        text = json.dumps(small, ensure_ascii=False, separators=(",", ":"))
        (HERE / "seeds/tokenizer" / path.stem.removeprefix("pipeline-")).write_text(text)


def pieces():
    """Small models of both kinds, each behind a byte that says what is put around a text."""
    for kind in ("unigram", "bpe"):
        for number, more in enumerate(({}, {"byte_fallback": True}, {"user_defined_symbols": ["<x>", "ab"]})):
            out = io.BytesIO()
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(["hello world the end of it"] * 20), model_writer=out, hard_vocab_limit=False,
                vocab_size=40 + (256 if "byte_fallback" in more else 0), model_type=kind, minloglevel=2,
                normalization_rule_name="identity", **more)
            (HERE / f"seeds/sentencepiece/{kind}-{number}").write_bytes(bytes([5 * number]) + out.getvalue())


def vocabularies():
    ranks = "\n".join(f"{base64.b64encode(bytes([byte])).decode()} {byte}" for byte in range(256))
    ranks += "\n" + "\n".join(f"{base64.b64encode(t).decode()} {256 + i}" for i, t in enumerate([b"th", b"the", b" t"]))
    (HERE / "seeds/vocabulary/ranks").write_bytes(b"\0" + ranks.encode())
    names = ["<|endoftext|>", "a", "b", "Ġ", "ab", "Ġa", "aa"]
    merges = ["a b", "Ġ a", "a a"]
    vocabulary = json.dumps({name: index for index, name in enumerate(names)}, ensure_ascii=False)
    (HERE / "seeds/vocabulary/pairs").write_bytes(
        b"\1" + vocabulary.encode() + b"\0#version: 0.2\n" + "\n".join(merges).encode())
    for flags, model, pre in [(2, "gpt2", "tekken"), (2, "gpt2", "kimi-k2"), (58, "llama", ""), (58, "t5", ""),
                              (50, "bert", ""), (34, "gemma4", "")]:
        text = "\n".join([model, pre, *names, "", *(merges if model in ("gpt2", "gemma4") else [])])
        (HERE / f"seeds/vocabulary/{model}-{pre}".rstrip("-")).write_bytes(bytes([flags]) + text.encode())


def snippets():
    file = json.loads((TESTS / "ChatTests/Goldens/jinja-snippets.json").read_text())
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


def configurations():
    for path in sorted((HERE.parent / "Tests/ModelsTests/Goldens").glob("*/config.json")):
        text = json.dumps(json.loads(path.read_text()), separators=(",", ":"))
        (HERE / "seeds/configuration" / path.parent.name).write_text(text)


def model(name, architecture, kind=None, experts=0, width=16, vocabulary=8, **values):
    """One layer of two heads, whose tensors are all of one type but for the norms."""
    writer = gguf.GGUFWriter(str(HERE / "seeds/model" / name), architecture)
    writer.add_block_count(1)
    writer.add_context_length(64)
    writer.add_embedding_length(width)
    writer.add_feed_forward_length(width)
    writer.add_head_count(2)
    writer.add_head_count_kv(2 if architecture == "gpt2" else 1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_layer_norm_eps(1e-5)
    for key, value in values.items():
        getattr(writer, "add_" + key)(value)
    generator = numpy.random.default_rng(1)

    def tensor(name, *shape):
        data = generator.standard_normal(shape).astype(numpy.float32)
        if kind is None or len(shape) == 1:
            writer.add_tensor(name, data)
        else:
            writer.add_tensor(name, gguf.quants.quantize(data, kind), raw_dtype=kind)

    tensor("token_embd.weight", vocabulary, width)
    if architecture == "gpt2":
        tensor("position_embd.weight", 64, width)
        for part in ("attn_qkv", "attn_output", "ffn_up", "ffn_down"):
            rows = 3 * width if part == "attn_qkv" else width
            tensor(f"blk.0.{part}.weight", rows, width)
            tensor(f"blk.0.{part}.bias", rows)
        for part in ("blk.0.attn_norm", "blk.0.ffn_norm", "output_norm"):
            tensor(part + ".weight", width)
            tensor(part + ".bias", width)
    else:
        for part, rows in (("q", width), ("k", width // 2), ("v", width // 2), ("output", width)):
            tensor(f"blk.0.attn_{part}.weight", rows, width)
        if experts:
            writer.add_expert_count(experts)
            writer.add_expert_used_count(1)
            tensor("blk.0.ffn_gate_inp.weight", experts, width)
        for part in ("gate", "up", "down"):
            if experts:
                tensor(f"blk.0.ffn_{part}_exps.weight", experts, width, width)
            else:
                tensor(f"blk.0.ffn_{part}.weight", width, width)
        for part in ("blk.0.attn_norm", "blk.0.ffn_norm", "output_norm"):
            tensor(part + ".weight", width)
        if architecture == "qwen3":
            tensor("blk.0.attn_q_norm.weight", width // 2)
            tensor("blk.0.attn_k_norm.weight", width // 2)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def models():
    kinds = gguf.GGMLQuantizationType
    model("llama-f32", "llama", rope_scaling_type=gguf.RopeScalingType.YARN, rope_scaling_factor=4.0,
          rope_scaling_orig_ctx_len=16)
    model("llama-experts", "llama", kinds.F16, experts=2)
    model("qwen3-bf16", "qwen3", kinds.BF16, rope_freq_base=1e6)
    model("gpt2", "gpt2")
    for kind in (kinds.Q8_0, kinds.Q4_0, kinds.Q4_1, kinds.Q5_0, kinds.Q5_1):
        model("llama-" + kind.name.lower(), "llama", kind, width=32)


def expressions():
    golden = json.loads((TESTS / "PatternsTests/Goldens/expressions.json").read_text())
    seeds = {name.replace(" ", "-"): (family["expressions"][-1], golden["text"][200:700])
             for name, family in golden["families"].items()}
    seeds |= {f"case-{number}": golden["cases"][number][:2] for number in (5, 20, 33, 40, 46, 61)}
    seeds["mixed"] = (r"(?:(?>a|ab)+(?=b|a)|(?<!b)a{2,5}?)+c|(?i:Σ[[:alpha:]&&[^a-c]])", "aabab cΣσx 1234 'S aac  \n ")
    for name, (expression, text) in seeds.items():
        if "\n" not in expression and len(expression) < 800:
            (HERE / "seeds/expression" / name).write_text("0" + expression + "\n" + text)


def requests():
    """The first byte chooses the decoder, or the syntax in which calls are looked for."""
    (HERE / "seeds/request").mkdir(exist_ok=True)
    file = HERE.parent / "Tests/APITests/Goldens/requests.json"
    kinds = {"chat/completions": 0, "completions": 2, "embeddings": 3, "responses": 12}
    for number, entry in enumerate(json.loads(file.read_text())):
        kind = kinds[entry["path"].removeprefix("/v1/")]
        (HERE / f"seeds/request/client-{number}").write_text(chr(kind) + json.dumps(entry["body"]))
    others = {
        "rerank": (4, {"query": "a", "documents": ["b", {"text": "c"}], "top_n": 1}),
        "score": (5, {"text_1": "a", "text_2": ["b", "c"]}),
        "tokenize": (6, {"content": "a", "with_pieces": True, "parse_special": False}),
        "detokenize": (7, {"tokens": [1, 2, 3]}),
        "template": (8, {"messages": [{"role": "user", "content": "a"}], "chat_template_kwargs": {"b": 1}}),
        "messages": (9, {"model": "m", "max_tokens": 5, "system": "a", "messages": [
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "c"}]}]}),
        "ollama-chat": (10, {"model": "m", "messages": [{"role": "user", "content": "a"}], "think": "low",
                             "options": {"num_predict": 3, "stop": ["b"]}, "keep_alive": "1h5m"}),
        "ollama-generate": (11, {"model": "m", "prompt": "a", "system": "b", "format": {"type": "object"}})}
    others["tune"] = (13, {"name": "id-1", "method": "sft", "model": "m", "data": ["a.json"], "resume": False,
                           "upload": {"name": "b.jsonl", "text": "{}"}, "options": {"rank": 4, "adapter": "lora"}})
    others["adapters"] = (13, {"prompt": "a", "lora": [{"id": 0, "scale": 0.5}]})
    for name, (kind, body) in others.items():
        (HERE / "seeds/request" / name).write_text(chr(kind) + json.dumps(body))
    call = '{"name": "f", "arguments": {"a": "b"}}'
    replies = [
        "<think>x</think>a<tool_call>" + call + "</tool_call>",
        "<tool_call><function=f><parameter=a>\nb\n</parameter></function></tool_call>",
        "<|python_tag|>" + call.replace("arguments", "parameters"), '[f(a="b", c=[1, None])]',
        "[TOOL_CALLS]f[CALL_ID]x[ARGS]{}[TOOL_CALLS][" + call + "]",
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
        "<start_function_call>call:f{a:<escape>b<escape>,c:[1,{d:2}]}<end_function_call>", "[" + call + "]"]
    for number, text in enumerate(replies):
        (HERE / f"seeds/request/reply-{number}").write_bytes(bytes([14 + 15 * number]) + text.encode())


def grammars():
    """Schemas of the oracle's cases, one file for each of their keywords, and the grammars of the tests."""
    seen = set()
    cases = json.loads((HERE.parent / "Tests/InferenceTests/Goldens/schema-cases.json").read_text())
    for case in cases:
        text = json.dumps(case["schema"], ensure_ascii=False, separators=(",", ":"))
        keywords = set(case["schema"] if isinstance(case["schema"], dict) else ["boolean"]) - seen
        if keywords and len(text) < 1500:
            seen |= keywords
            name = sorted(keywords)[0].replace("$", "")
            (HERE / "seeds/schema" / name).write_text(text + "\0" + "0a1B2c~\x03\x7f" * 8)
    grammars = {
        "arithmetic": 'root ::= (expr "=" term "\\n")+\nexpr ::= term ([-+*/] term)*\nterm ::= [a-z]+ | "(" expr ")"\n',
        "classes": 'root ::= [^a-c\\n]{2} . "\\u00e9\\x41" x?\nx ::= ("ab" | [\\]\\[-]){1,3} # end\n',
        "nested": 'root ::= "[" root* "]" | "a" root "b" | "c"\n',
        "tokens": 'root ::= <ab> !<[3]>* ("a" | <[5]>) "c" | !<ab>{2}\n',
        "nullable": 'root ::= x x "."\nx ::= y?\ny ::= "a" | "b" x\n',
    }
    for name, text in grammars.items():
        (HERE / "seeds/gbnf" / name).write_text(text + "\0" + "0a1B2c~\x03\x7f" * 8)


def containers():
    """Files of the kinds that hold tables, arrays and logs; the first byte of some chooses the reader."""
    words = b"".join(b"row %d of %d, " % (number % 7, number * number) for number in range(60))

    def seed(target, name, content):
        (HERE / "seeds" / target).mkdir(exist_ok=True)
        (HERE / "seeds" / target / name).write_bytes(content)

    for level in [1, 19]:
        seed("zstd", f"level-{level}", zstandard.ZstdCompressor(level=level, write_checksum=True).compress(words))
    seed("zstd", "runs", zstandard.compress(bytes(5000)) + zstandard.compress(b""))
    for level in [0, 1, 9]:
        seed("gzip", f"level-{level}", gzip.compress(words[:300 if level == 0 else 2000], level, mtime=0))
    # What unpacks it, and to how many bytes.
    for number, codec in enumerate(["snappy", "lz4_raw", "lz4"]):
        for name, text in [("words", words), ("runs", bytes(900))]:
            packed = pyarrow.compress(text, codec=codec, asbytes=True)
            seed("blocks", f"{codec}-{name}", bytes([number]) + len(text).to_bytes(3, "little") + packed)
    arrays = {"a": numpy.arange(12, dtype=numpy.float32).reshape(3, 4), "b": numpy.asfortranarray(numpy.eye(3))}
    for name, write in [("stored", numpy.savez), ("packed", numpy.savez_compressed)]:
        out = io.BytesIO()
        write(out, **arrays)
        seed("numpy", name, out.getvalue())
    for name, array in (arrays | {"flags": numpy.array([True, False]), "big": numpy.arange(4, dtype=">i2")}).items():
        out = io.BytesIO()
        numpy.save(out, array)
        seed("numpy", name, out.getvalue())
    chat = '{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}'
    files = [
        b'text,label\r\n"a ""b"" c\nd",x\r\ne,f\r\n', b"instruction\tinput\toutput\na\t\tb\n",
        f'{chat}\n{{"text":"a"}}\n\n{{"prompt":"a","completion":"b","x":[1e308,-9223372036854775808]}}\n'.encode(),
        f"[{chat}]".encode(), b"one<|endoftext|>two\nthree", gzip.compress(b"text\na\n", mtime=0),
        zstandard.compress(chat.encode())]
    for number, content in enumerate(files):
        seed("csv", f"kind-{number}", bytes([number]) + content)
    step = {"kind": "step", "step": 1, "loss": 2.5, "learning_rate": 1e-3, "gradient_norm": 1, "tokens_per_second": 9,
            "seconds": 3, "peak_share": 0.5, "peak_memory_bytes": 1e9}
    lines = [step, step | {"step": 2, "loss": 1e19, "seconds": -1e308}, {
        "kind": "evaluation", "step": 2, "loss": 2, "perplexity": 7.4, "bits_per_byte": 1.1, "sample": "<b>"},
        {"kind": "score", "step": 2, "task": "t", "right": 1, "questions": 2, "categories": {
            "c": {"right": 1, "questions": 9223372036854775807}}}]
    seed("log", "log", b"\0" + b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    # An event of TensorBoard's that says its version, behind its length and two checksums.
    event = bytes([9]) + bytes(8) + bytes([26, 13]) + b"brain.Event:2"
    seed("log", "events", b"\1" + len(event).to_bytes(8, "little") + bytes(4) + event + bytes(4))
    # A field's number beyond its range.
    number = bytes([0xfe] + [0xff] * 8 + [1])
    footer = bytes([5]) + number + bytes([2, 0x15, 2, 0])
    seed("parquet", "field-number", b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1")
    table = pyarrow.table({"text": ["a", None], "list": [[["b"], []], None]})
    out = io.BytesIO()
    with pyarrow.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    seed("arrow", "lists", out.getvalue())


def packed():
    """Small modules in the layouts that Fuzz/packed.swift builds from bytes: which layout, the shape, then tensors."""
    random = bytes((i * 73 + 41) % 256 for i in range(4096))
    # Four bytes choose bits, groups and blocks, the last of seven the method; then outputs and inputs less one.
    for method, name in enumerate(["gptq", "awq", "bitsandbytes", "fp8", "compressed"]):
        head = bytes([2, 17, 17, 8, 8, 4, 16, method, 15, 31])
        path = HERE / "seeds" / "packed" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(head + random[method:method + 2000])


MAKERS = {make.__name__: make for make in (
    tokenizers, pieces, vocabularies, snippets, configurations, models, expressions, requests, grammars, containers,
    packed)}
for name in sys.argv[1:] or MAKERS:
    MAKERS[name]()
