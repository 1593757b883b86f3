"""Throughput of a server for 16 clients: eight adapters mixed, or the model without any.

    python3 Benchmarks/served_adapters.py mixed MARTLET MODEL FOLDER    # and: plain
    python3 Benchmarks/pairs.py --pairs 5 --figure tokens_per_second:tokens_per_second -- \
        'python3 Benchmarks/served_adapters.py mixed .build/release/martlet smollm2 /tmp/adapters' \
        'python3 Benchmarks/served_adapters.py plain .build/release/martlet smollm2 /tmp/adapters'

FOLDER gets eight LoRA folders of rank 16 on all linear layers of SmolLM2-135M, unless they are there; --shape names another
model's sizes. Every client asks four times for 64 tokens; prompts differ, replies do not end before. One JSON line, with what
the server took of the processors for a token: beside other programs that says more than the clock.
"""
import argparse, array, http.client, json, os, random, socket, struct, subprocess, threading, time

parser = argparse.ArgumentParser()
parser.add_argument("mode", choices=["mixed", "plain"])
parser.add_argument("martlet")
parser.add_argument("model")
parser.add_argument("folder")
parser.add_argument("--shape", default="30,576,192,1536", help="layers, hidden size, size of keys, size of the feed-forward")
parser.add_argument("--rank", type=int, default=16)
parser.add_argument("--clients", type=int, default=16)
parser.add_argument("--requests", type=int, default=4)
parser.add_argument("--tokens", type=int, default=64)
options = parser.parse_args()
layers, hidden, keys, inner = map(int, options.shape.split(","))
count = 8


def write_adapter(path, seed):
    """A folder as peft writes it, with small random matrices."""
    os.makedirs(path, exist_ok=True)
    rank, modules = options.rank, {"self_attn.q_proj": (hidden, hidden), "self_attn.k_proj": (hidden, keys),
        "self_attn.v_proj": (hidden, keys), "self_attn.o_proj": (hidden, hidden), "mlp.gate_proj": (hidden, inner),
        "mlp.up_proj": (hidden, inner), "mlp.down_proj": (inner, hidden)}
    source = random.Random(seed)
    noise = array.array("f", ((byte - 127.5) / 12750 for byte in source.randbytes(rank * max(hidden, inner) * 4)))
    header, parts, place = {}, [], 0
    for layer in range(layers):
        for name, (inputs, outputs) in modules.items():
            for letter, shape in (("A", (rank, inputs)), ("B", (outputs, rank))):
                size, start = shape[0] * shape[1], source.randrange(rank * max(hidden, inner) * 3)
                parts.append(noise[start:start + size].tobytes())
                header[f"base_model.model.model.layers.{layer}.{name}.lora_{letter}.weight"] = {
                    "dtype": "F32", "shape": shape, "data_offsets": [place, place + 4 * size]}
                place += 4 * size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path + "/adapter_model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(parts))
    json.dump({"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": rank, "lora_alpha": 2 * rank,
        "target_modules": [name.split(".")[1] for name in modules]}, open(path + "/adapter_config.json", "w"))


paths = [f"{options.folder}/adapter-{number}" for number in range(count)]
for number, path in enumerate(paths):
    if not os.path.exists(path + "/adapter_config.json"): write_adapter(path, number)

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]
command = [options.martlet, "serve", "base=" + options.model, "--port", str(port)]
if options.mode == "mixed":
    for number, path in enumerate(paths): command += ["--adapter", f"a{number}={path}"]
server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def processor_seconds():
    """Of the server so far."""
    fields = open(f"/proc/{server.pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ask(number, turn, tokens):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
    name = f"a{number % count}" if options.mode == "mixed" else "base"
    connection.request("POST", "/v1/completions", json.dumps({"model": name, "max_tokens": tokens, "temperature": 0,
        "ignore_eos": True, "prompt": f"Story {turn} of client {number}: a small bird flew over the sea and"}),
        {"Content-Type": "application/json"})
    answer = json.loads(connection.getresponse().read())
    connection.close()
    return answer["usage"]["completion_tokens"]


try:
    end = time.monotonic() + 120
    while True:
        try:
            ask(0, "warm", 4)
            break
        except (OSError, KeyError):
            if time.monotonic() > end or server.poll() is not None: raise SystemExit("the server does not answer")
            time.sleep(0.2)
    # Adapters are read before anything is measured.
    for number in range(count): ask(number, "warm", 2)
    written = [0] * options.clients

    def client(number):
        for turn in range(options.requests): written[number] += ask(number, turn, options.tokens)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(options.clients)]
    started, before = time.monotonic(), processor_seconds()
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    seconds, taken = time.monotonic() - started, processor_seconds() - before
    print(json.dumps({"mode": options.mode, "clients": options.clients, "tokens": sum(written), "seconds": round(seconds, 3),
        "tokens_per_second": round(sum(written) / seconds, 1),
        "processor_ms_per_token": round(1000 * taken / sum(written), 3)}))
finally:
    server.terminate()
    server.wait()
