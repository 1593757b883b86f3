"""What one client gets of the model's speed, streamed and whole, beside `martlet bench`: milliseconds a token, alternating.

    python3 Benchmarks/stream_share.py 8 smollm2 before=/path/martlet after=.build/release/martlet@16

After @ the value of --stream-interval. A token's time is the server's own (`vllm:request_decode_time_seconds`), so that
what the reader costs counts as far as it slows the server. Readers: `plain` throws away what it gets, `load` is
`martlet bench serve`. Each measurement waits until nothing else runs.
"""
import json, random, re, statistics, subprocess, sys, time, urllib.request

WORDS = "the of and to in a is that it was for on are as with his they at be this from have or by one had not".split()
NEW = 128


def get(url):
    return urllib.request.urlopen(url, timeout=30).read().decode()


def wait_for_quiet():
    def times():
        with open("/proc/stat") as file:
            fields = [int(field) for field in file.readline().split()[1:8]]
        return fields[3], sum(fields)
    for _ in range(16):
        before = times()
        time.sleep(0.2)
        after = times()
        if after[0] - before[0] >= 0.97 * (after[1] - before[1]):
            return


def decode_seconds(port):
    found = re.findall(r"^vllm:request_decode_time_seconds_sum\S* (\S+)", get(f"http://127.0.0.1:{port}/metrics"), re.M)
    return sum(map(float, found))


def post(port, model, stream):
    prompt = " ".join(random.choice(WORDS) for _ in range(256))
    body = dict(model=model, prompt=prompt, max_tokens=NEW, ignore_eos=True, temperature=0, stream=stream)
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/completions", json.dumps(body).encode(),
                                     {"content-type": "application/json"})
    with urllib.request.urlopen(request) as reply:
        while reply.read1(65536):
            pass


def load(binary, port, model):
    subprocess.run([binary, "bench", "serve", "--url", f"http://127.0.0.1:{port}", "--model", model, "-c", "1", "-r", "1",
                    "--seed", str(random.randrange(10**9)), "--json"], stdout=subprocess.DEVNULL, check=True)


def offline(binary, model):
    lines = subprocess.run([binary, "bench", model, "-p", "256", "-n", str(NEW), "--rounds", "2"], capture_output=True,
                           check=True).stdout.decode().splitlines()
    return 1e3 / max(json.loads(line)["new_tokens_per_second"] for line in lines)


def served(port, ask):
    before = decode_seconds(port)
    ask()
    time.sleep(0.05)
    return 1e3 * (decode_seconds(port) - before) / (NEW - 1)


rounds, model, servers = int(sys.argv[1]), sys.argv[2], []
for index, given in enumerate(sys.argv[3:]):
    name, path = given.split("=", 1)
    path, _, interval = path.partition("@")
    port = 18270 + index
    process = subprocess.Popen([path, "serve", model, "--port", str(port)]
                               + (["--stream-interval", interval] if interval else []), stderr=subprocess.DEVNULL)
    servers.append((name, path, port, process))
try:
    for _, _, port, _ in servers:
        for _ in range(100):
            try:
                get(f"http://127.0.0.1:{port}/readyz")
                break
            except OSError:
                time.sleep(0.1)
        post(port, model, True)
    found = {}
    for _ in range(rounds):
        for name, path, port, _ in servers:
            for way, measure in [("bench", lambda: offline(path, model)),
                                 ("whole", lambda: served(port, lambda: post(port, model, False))),
                                 ("plain", lambda: served(port, lambda: post(port, model, True))),
                                 ("load", lambda: served(port, lambda: load(path, port, model)))]:
                wait_for_quiet()
                found.setdefault((name, way), []).append(measure())
    for name, _, _, _ in servers:
        base = found[name, "bench"]
        for way in ["bench", "whole", "plain", "load"]:
            shares = [a / b for a, b in zip(base, found[name, way])]
            print(f"{name} {way}: {statistics.median(found[name, way]):.2f} ms a token, share of bench "
                  f"{statistics.median(shares):.3f} ({min(shares):.2f} to {max(shares):.2f})")
finally:
    for *_, process in servers:
        process.terminate()
