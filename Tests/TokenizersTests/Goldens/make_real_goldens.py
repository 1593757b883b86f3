#!/usr/bin/env python3
"""Golden ids of real tokenizers, which are too large to commit: RealTokenizerTests reads them when
MARTLET_TOKENIZER_GOLDENS names the folder. Usage: make_real_goldens.py OUT GGUF… FOLDER…
GGUF files: metadata as JSON, ids of llama.cpp (its HTTP server in the xllamacpp wheel). Folders with a
tokenizer.json: ids of the tokenizers wheel."""
import json
import pathlib
import sys
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
corpus = next(line for line in [json.loads((HERE / "pipeline-wordlevel.json").read_text())["cases"]])
TEXTS = [case["text"] for case in corpus if "\x00" not in case["text"]]
TEXTS += [
    "<|im_start|>system\nYou are helpful.<|im_end|>\n<|im_start|>user\nWhy is the sky blue?<|im_end|>\n<|im_start|>assistant\n",
    "<start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n", "<bos>x<eos>",
    "    indented\n\n\n        more\n\t\tand tabs\t", "1234567890 12 345 6789", "I'LL we'Ve DON'T o'clock ''s",
]


def gguf(path):
    import gguf as g
    import xllamacpp as x

    reader = g.GGUFReader(path)

    def value(key):
        field = reader.fields.get(key)
        return None if field is None else field.contents()

    body = {key.removeprefix("tokenizer."): value(key) for key in reader.fields if key.startswith("tokenizer.")}
    params = x.CommonParams()
    params.model.path, params.n_ctx, params.n_gpu_layers, params.n_parallel = path, 512, 0, 1
    server = x.Server(params)

    def ids(text, special, parse):
        request = urllib.request.Request(
            server.listening_address + "/tokenize",
            json.dumps({"content": text, "add_special": special, "parse_special": parse}).encode(),
            {"Content-Type": "application/json"})
        return json.loads(urllib.request.urlopen(request).read())["tokens"]

    cases = [{"text": t, "ids": ids(t, False, True), "with": ids(t, True, True), "plain": ids(t, False, False)} for t in TEXTS]
    return {"gguf": body, "cases": cases}


def folder(path):
    from tokenizers import Tokenizer

    tok = Tokenizer.from_file(path + "/tokenizer.json")
    tok.no_truncation()
    tok.no_padding()
    cases = []
    for text in TEXTS:
        ids = tok.encode(text, add_special_tokens=False).ids
        cases.append({
            "text": text, "ids": ids, "with": tok.encode(text).ids,
            "decoded": tok.decode(ids, skip_special_tokens=False), "skipped": tok.decode(ids)})
    return {"folder": path, "cases": cases}


out = pathlib.Path(sys.argv[1])
out.mkdir(exist_ok=True)
for path in sys.argv[2:]:
    body = gguf(path) if path.endswith(".gguf") else folder(path)
    (out / (pathlib.Path(path).name + ".json")).write_text(json.dumps(body, ensure_ascii=False))
    print(path, len(body["cases"]))
