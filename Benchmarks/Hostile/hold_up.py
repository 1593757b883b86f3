#!/usr/bin/env python3
"""Sends hostile requests to a server while a second user streams, and measures how long that user waits.

  hold_up.py MARTLET MODEL FOLDER... [--seconds 3] [--port 8399] [--serve-option=--max-running=8 ...]

Starts `MARTLET serve MODEL`, streams one reply after another as the second user, and sends every FOLDER/*.json, one after
the other, to the route that its members name. Prints a line of JSON for each: the status and time of its reply, the second
user's longest wait between two tokens while it was under way, what that user waits without it, and the server's resident
memory. The last line sums up. Exit status 1 where the server ended, or where a wait is longer than --most (milliseconds)
beyond the longest without.

Python's standard library only.
"""
import argparse
import http.client
import json
import pathlib
import signal
import statistics
import subprocess
import sys
import threading
import time

ROUTES = [  # The first whose members are all in the body.
    (("messages",), "/v1/chat/completions"),
    (("prompt",), "/v1/completions"),
    (("text_1", "text_2"), "/v1/score"),
    (("query", "documents"), "/v1/rerank"),
    (("input",), "/v1/embeddings"),
]


def route(body):
    return next((path for members, path in ROUTES if all(name in body for name in members)), "/v1/chat/completions")


def connection(port, timeout):
    return http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)


class SecondUser(threading.Thread):
    """Streams replies without an end and notes when each token came."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.times, self.problems, self.stopped = port, [], [], False

    def run(self):
        while not self.stopped:
            try:
                self.stream()
            except (OSError, http.client.HTTPException) as problem:
                self.problems.append(repr(problem))
                time.sleep(0.2)

    def stream(self):
        body = {"messages": [{"role": "user", "content": "Tell me a long story."}], "stream": True,
                "max_tokens": 256, "ignore_eos": True, "temperature": 0}
        link = connection(self.port, 120)
        link.request("POST", "/v1/chat/completions", json.dumps(body), {"content-type": "application/json"})
        reply = link.getresponse()
        if reply.status != 200:
            self.problems.append(f"{reply.status} {reply.read(200)!r}")
            time.sleep(0.2)
            return
        self.times.append(None)  # A new reply: what lies between two is no wait for a token.
        for line in reply:
            if line.startswith(b"data: {"):
                self.times.append(time.monotonic())
            if self.stopped:
                break
        link.close()

    def waits(self, since, until):
        """Seconds between tokens of one reply, of those waits that overlap the time; the one under way counts."""
        times = list(self.times)
        if times and times[-1] is not None:
            times.append(time.monotonic())
        pairs = zip(times, times[1:])
        return [b - a for a, b in pairs if a is not None and b is not None and b > since and a < until]


def resident(pid):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def wait_for(port, server, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.poll() is None:
        try:
            link = connection(port, 2)
            link.request("GET", "/livez")
            if link.getresponse().status == 200:
                return
        except OSError:
            pass
        time.sleep(0.1)
    sys.exit("the server does not answer")


def milliseconds(seconds):
    return round(seconds * 1000, 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("martlet")
    parser.add_argument("model")
    parser.add_argument("folders", nargs="+", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=3, help="of streaming without a hostile request, before each")
    parser.add_argument("--port", type=int, default=8399)
    parser.add_argument("--timeout", type=float, default=120, help="seconds until a hostile client leaves")
    parser.add_argument("--most", type=float, default=50, help="milliseconds that a wait may be longer")
    parser.add_argument("--serve-option", action="append", default=[], help="one more option of `martlet serve`")
    options = parser.parse_args()
    inputs = [file for folder in options.folders for file in sorted(folder.glob("*.json"))]
    if not inputs:
        sys.exit(f"no *.json in {', '.join(map(str, options.folders))}")
    server = subprocess.Popen([options.martlet, "serve", options.model, "--port", str(options.port),
                               *options.serve_option], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    failed = False
    try:
        wait_for(options.port, server)
        user = SecondUser(options.port)
        user.start()
        time.sleep(options.seconds)
        before = resident(server.pid)
        worst = 0.0
        for file in inputs:
            body = json.loads(file.read_bytes())
            quiet = time.monotonic()
            time.sleep(options.seconds)
            begun = time.monotonic()
            without = max(user.waits(quiet, begun), default=0)
            usual = statistics.median(user.waits(quiet, begun) or [0])
            status = "none"
            try:
                link = connection(options.port, options.timeout)
                link.request("POST", route(body), file.read_bytes(), {"content-type": "application/json"})
                reply = link.getresponse()
                answer = reply.read()
                status = str(reply.status)
                if reply.status >= 400:
                    status += " " + answer[:160].decode(errors="replace")
            except (OSError, http.client.HTTPException) as problem:
                status = repr(problem)
            ended = time.monotonic()
            time.sleep(0.2)
            longest = max(user.waits(begun, ended), default=0)
            beyond = longest - without
            worst = max(worst, beyond)
            alive = server.poll() is None
            failed = failed or not alive or milliseconds(beyond) > options.most
            print(json.dumps({
                "input": file.name, "status": status, "seconds": round(ended - begun, 3),
                "longest_wait_ms": milliseconds(longest), "longest_without_ms": milliseconds(without),
                "usual_ms": milliseconds(usual), "resident_mib": round(resident(server.pid), 1) if alive else None,
                "alive": alive}), flush=True)
            if not alive:
                break
        if server.poll() is None:
            time.sleep(1)
            after = resident(server.pid)
            print(json.dumps({
                "inputs": len(inputs), "worst_beyond_ms": milliseconds(worst), "resident_before_mib": round(before, 1),
                "resident_after_mib": round(after, 1), "ratio": round(after / before, 3),
                "second_user_problems": user.problems}), flush=True)
            failed = failed or bool(user.problems)
        user.stopped = True
    finally:
        if server.poll() is None:
            server.send_signal(signal.SIGTERM)
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
