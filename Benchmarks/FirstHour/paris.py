#!/usr/bin/env python3
"""Asks "What is the capital of France?" in every way a newcomer would, with nothing set, five seeds each.

    python3 Benchmarks/FirstHour/paris.py --martlet .build/release/martlet [--model smollm2] [--library PROGRAM]

Ways: the command line; the library (a program that takes model, question and seed, as Examples/Library's `ask` does, which
`swift build -c release --product ask-example` puts beside martlet; left out where it is not there); curl to OpenAI's route; what the page sends; Ollama's route; Anthropic's and llama-server's routes.
A way does not name a temperature or anything else but the seed (Anthropic's has none: it draws its own).
Ends with 1 where fewer than 24 of 25 answers hold "Paris" (of more ways, the same share), or one goes round in circles to
its end.
"""
import argparse, json, os, re, socket, subprocess, sys, time, urllib.request

QUESTION = "What is the capital of France?"


def circles(text):
    """Whether the last words are the same run of words three times, twelve words or more of it."""
    words = text.split()
    for period in range(1, len(words) // 3 + 1):
        tail = words[-3 * period:]
        if 3 * period >= 12 and tail[:period] == tail[period:2 * period] == tail[2 * period:]:
            return True
    return False


def post(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=600) as answer:
        return answer.read().decode()


def page_fields(root):
    """What the chat page adds to a request, read from its own code, so that the two cannot part."""
    text = open(os.path.join(root, "Sources/Server/Pages/js/chat/settings.js"), encoding="utf-8").read()
    found = re.search(r"export const chatDefaults = (\{.*?\});", text, re.S).group(1)
    return json.loads(re.sub(r"(\w+):", r'"\1":', found))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--martlet", default=".build/release/martlet")
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--library")
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    example = os.path.join(os.path.dirname(os.path.abspath(given.martlet)), "ask-example")
    if not given.library and os.access(example, os.X_OK):
        given.library = example
    if not given.library:
        print("without the library: build ask-example, or name a program with --library", file=sys.stderr)
    root = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    server = subprocess.Popen([given.martlet, "serve", given.model, "--port", str(port)],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(300):
        try:
            urllib.request.urlopen(address + "/livez", timeout=1).read()
            break
        except OSError:
            time.sleep(0.1)

    messages = [{"role": "user", "content": QUESTION}]

    def command_line(seed):
        return subprocess.run([given.martlet, "run", given.model, "--quiet", "--seed", str(seed), QUESTION],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL, check=True).stdout

    def library(seed):
        return subprocess.run([given.library, given.model, QUESTION, str(seed)], capture_output=True, text=True,
                              check=True).stdout

    def openai(seed, **fields):
        body = {"model": given.model, "messages": messages, "seed": seed, **fields}
        return json.loads(post(address + "/v1/chat/completions", body))["choices"][0]["message"]["content"]

    def page(seed):
        text = ""
        body = {"model": given.model, "messages": messages, "seed": seed, "stream": True, **page_fields(root)}
        for line in post(address + "/v1/chat/completions", body).splitlines():
            if line.startswith("data: {"):
                for choice in json.loads(line[6:])["choices"]:
                    text += choice["delta"].get("content") or ""
        return text

    def ollama(seed):
        body = {"model": given.model, "messages": messages, "stream": False, "options": {"seed": seed}}
        return json.loads(post(address + "/api/chat", body))["message"]["content"]

    def anthropic(seed):
        body = {"model": given.model, "max_tokens": 512, "messages": messages}
        return json.loads(post(address + "/v1/messages", body))["content"][0]["text"]

    def llama_server(seed):
        prompt = json.loads(post(address + "/apply-template", {"messages": messages}))["prompt"]
        return json.loads(post(address + "/completion", {"prompt": prompt, "seed": seed, "n_predict": 512}))["content"]

    ways = [("command line", command_line), ("curl", openai), ("page", page), ("ollama", ollama),
            ("anthropic", anthropic), ("llama-server", llama_server)]
    if given.library:
        ways.insert(1, ("library", library))
    right = asked = round_and_round = 0
    try:
        for name, ask in ways:
            answers = [ask(seed) for seed in range(1, given.seeds + 1)]
            good, bad = sum("Paris" in text for text in answers), sum(map(circles, answers))
            print(f"{name:14} Paris in {good} of {len(answers)}, in circles {bad}   {answers[0].strip()[:70]!r}", flush=True)
            right, asked, round_and_round = right + good, asked + len(answers), round_and_round + bad
    finally:
        server.terminate()
        server.wait()
    print(f"Paris in {right} of {asked}, {round_and_round} in circles")
    return 0 if right >= asked * 24 / 25 and round_and_round == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
