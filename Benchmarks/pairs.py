"""Runs two commands in turn (A B A B …) and prints the median of each figure and of the ratios A/B, pair by pair.

    python3 Benchmarks/pairs.py --pairs 5 --figure prompt_tokens_per_second:prompt_per_second \
        --figure new_tokens_per_second:predicted_per_second -- 'COMMAND A' 'COMMAND B'

Both commands print JSON lines; of each run the last line counts. Figures are named as A:B. Whole-process peak memory is
taken from the operating system.
"""
import argparse, json, os, shlex, statistics, subprocess, tempfile

parser = argparse.ArgumentParser()
parser.add_argument("--pairs", type=int, default=5)
parser.add_argument("--figure", action="append", default=[])
parser.add_argument("commands", nargs=2)
options = parser.parse_args()


def run(command):
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(shlex.split(command), stdout=output, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        if status: raise SystemExit(f"{command}: exit status {status}")
        output.seek(0)
        line = json.loads([line for line in output.read().decode().splitlines() if line.startswith("{")][-1])
    line["peak_rss_mb"] = usage.ru_maxrss / 1024
    return line


rows = [(run(options.commands[0]), run(options.commands[1])) for _ in range(options.pairs)]
for figure in options.figure + ["peak_rss_mb:peak_rss_mb"]:
    a, b = figure.split(":")
    pairs = [(float(x[a]), float(y[b])) for x, y in rows]
    print(json.dumps(dict(figure=a, a=round(statistics.median(p[0] for p in pairs), 1),
                          b=round(statistics.median(p[1] for p in pairs), 1),
                          ratio=round(statistics.median(p[0] / p[1] for p in pairs), 2),
                          ratios=[round(p[0] / p[1], 2) for p in pairs])), flush=True)
