"""Holds GGUF files to llama.cpp: does it load them, cut texts into the same ids and compute the same logits?

    pip install xllamacpp numpy                       # llama.cpp's functions, as its library exports them
    python check_gguf.py MARTLET FILE.gguf… [--text TEXT]… [--tokens 48] [--limit 0.001]

One JSON line a file. `ids` is the number of texts that both cut alike, of `texts`. Logits are of one text, all positions:
`difference` is the largest one between llama.cpp, its cache in float32, and `martlet logits --exact`, over the largest logit;
`rounding` the same between llama.cpp on the file and on its numbers in float32 (`martlet convert --dtype f32`), which is what
llama.cpp itself rounds of activations; `plain` between llama.cpp on these and `--exact`: that is what shows a wrong file,
0.00001 at most where it is right, but for what llama.cpp looks up in a table of half precision (GELU). `same_top1` is the
share of positions with the same most probable token. The exit status is 1 where a file is not loaded, an id differs, or
`plain` is above --limit.
"""
import argparse, ctypes, glob, json, pathlib, subprocess, sys, tempfile

import numpy as np

TEXTS = ["Hello, world! It's 12345 o'clock — naïve café, 3.14159 × 2,000.", "你好，世界！今天天气很好。我们去公园吧。", "😀 👩‍👩‍👧‍👦 🇨🇳 ❤️ é",
         "  two  spaces\tand\t\ttabs\n\n\nnew lines\r\n   trailing   ", "def f(x):\n    return x**2 + 1  # don't, we'll, I'M\n", "1 22 333 4444 55555 666666",
         "العربية Русский ελληνικά हिन्दी 日本語 한국어", "a" * 40 + " " * 20 + "!!!???...", "", " "]


class Opaque(ctypes.Structure):
    """A structure of parameters of a length that its library knows: passed last, a longer one is as good."""
    _fields_ = [("words", ctypes.c_int32 * 256)]


class Batch(ctypes.Structure):
    _fields_ = [("count", ctypes.c_int32), ("token", ctypes.POINTER(ctypes.c_int32)), ("embd", ctypes.c_void_p),
                ("pos", ctypes.POINTER(ctypes.c_int32)), ("n_seq_id", ctypes.POINTER(ctypes.c_int32)),
                ("seq_id", ctypes.POINTER(ctypes.POINTER(ctypes.c_int32))), ("logits", ctypes.POINTER(ctypes.c_int8))]


def library():
    import xllamacpp
    found = ctypes.CDLL(glob.glob(xllamacpp.__path__[0] + "/*.so")[0])
    for name in ("model_load_from_file", "init_from_model", "model_get_vocab"):
        getattr(found, "llama_" + name).restype = ctypes.c_void_p
    for name in ("model", "context"):
        getattr(found, f"llama_{name}_default_params").restype = Opaque
    found.llama_init_from_model.argtypes = [ctypes.c_void_p, Opaque]
    found.llama_model_load_from_file.argtypes = [ctypes.c_char_p, Opaque]
    found.llama_model_get_vocab.argtypes = [ctypes.c_void_p]
    found.llama_vocab_n_tokens.argtypes = [ctypes.c_void_p]
    found.llama_tokenize.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int32, ctypes.POINTER(ctypes.c_int32),
                                     ctypes.c_int32, ctypes.c_bool, ctypes.c_bool]
    found.llama_set_n_threads.argtypes = [ctypes.c_void_p, ctypes.c_int32, ctypes.c_int32]
    found.llama_batch_init.restype = Batch
    found.llama_decode.argtypes = [ctypes.c_void_p, Batch]
    found.llama_get_logits_ith.argtypes = [ctypes.c_void_p, ctypes.c_int32]
    found.llama_get_logits_ith.restype = ctypes.POINTER(ctypes.c_float)
    return found


def theirs(file, texts, count, out):
    """In a process of its own, since llama.cpp ends the process on some files: ids of the texts, logits of one."""
    llama = library()
    llama.llama_backend_init()
    model = llama.llama_model_load_from_file(file.encode(), llama.llama_model_default_params())
    if not model:
        sys.exit(3)
    parameters = llama.llama_context_default_params()
    words = list(parameters.words)
    cache = next(i for i in range(20, 60) if words[i] == words[i + 1] == 1)    # type_k, type_v: float16
    parameters.words[cache] = parameters.words[cache + 1] = 0                  # float32
    flash = max(i for i in range(cache) if words[i] == -1)
    parameters.words[flash] = 0                                                # no flash attention, which rounds
    context = llama.llama_init_from_model(model, parameters)
    llama.llama_set_n_threads(context, 1, 1)                                   # two wait for each other on a busy machine
    vocabulary = llama.llama_model_get_vocab(model)
    width, cut = llama.llama_vocab_n_tokens(vocabulary), []
    for special in (True, False):
        for text in texts:
            data, room = text.encode(), (ctypes.c_int32 * 8192)()
            found = llama.llama_tokenize(vocabulary, data, len(data), room, 8192, special, True)
            cut.append(list(room[:found]))
    ids = max(cut[: len(texts)], key=len)[:count]
    batch = llama.llama_batch_init(len(ids), 0, 1)
    batch.count = len(ids)
    for i, token in enumerate(ids):
        batch.token[i], batch.pos[i], batch.n_seq_id[i], batch.seq_id[i][0], batch.logits[i] = token, i, 1, 0, 1
    if llama.llama_decode(context, batch):
        sys.exit(4)
    logits = np.stack([np.ctypeslib.as_array(llama.llama_get_logits_ith(context, i), (width,)) for i in range(len(ids))])
    np.savez(out, logits=logits, ids=np.array(ids), cut=json.dumps(cut))


def asked(file, texts, count, out):
    run = subprocess.run([sys.executable, __file__, "--theirs", str(file), json.dumps(texts), str(count), str(out)],
                         capture_output=True, text=True)
    lines = [line for line in run.stderr.splitlines() if any(word in line.lower() for word in ("error", "unknown", "assert", "failed"))]
    return (np.load(out), None) if run.returncode == 0 else (None, " | ".join(lines[:3]) or f"ended with {run.returncode}")


def far(a, b):
    return float(np.abs(a - b).max() / np.abs(b).max())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("martlet")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--text", action="append", default=[], help="a further text, as one with special tokens")
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--limit", type=float, default=1e-3)
    options = parser.parse_args()
    texts, bad = TEXTS + options.text, False

    def ours(*arguments, text=None):
        return subprocess.run([options.martlet, *map(str, arguments)], input=text, check=True, capture_output=True, text=True).stdout

    for file in options.files:
        with tempfile.TemporaryDirectory() as folder:
            home, row = pathlib.Path(folder), {"file": pathlib.Path(file).name}
            found, wrong = asked(file, texts, options.tokens, home / "a.npz")
            if found is None:
                print(json.dumps(row | {"loads": False, "said": wrong}), flush=True)
                bad = True
                continue
            cut, differ = json.loads(str(found["cut"])), []
            for place, text in enumerate(texts * 2):
                flag = "--special" if place < len(texts) else "--no-special"
                mine = json.loads(ours("tokenize", file, flag, "--json", text=text))["ids"]
                if mine != cut[place]:
                    differ.append({"text": text, "flag": flag, "ours": mine[:24], "theirs": cut[place][:24]})
            ids = ",".join(map(str, found["ids"]))
            ours("logits", file, "--exact", "--ids", ids, "--out", home / "ours.npy")
            ours("convert", file, "--to", "gguf", "--dtype", "f32", "--out", home / "f32.gguf")
            exact, (plain, wrong) = np.load(home / "ours.npy"), asked(home / "f32.gguf", texts, options.tokens, home / "b.npz")
            exact = exact.reshape(-1, exact.shape[-1])
            row |= {"loads": True, "texts": len(texts) * 2, "ids": len(texts) * 2 - len(differ), "tokens": len(found["ids"]),
                    "difference": far(found["logits"], exact), "rounding": plain is not None and far(found["logits"], plain["logits"]),
                    "plain": plain is not None and far(plain["logits"], exact), "said": wrong,
                    "same_top1": float((found["logits"].argmax(-1) == exact.argmax(-1)).mean())}
            print(json.dumps(row | ({"differ": differ[:4]} if differ else {}), ensure_ascii=False), flush=True)
            bad |= bool(differ) or plain is None or row["plain"] > options.limit
    sys.exit(bad)


if sys.argv[1:2] == ["--theirs"]:
    theirs(sys.argv[2], json.loads(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
else:
    main()
