#!/usr/bin/env python3
"""Writes docs/commands.md and docs/routes.md from the program itself, and their Chinese twins (chinese_reference.py).

    python3 scripts/make_reference.py --martlet .build/release/martlet --model smollm2 [--check]

The commands come from `martlet --experimental-dump-help`, the routes from the server's own /openapi.json. With --check
nothing is written, and the exit code is 1 where the files are not what would be.
"""
import argparse, json, os, socket, subprocess, sys, time, urllib.request

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), ".."))


def plain(text):
    return " ".join((text or "").split()).replace("|", "\\|")


def commands(program):
    top = json.loads(subprocess.run([program, "--experimental-dump-help"], capture_output=True, text=True, check=True).stdout)
    lines = ["# Commands", "", "Written by `scripts/make_reference.py`; `martlet COMMAND --help` has examples.", ""]

    def write(command, words):
        name = " ".join(words + [command["commandName"]])
        children = [one for one in command.get("subcommands") or [] if one["commandName"] != "help" and one.get("shouldDisplay", True)]
        if len(words) > 0:
            lines.extend([f"## {name}", "", plain(command.get("abstract")), ""])
            rows = []
            for argument in command.get("arguments") or []:
                if not argument.get("shouldDisplay", True):
                    continue
                names = [("--" if one["kind"].startswith("long") else "-") + one["name"] for one in argument.get("names") or []]
                value = argument.get("valueName") or ""
                shown = ", ".join(names) if names else value.upper()
                if argument["kind"] == "option":
                    shown += f" <{value}>"
                if shown in ("--help, -h", "-h, --help", "--version"):
                    continue
                rows.append((shown, plain(argument.get("abstract")), plain(argument.get("defaultValue"))))
            if rows:
                lines.extend(["| flag | meaning | default |", "|---|---|---|"])
                lines.extend(f"| `{a}` | {b} | {c} |" for a, b, c in rows)
                lines.append("")
        for child in children:
            write(child, words + [command["commandName"]])

    write(top["command"], [])
    return "\n".join(lines).rstrip() + "\n"


def routes(program, model):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen([program, "serve", model, "--port", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for attempt in range(600):
            try:
                document = json.load(urllib.request.urlopen(f"http://127.0.0.1:{port}/openapi.json", timeout=5))
                break
            except OSError:
                time.sleep(0.1)
    finally:
        server.terminate()
        server.wait()
    lines = ["# Routes", "", "Written by `scripts/make_reference.py` from `/openapi.json`, which has the members of each body.",
             "With keys, every route but the open ones needs one; [requests and replies](api.md) says what is refused.", "",
             "| method | path | what it does |", "|---|---|---|"]
    for path, methods in sorted(document["paths"].items()):
        for method, route in methods.items():
            if isinstance(route, dict) and "summary" in route:
                lines.append(f"| {method.upper()} | `{path}` | {plain(route['summary'])} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--martlet", default=".build/release/martlet")
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    old = 0
    for name, text in (("commands", commands(given.martlet)), ("routes", routes(given.martlet, given.model))):
        path = os.path.join(ROOT, "docs", name + ".md")
        if given.check:
            if not os.path.exists(path) or open(path, encoding="utf-8").read() != text:
                print(f"docs/{name}.md is old: run scripts/make_reference.py", file=sys.stderr)
                old = 1
        else:
            open(path, "w", encoding="utf-8").write(text)
    twins = [sys.executable, os.path.join(ROOT, "scripts/chinese_reference.py"), "commands", "routes"]
    return max(old, subprocess.run(twins + ["--check"] * given.check).returncode)


if __name__ == "__main__":
    sys.exit(main())
