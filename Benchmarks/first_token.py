"""Seconds from the start of a process to the first byte of its answer, and its peak memory: one JSON line a run.

    python3 Benchmarks/first_token.py 5 .build/release/martlet run smollm2 --max-tokens 32 "Why is the sky blue?"
"""
import json, os, subprocess, sys, time

for _ in range(int(sys.argv[1])):
    start = time.monotonic()
    process = subprocess.Popen(sys.argv[2:], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    process.stdout.read(1)
    first = time.monotonic() - start
    process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"exit status {status}")
    print(json.dumps(dict(first_token_s=round(first, 3), total_s=round(time.monotonic() - start, 3),
                          peak_rss_mb=round(usage.ru_maxrss / 1024, 1))), flush=True)
