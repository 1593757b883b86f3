#!/usr/bin/env python3
"""Sends a server more than it can do, and tells how those fared whom it took, and whom it refused.

  overload.py URL MODEL [--seconds 600] [--room 16] [--clients 96] [--pid PID]

Three phases: one client alone; as many as the server computes together (--room, its --max-running), so that nobody ever
waits in its queue; then many more (--clients), each of which asks again as soon as it has an answer, or, refused, after
the time it was told. Prompts are random words, no two alike, so that nothing is answered from what was kept; replies are
from half to one and a half times --tokens long, since replies of one length begin and end in step. While it runs: the process's memory, every --every seconds, on stderr. One JSON line at the end: latencies of admitted requests,
their p99 over that of the second phase, refusals by status, and the memory. Only the standard library.
"""
import argparse
import asyncio
import json
import random
import sys
import time

parser = argparse.ArgumentParser()
parser.add_argument("url")
parser.add_argument("model")
parser.add_argument("--seconds", type=float, default=60, help="of the overload; the phases before take a tenth each")
parser.add_argument("--room", type=int, default=16)
parser.add_argument("--clients", type=int, default=96)
parser.add_argument("--words", type=int, default=24, help="of a prompt, at most")
parser.add_argument("--tokens", type=int, default=32)
parser.add_argument("--every", type=float, default=30)
parser.add_argument("--pid", type=int)
parser.add_argument("--key")
options = parser.parse_args()
host, port = options.url.split("://")[1].split(":")
words = "river stone light winter garden seven paper music under letter north apple engine silver story".split()
source = random.Random(1)


def request():
    prompt = " ".join(source.choice(words) for _ in range(source.randint(4, options.words)))
    body = json.dumps({"model": options.model, "prompt": prompt, "temperature": 1,
                       "max_tokens": source.randint(options.tokens // 2, options.tokens * 3 // 2),
                       "ignore_eos": True}).encode()
    head = f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    if options.key:
        head += f"Authorization: Bearer {options.key}\r\n"
    return head.encode() + b"\r\n" + body


async def ask(connection):
    reader, writer = connection
    start = time.perf_counter()
    writer.write(request())
    length, wait = 0, 0.0
    line = await reader.readline()
    status = int(line.split()[1])
    while (line := await reader.readline()) not in (b"\r\n", b""):
        name, _, value = line.decode().partition(":")
        if name.lower() == "content-length":
            length = int(value)
        if name.lower() == "retry-after-ms":
            wait = int(value) / 1000
    await reader.readexactly(length)
    return status, time.perf_counter() - start, wait


async def client(until, times, counts):
    connection = await asyncio.open_connection(host, int(port))
    while time.perf_counter() < until:
        status, seconds, wait = await ask(connection)
        counts[status] = counts.get(status, 0) + 1
        if status == 200:
            times.append(seconds)
        else:
            await asyncio.sleep(wait)
    connection[1].close()


async def phase(clients, seconds):
    times, counts = [], {}
    until = time.perf_counter() + seconds
    await asyncio.gather(*(client(until, times, counts) for _ in range(clients)))
    ordered = sorted(times)
    latency = {f"p{p}": round(ordered[min(len(times) - 1, len(times) * p // 100)], 3) for p in (50, 90, 99) if times}
    return {"clients": clients, "seconds": round(seconds), "latency": latency, "statuses": counts,
            "replies_per_second": round(len(times) / seconds, 2)}


def memory():
    with open(f"/proc/{options.pid}/status", encoding="ascii") as file:
        fields = dict(line.split(":", 1) for line in file)
    return {name: int(fields[name].split()[0]) // 1024 for name in ("VmRSS", "RssAnon")}


async def watch(sizes):
    start = time.perf_counter()
    while True:
        now = memory()
        sizes.append(now["VmRSS"])
        print(f"{time.perf_counter() - start:6.0f} s  {now['VmRSS']} MiB, {now['RssAnon']} of its own", file=sys.stderr)
        await asyncio.sleep(options.every)


async def main():
    sizes = []
    watching = asyncio.create_task(watch(sizes)) if options.pid else None
    alone = await phase(1, options.seconds / 10)
    room = await phase(options.room, options.seconds / 10)
    over = await phase(options.clients, options.seconds)
    if watching:
        watching.cancel()
    ratio = over["latency"]["p99"] / room["latency"]["p99"] if over["latency"] and room["latency"] else None
    print(json.dumps({"alone": alone, "room": room, "overload": over,
                      "p99_ratio": round(ratio, 2) if ratio else None, "rss_mib": sizes}))


asyncio.run(main())
