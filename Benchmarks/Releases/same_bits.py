"""Whether two builds of the program give the same bytes: logits, replies, vectors, trained weights, answers of the server.

    python3 Benchmarks/Releases/same_bits.py OLD NEW [--model smollm2] [--model gemma3] [--encoder minilm] [--only PART]

OLD and NEW are two `martlet` programs. Small models are those of the tests (every family and format there is); --model and
--encoder name real ones. NEW writes each --model in every type of GGUF, as folders of each plain type and in every packed
layout, and both read the files. Prints a JSON line for each comparison that differs, and one with the counts at the end;
exit code 1 if anything differs. What OLD refuses and NEW can do is counted as new, not as different, and --verbose names
it. Where bits differ the line says by how much: the largest difference of two logits, and the largest logit.
"""
import argparse, array, http.client, json, math, os, pathlib, shutil, socket, struct, subprocess, sys, tempfile, time

parser = argparse.ArgumentParser()
parser.add_argument("old")
parser.add_argument("new")
parser.add_argument("--model", action="append", default=[])
parser.add_argument("--encoder", action="append", default=[])
parser.add_argument("--only", choices=["logits", "families", "formats", "replies", "vectors", "training", "server"])
parser.add_argument("--threads", type=int, help="MARTLET_THREADS of both programs")
parser.add_argument("--verbose", action="store_true", help="name what is new, and what both refuse")
options = parser.parse_args()
root = pathlib.Path(__file__).resolve().parents[2]
goldens = root / "Tests/ModelsTests/Goldens"
counts = dict(same=0, different=0, new=0, refused=0)
work = pathlib.Path(tempfile.mkdtemp())


if options.threads: os.environ["MARTLET_THREADS"] = str(options.threads)


def run(program, *arguments, **settings):
    return subprocess.run([program, *map(str, arguments)], capture_output=True, **settings)


def compare(name, old, new):
    """Each is the bytes of a result, or None where the program failed."""
    if old is None:
        kind = "refused" if new is None else "new"
    else:
        kind = "same" if old == new else "different"
    counts[kind] += 1
    if kind == "different":
        print(json.dumps(dict(different=name, failed=new is None, **distance(old, new))), flush=True)
    elif kind != "same" and options.verbose:
        print(json.dumps({kind: name}), flush=True)


def distance(old, new):
    """Of two lists of float32: the largest difference, and the largest number of the first."""
    if not isinstance(old, bytes) or new is None or len(old) != len(new) or len(old) % 4: return {}
    a, b = array.array("f", old), array.array("f", new)
    return dict(difference=max(map(abs, (x - y for x, y in zip(a, b))), default=0), largest=max(map(abs, a), default=0))


def both(name, result):
    compare(name, result(options.old, "old"), result(options.new, "new"))


def wanted(part):
    return options.only in (None, part)


def tensors(path):
    """The bytes of the tensors of a safetensors file, without its metadata."""
    data = path.read_bytes()
    return data[8 + int.from_bytes(data[:8], "little"):]


def logits(model, *arguments):
    def result(program, side):
        out = work / f"{side}.safetensors"
        out.unlink(missing_ok=True)
        done = run(program, "logits", model, "--out", out, *arguments)
        return tensors(out) if done.returncode == 0 else None
    return result


if wanted("logits"):
    folders = sorted(path.parent for path in goldens.glob("*/config.json")) + sorted(goldens.glob("gguf/*.gguf"))
    for model in folders:
        for form in ([], ["--exact"]):
            both(f"logits {model.name} {form}", logits(model, "--ids", "1,5,9,3,20,17,11,2,8,30,4,4,6", *form))
    for model in options.model:
        text = (root / "README.md").read_text()[:3000]
        for form in ([], ["--exact"]):
            both(f"logits {model} {form}", logits(model, "--text", text, *form))


def numbers(name, count):
    """Elements of a tensor of Tests/ModelsTests/Goldens/families: the top 8 bits of splitmix64(fnv1a(name) + index)."""
    mask, seed = (1 << 64) - 1, 0xcbf29ce484222325
    for byte in name.encode(): seed = (seed ^ byte) * 0x100000001b3 & mask
    for index in range(count):
        z = seed + (index + 1) * 0x9e3779b97f4a7c15 & mask
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9 & mask
        z = (z ^ z >> 27) * 0x94d049bb133111eb & mask
        yield (((z ^ z >> 31) >> 56) - 128) / 256


def write_family(golden, folder):
    """The checkpoint of a golden family, whose weights follow from their names."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(golden["config"]))
    header, parts, offset = {}, [], 0
    for name, base, *shape in golden["tensors"]:
        count = math.prod(shape)
        values = list(numbers(name, count))
        if len(shape) < 2: values = [base + value / 2 for value in values]
        parts.append(struct.pack(f"<{count}f", *values))
        header[name] = dict(dtype="F32", shape=shape, data_offsets=[offset, offset + 4 * count])
        offset += 4 * count
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + b"".join(parts))


if wanted("families"):
    for path in sorted((goldens / "families").glob("*.json")):
        golden = json.loads(path.read_text())
        folder = work / path.stem
        write_family(golden, folder)
        for form in ([], ["--exact"]):
            both(f"family {path.stem} {form}", logits(folder, "--ids", ",".join(map(str, golden["ids"])), *form))
        shutil.rmtree(folder)

if wanted("formats"):
    text = (root / "README.md").read_text()[:1500]
    calibration = work / "calibration.txt"
    calibration.write_text((root / "docs/architecture.md").read_text())
    described = run(options.new, "quantize", "--help").stdout.decode()
    types = " ".join(described.split("Types:")[1].split(". The mixes")[0].split()).split(", ")
    ways = [(f"gguf {kind}", ["quantize", "--to", kind], "model.gguf") for kind in types]
    ways += [(f"folder {kind}", ["convert", "--to", "hf", "--dtype", kind], "model") for kind in ("f32", "f16", "bf16")]
    ways += [(f"llama2.c {version}", ["convert", "--to", "llama2c", "--file-version", version], "model.bin") for version in "012"]
    ways += [(" ".join(form), ["quantize", "--method", *form], "model") for form in (
        ["rtn", "--group", "64"], ["gptq", "--bits", "4", "--group", "64", "--calibration", str(calibration), "--chunks", "2"],
        ["awq", "--group", "64", "--calibration", str(calibration), "--chunks", "2"], ["nf4"], ["fp4"], ["int8"], ["fp8"],
        ["fp8-e5m2"], ["mlx", "--bits", "4"])]
    for model in options.model:
        for name, way, file in ways:
            place = work / "made"
            place.mkdir()
            made = run(options.new, way[0], model, *way[1:], "--out", place / file)
            if made.returncode:
                print(json.dumps(dict(notMade=f"{model} {name}", why=made.stderr.decode().strip()[-300:])), flush=True)
            else:
                for form in ([], ["--exact"]):
                    both(f"format {model} {name} {form}", logits(place / file, "--text", text, *form))
            shutil.rmtree(place)

# What a model recommends where a request says nothing may change from release to release: nothing is left to it.
unsaid = dict(top_p=1, top_k=0, min_p=0, repetition_penalty=1)

if wanted("replies"):
    for model in options.model:
        for style in (["--temperature", "0", "--top-p", "1", "--top-k", "0", "--min-p", "0", "--repetition-penalty", "1"], ["--temperature", "0.9", "--top-p", "0.9", "--seed", "7"],
                      ["--temperature", "1.1", "--top-k", "40", "--min-p", "0.02", "--repetition-penalty", "1.1",
                       "--seed", "3"], ["--beams", "3"]):
            def result(program, side):
                done = run(program, "run", model, "Tell me about the sea and the moon.", "-n", "60", "--quiet", *style)
                return done.stdout if done.returncode == 0 else None
            both(f"reply {model} {style}", result)

if wanted("vectors"):
    for model in options.encoder:
        def result(program, side):
            done = run(program, "embed", model, "--text", "one text", "--text", "another, somewhat longer text", "--text", "第三")
            return done.stdout if done.returncode == 0 else None
        both(f"vectors {model}", result)

if wanted("training"):
    corpus = work / "corpus.txt"
    corpus.write_text("".join(path.read_text() for path in sorted((root / "docs").glob("*.md"))))
    for step in (["tokenizer", "train", corpus, "--vocab-size", "600", "--out", work / "tokenizer"],
                 ["data", "pack", corpus, "--tokenizer", work / "tokenizer", "--out", work / "shards"]):
        done = run(options.old, *step)
        if done.returncode: sys.exit(f"{step}: {done.stderr.decode()}")
    shape = ["--depth", "2", "--set", "hidden_size=64", "--set", "heads=4", "--set", "context_length=64",
             "--set", "batch_rows=8", "--steps", "50", "--set", "warmup=5"]
    forms = [["--optimizer", name] for name in ("adamw", "adam", "sgd", "rmsprop", "adafactor", "lion", "muon")]
    forms += [["--precision", "bf16"], ["--precision", "fp16"], ["--ema", "0.99"], ["--dropout", "0.1"]]
    for form in forms:
        def result(program, side):
            out = work / f"run-{side}-{'-'.join(form)}"
            done = run(program, "train", "--data", work / "shards", "--out", out, *shape, *form)
            if done.returncode: sys.exit(f"{program} {form}: {done.stderr.decode()}")
            return b"".join(tensors(path) for path in sorted(out.glob("*.safetensors")))
        both(f"training {form}", result)

requests = [
    ("/v1/chat/completions", dict(messages=[dict(role="user", content="Name three rivers.")], max_tokens=40,
                                  temperature=0, logprobs=True, top_logprobs=3, **unsaid)),
    ("/v1/chat/completions", dict(messages=[dict(role="user", content="Name three rivers.")], max_tokens=40,
                                  temperature=0.8, seed=11, n=3, **unsaid)),
    ("/v1/chat/completions", dict(messages=[dict(role="user", content="Answer as JSON.")], max_tokens=60, temperature=0,
                                  response_format=dict(type="json_schema", json_schema=dict(name="x", schema=dict(
                                      type="object", properties=dict(river=dict(type="string", maxLength=20),
                                                                     length=dict(type="integer")),
                                      required=["river", "length"]))))),
    ("/v1/completions", dict(prompt="Once upon a time", max_tokens=40, temperature=0.7, seed=5, logprobs=2,
                             **unsaid)),
    ("/v1/chat/completions", dict(messages=[dict(role="user", content="What is the weather in Oslo?")], max_tokens=60,
                                  temperature=0, tool_choice="required", tools=[dict(type="function", function=dict(
                                      name="weather", parameters=dict(type="object", properties=dict(
                                          city=dict(type="string")), required=["city"])))])),
]


def answer(port, path, body, method="POST"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"})
    reply = connection.getresponse()
    return reply.status, reply.read()


def without_names(value):
    """A reply without what differs from one answer to the next: identifiers and times."""
    if isinstance(value, dict):
        return {key: without_names(item) for key, item in value.items()
                if key not in ("id", "created", "system_fingerprint", "timings")}
    return [without_names(item) for item in value] if isinstance(value, list) else value


if wanted("server"):
    for model in options.model:
        replies = {}
        for program in (options.old, options.new):
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            server = subprocess.Popen([program, "serve", model, "--port", str(port)],
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            for _ in range(600):
                try:
                    if answer(port, "/health", None, "GET")[0] == 200: break
                except OSError:
                    pass
                time.sleep(0.1)
            replies[program] = []
            for path, body in requests:
                status, text = answer(port, path, dict(body, model=model))
                replies[program].append(without_names(json.loads(text)) if status == 200 else None)
            server.terminate()
            server.wait()
        for index, (path, _) in enumerate(requests):
            old, new = (replies[program][index] for program in (options.old, options.new))
            compare(f"server {model} {path} {index}", old, new)

print(json.dumps(counts))
sys.exit(1 if counts["different"] else 0)
