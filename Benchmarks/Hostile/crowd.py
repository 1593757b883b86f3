#!/usr/bin/env python3
"""Many and large requests at once, and what another streaming user and the health check notice of them.

  crowd.py MARTLET MODEL ENCODER [--port 8398] [--most 50] [--only score,tokenize,…]

Starts `MARTLET serve MODEL ENCODER` and plays one scene after the other, with a second user who streams replies without an
end and a probe that asks `/livez` on a new connection over and over:

  score      two bodies of 10 MB for /v1/score: text_1 of spaces, text_2 of 1,000 short texts
  embed      a body of 1 MB of texts for /v1/embeddings
  tokenize   four bodies of 30 MB for /tokenize
  numbers    a body of 32 MB that is a list of numbers
  left       four bodies of 30 MB whose clients leave as soon as they are sent
  stalled    40 clients that send 30 MB of a body that never ends
  slow       1,100 clients that send a header byte by byte, as the second request of their connection

Prints a line of JSON for each: statuses, seconds, the second user's longest wait between two tokens with and without, the
slowest and the median answer of /livez, resident memory before, at most and after. The last line says how long the server
takes to end after two signals. Exit status 1 where it ended by itself, where /livez failed, or where a wait is more than
--most milliseconds longer than without.

Python's standard library only.
"""
import argparse
import collections
import http.client
import json
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time

from hold_up import SecondUser, milliseconds, resident, wait_for


class Probe(threading.Thread):
    """Asks whether the server lives, again and again, and notes how long each answer took."""

    def __init__(self, port, pid):
        super().__init__(daemon=True)
        self.port, self.pid, self.answers, self.failures, self.most, self.stopped = port, pid, [], 0, 0.0, False

    def run(self):
        while not self.stopped:
            begun = time.monotonic()
            try:
                link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
                link.request("GET", "/livez", headers={"connection": "close"})
                if link.getresponse().status != 200:
                    self.failures += 1
                link.close()
            except (OSError, http.client.HTTPException):
                self.failures += 1
            self.answers.append((begun, time.monotonic() - begun))
            try:
                self.most = max(self.most, resident(self.pid))
            except OSError:
                return
            time.sleep(0.02)


def head(path, length):
    return (f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {length}\r\nConnection: close\r\n\r\n").encode()


def send(port, path, body, leaves=False):
    """Sends a body; returns the status."""
    link = socket.create_connection(("127.0.0.1", port), timeout=180)
    try:
        link.sendall(head(path, len(body)) + body)
        if leaves:
            return "left"
        answer = b""
        while b"\r\n" not in answer:
            part = link.recv(4096)
            if not part:
                return "closed"
            answer += part
        while link.recv(1 << 16):
            pass
        return answer.split()[1].decode()
    except OSError as problem:
        return type(problem).__name__
    finally:
        link.close()


def together(port, path, bodies, leaves=False):
    statuses = []
    threads = [threading.Thread(target=lambda body=body: statuses.append(send(port, path, body, leaves)))
               for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses


def stalled(port, seconds=8):
    links, part = [], b'{"prompt": "' + b"a" * (30 << 20)

    def one():
        try:
            link = socket.create_connection(("127.0.0.1", port), timeout=seconds)
            links.append(link)
            link.sendall(head("/tokenize", 31 << 20) + part)
        except OSError:
            pass

    threads = [threading.Thread(target=one, daemon=True) for _ in range(40)]
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    statuses = []
    for link in links:
        link.setblocking(False)
        try:
            statuses.append((link.recv(64).split() + [b"", b"closed"])[1].decode() or "closed")
        except BlockingIOError:
            statuses.append("waiting")
        except OSError as problem:
            statuses.append(type(problem).__name__)
        link.close()
    return statuses


def slow(port, seconds=15):
    links, statuses = [], []
    for _ in range(1100):
        try:
            link = socket.create_connection(("127.0.0.1", port), timeout=5)
            link.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            links.append(link)
        except OSError as problem:
            statuses.append(type(problem).__name__)
    end = time.monotonic() + seconds
    rest = b"GET /livez HTTP/1.1\r\nX-Slow: " + b"a" * 100
    for index in range(len(rest)):
        if time.monotonic() > end:
            break
        for link in links:
            try:
                link.send(rest[index:index + 1])
            except OSError:
                pass
        time.sleep(1)
    for link in links:
        link.close()
    return statuses + ["sent"] * len(links)


def scenes(model, encoder):
    def text(length):
        return json.dumps({"model": model, "prompt": "word " * (length // 5)}).encode()

    score = json.dumps({"model": encoder, "text_1": " " * (10 << 20),
                        "text_2": [f"short text {index}" for index in range(1000)]}).encode()
    embed = json.dumps({"model": encoder, "input": ["some words of a text " * 20] * 2000}).encode()
    numbers = b'{"tokens": [' + b"1," * (16 << 20) + b"1]}"
    return {
        "score": lambda port: together(port, "/v1/score", [score] * 2),
        "embed": lambda port: together(port, "/v1/embeddings", [embed]),
        "tokenize": lambda port: together(port, "/tokenize", [text(30 << 20)] * 4),
        "numbers": lambda port: together(port, "/detokenize", [numbers[:32 << 20]]),
        "left": lambda port: together(port, "/tokenize", [text(30 << 20)] * 4, leaves=True),
        "stalled": stalled,
        "slow": slow,
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("martlet")
    parser.add_argument("model")
    parser.add_argument("encoder")
    parser.add_argument("--port", type=int, default=8398)
    parser.add_argument("--most", type=float, default=50, help="milliseconds that a wait may be longer")
    parser.add_argument("--seconds", type=float, default=3, help="of streaming before each scene")
    parser.add_argument("--only", default="", help="names of scenes, separated by commas")
    options = parser.parse_args()
    server = subprocess.Popen(
        [options.martlet, "serve", f"chat={options.model}", f"vectors={options.encoder}", "--load-all", "--port",
         str(options.port)], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    failed = False
    try:
        wait_for(options.port, server)
        user, probe = SecondUser(options.port), Probe(options.port, server.pid)
        user.start()
        probe.start()
        chosen = {name for name in options.only.split(",") if name}
        for name, scene in scenes("chat", "vectors").items():
            if chosen and name not in chosen:
                continue
            quiet = time.monotonic()
            time.sleep(options.seconds)
            before = probe.most = resident(server.pid)
            begun = time.monotonic()
            statuses = collections.Counter(scene(options.port))
            ended = time.monotonic()
            time.sleep(1)
            without = max(user.waits(quiet, begun), default=0)
            longest = max(user.waits(begun, ended), default=0)
            answers = [spent for at, spent in probe.answers if begun <= at <= ended] or [0]
            alive = server.poll() is None
            failed = failed or not alive or milliseconds(longest - without) > options.most
            print(json.dumps({
                "scene": name, "statuses": statuses, "seconds": round(ended - begun, 2),
                "longest_wait_ms": milliseconds(longest), "longest_without_ms": milliseconds(without),
                "livez_slowest_ms": milliseconds(max(answers)),
                "livez_median_ms": milliseconds(statistics.median(answers)), "livez_failures": probe.failures,
                "resident_before_mib": round(before, 1), "resident_most_mib": round(probe.most, 1),
                "resident_after_mib": round(resident(server.pid), 1) if alive else None, "alive": alive}), flush=True)
            if not alive:
                break
        failed = failed or probe.failures > 0
        user.stopped = probe.stopped = True
    finally:
        begun = time.monotonic()
        if server.poll() is None:
            server.send_signal(signal.SIGTERM)
            time.sleep(0.2)
            server.send_signal(signal.SIGTERM)
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                failed = True
                server.kill()
        print(json.dumps({"seconds_to_end": round(time.monotonic() - begun, 2)}))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
