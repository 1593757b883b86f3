"""Embeds 1,000 sentences with Martlet and with sentence-transformers in turn (A B A B …), on the same threads.

    python Benchmarks/embed_speed.py MARTLET MODEL_FOLDER TEXT_FILE --pairs 5 --threads 2

Needs a python with sentence-transformers. Sentences are cut from the file at full stops. Martlet is a process that reads
them from its input; a process with one sentence is taken off, so that loading is left out, and writing the numbers as JSON
is counted. Of sentence-transformers the call of encode() alone is counted, after a call that warms up, with its default
batches of 32, sorted by length as it does. Prints a line of JSON: seconds of each (medians), the ratios pair by pair, their
median, the seconds of whole processes, the lowest cosine between the vectors of both, and how busy the machine was.
"""
import argparse, json, os, re, statistics, subprocess, sys, tempfile, time

parser = argparse.ArgumentParser()
parser.add_argument("martlet")
parser.add_argument("model")
parser.add_argument("text")
parser.add_argument("--pairs", type=int, default=5)
parser.add_argument("--texts", type=int, default=1000)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--peer", help=argparse.SUPPRESS)
options = parser.parse_args()


def sentences():
    """Sentences of 20 to 400 characters, one of each."""
    found = {}
    for line in open(options.text, encoding="utf-8"):
        for sentence in re.split(r"(?<=[.!?])\s+", line.strip()):
            if 20 <= len(sentence) <= 400: found.setdefault(sentence)
            if len(found) == options.texts: return list(found)
    sys.exit(f"{options.text} has only {len(found)} sentences; give a longer file, or --texts {len(found)}")


def peer(path):
    """One run of sentence-transformers, in a process of its own."""
    begun = time.monotonic()
    import numpy, torch
    torch.set_num_threads(options.threads)
    from sentence_transformers import SentenceTransformer
    model = SentenceTransformer(options.model, device="cpu")
    texts = sentences()
    model.encode(texts[:64])
    start = time.monotonic()
    vectors = model.encode(texts)
    end = time.monotonic()
    numpy.save(path, vectors)
    print(json.dumps(dict(seconds=end - start, whole=end - begun)))


if options.peer:
    peer(options.peer)
    sys.exit()

import numpy

texts = sentences()
environment = dict(os.environ, MARTLET_THREADS=str(options.threads), OMP_NUM_THREADS=str(options.threads),
                   TOKENIZERS_PARALLELISM="true")


def ours(lines):
    start = time.monotonic()
    done = subprocess.run([options.martlet, "embed", options.model], input="\n".join(lines), text=True,
                          stdout=subprocess.PIPE, env=environment)
    seconds = time.monotonic() - start
    if done.returncode: sys.exit(f"{options.martlet} embed: exit status {done.returncode}")
    return seconds, [json.loads(line) for line in done.stdout.splitlines()]


def theirs(folder):
    path = folder + "/vectors.npy"
    command = [sys.executable, os.path.abspath(__file__), *sys.argv[1:], "--peer", path]
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment)
    if done.returncode: sys.exit(f"sentence-transformers: exit status {done.returncode}")
    return json.loads(done.stdout.splitlines()[-1]), numpy.load(path)


before = os.getloadavg()[0]
rows, lowest = [], 1.0
with tempfile.TemporaryDirectory() as folder:
    for _ in range(options.pairs):
        whole, vectors = ours(texts)
        alone, _ = ours(texts[:1])
        told, others = theirs(folder)
        a, b = numpy.array(vectors, dtype=numpy.float64), others.astype(numpy.float64)
        cosines = (a * b).sum(1) / numpy.linalg.norm(a, axis=1) / numpy.linalg.norm(b, axis=1)
        lowest = min(lowest, float(cosines.min()))
        rows.append((whole - alone, told["seconds"], whole, told["whole"]))
middle = [statistics.median(column) for column in zip(*rows)]
ratios = [b / a for a, b, _, _ in rows]
print(json.dumps(dict(
    texts=len(texts), threads=options.threads, martlet_s=round(middle[0], 3), sentence_transformers_s=round(middle[1], 3),
    ratio=round(statistics.median(ratios), 2), ratios=[round(r, 2) for r in ratios],
    martlet_process_s=round(middle[2], 3), sentence_transformers_process_s=round(middle[3], 3),
    lowest_cosine=round(lowest, 6), load_before=round(before, 1), load_after=round(os.getloadavg()[0], 1),
    cpus=os.cpu_count())))
