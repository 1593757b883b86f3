#!/usr/bin/env python3
"""Sends a server more than it can do, and tells how those fared whom it took, and whom it refused.

  overload.py URL MODEL [--seconds 60] [--clients 64] [--pid PID]

First one client at a time, then so many at once that ask again as soon as they have an answer (a refused one after the
time it was told). One JSON line: latencies of admitted requests, refusals by status, the process's memory at the start,
in the middle and at the end. Only the standard library.
"""
import argparse
import asyncio
import json
import time

parser = argparse.ArgumentParser()
parser.add_argument("url")
parser.add_argument("model")
parser.add_argument("--seconds", type=float, default=60)
parser.add_argument("--clients", type=int, default=64)
parser.add_argument("--tokens", type=int, default=32)
parser.add_argument("--pid", type=int)
parser.add_argument("--key")
options = parser.parse_args()
host, port = options.url.split("://")[1].split(":")
body = json.dumps({"model": options.model, "prompt": "Once upon a time there was", "max_tokens": options.tokens,
                   "temperature": 1, "ignore_eos": True}).encode()
head = (f"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        + (f"Authorization: Bearer {options.key}\r\n" if options.key else "") + "\r\n").encode()


async def ask(connection):
    reader, writer = connection
    start = time.perf_counter()
    writer.write(head + body)
    status, length, wait = 0, 0, 0.0
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


def memory():
    if not options.pid:
        return None
    with open(f"/proc/{options.pid}/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) // 1024


def percentiles(times):
    times = sorted(times)
    return {f"p{p}": round(times[min(len(times) - 1, len(times) * p // 100)], 4) for p in (50, 90, 99)} if times else {}


async def main():
    alone, alone_counts, times, counts = [], {}, [], {}
    await client(time.perf_counter() + min(10, options.seconds / 4), alone, alone_counts)
    sizes = [memory()]
    end = time.perf_counter() + options.seconds

    async def watch():
        for _ in range(2):
            await asyncio.sleep(options.seconds / 2 - 0.1)
            sizes.append(memory())
    await asyncio.gather(watch(), *(client(end, times, counts) for _ in range(options.clients)))
    print(json.dumps({
        "clients": options.clients, "seconds": options.seconds, "alone": percentiles(alone), "admitted": percentiles(times),
        "requests_per_second": round(len(times) / options.seconds, 2), "statuses": counts, "rss_mib": sizes}))


asyncio.run(main())
