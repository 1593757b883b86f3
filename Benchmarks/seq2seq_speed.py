"""Encoder-decoders of T5-small's and BART-base's shape with random weights: a source is encoded and 64 tokens are written by
four beams, by `martlet serve` and by transformers. JSON lines: seconds, and whether the tokens are the same.

    python Benchmarks/seq2seq_speed.py MARTLET [--threads 2] [--folder DIR] [--sources 4] [--exact]

Needs torch, transformers and tokenizers. Weights are float32; --exact has the server compute with them as they are, which
is what the tokens are compared at: float16 weights choose between near ties otherwise. The weights are as transformers
initialises them; larger ones make a network whose float32 logits differ from its float64 logits in the first digit.
"""
import argparse, json, os, socket, statistics, subprocess, tempfile, time, urllib.request

parser = argparse.ArgumentParser()
parser.add_argument("martlet")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--folder")
parser.add_argument("--sources", type=int, default=4)
parser.add_argument("--length", type=int, default=64, help="tokens of a source")
parser.add_argument("--exact", action="store_true")
parser.add_argument("--only", choices=["t5-small", "bart-base"])
options = parser.parse_args()
os.environ["MARTLET_THREADS"] = str(options.threads)

import torch
import transformers as t
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

torch.set_num_threads(options.threads)
NEW, BEAMS = 64, 4
shapes = {
    "t5-small": (t.T5ForConditionalGeneration, t.T5Config(
        vocab_size=32128, d_model=512, d_kv=64, d_ff=2048, num_layers=6, num_heads=8, decoder_start_token_id=0)),
    "bart-base": (t.BartForConditionalGeneration, t.BartConfig(
        vocab_size=50265, d_model=768, encoder_layers=6, decoder_layers=6, encoder_attention_heads=12,
        decoder_attention_heads=12, encoder_ffn_dim=3072, decoder_ffn_dim=3072, max_position_embeddings=1024,
        decoder_start_token_id=2, forced_eos_token_id=None)),
}


def made(folder, name):
    """A checkpoint with a tokenizer of single words, which the server wants to have."""
    path = os.path.join(folder, name)
    if os.path.exists(path + "/model.safetensors"): return path
    torch.manual_seed(1)
    cls, config = shapes[name]
    cls(config).save_pretrained(path)
    Tokenizer(WordLevel({f"w{i}": i for i in range(1000)}, unk_token="w3")).save(path + "/tokenizer.json")
    return path


def sources(vocabulary):
    numbers = torch.Generator().manual_seed(2)
    return [torch.randint(5, vocabulary, (1, options.length), generator=numbers) for _ in range(options.sources)]


def by_transformers(path, name, texts):
    model = shapes[name][0].from_pretrained(path, dtype=torch.float32).eval()
    settings = dict(num_beams=BEAMS, max_new_tokens=NEW, min_new_tokens=NEW, do_sample=False)
    times, found = [], []
    with torch.no_grad():
        model.generate(texts[0], **dict(settings, max_new_tokens=4, min_new_tokens=4))
        for text in texts:
            start = time.perf_counter()
            found.append(model.generate(text, **settings)[0].tolist()[1:1 + NEW])
            times.append(time.perf_counter() - start)
    return times, found


def post(port, body):
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/completions", json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer: return json.load(answer)


def by_martlet(path, texts):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = [options.martlet, "serve", "m=" + path, "--port", str(port)] + ["--exact"] * options.exact
    server = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health").read()
                break
            except OSError: time.sleep(0.1)
        times, found = [], []
        for text in [texts[0]] + texts:
            body = dict(model="m", prompt=text[0].tolist(), max_tokens=NEW, min_tokens=NEW, use_beam_search=True,
                        best_of=BEAMS, return_token_ids=True)
            start = time.perf_counter()
            answer = post(port, body)
            times.append(time.perf_counter() - start)
            found.append(answer["choices"][0]["token_ids"])
        return times[1:], found[1:]
    finally:
        server.terminate()
        server.wait()


folder = options.folder or tempfile.mkdtemp()
for name in [options.only] if options.only else shapes:
    path = made(folder, name)
    texts = sources(shapes[name][1].vocab_size)
    theirs, wanted = by_transformers(path, name, texts)
    ours, found = by_martlet(path, texts)
    same = sum(a == b for a, b in zip(wanted, found))
    print(json.dumps(dict(
        shape=name, threads=options.threads, exact=options.exact, source=options.length, new=NEW, beams=BEAMS,
        transformers_s=round(statistics.median(theirs), 4), martlet_s=round(statistics.median(ours), 4),
        times_faster=round(statistics.median(theirs) / statistics.median(ours), 2),
        same_tokens=f"{same} of {len(wanted)}")), flush=True)
