#!/usr/bin/env python3
"""Takes the code blocks out of README.md and docs/, and runs those that can be run.

    python3 scripts/doc_blocks.py --list
    python3 scripts/doc_blocks.py --martlet .build/release/martlet [--swift "-I FOLDER …"] [FILE…]

Blocks of `sh` run in the order of their file, in an empty folder with `martlet` on the PATH; a block ends with the first
command that fails. Blocks of `swift` are type-checked, where --swift says with which flags. A block after
`<!-- not run: REASON -->` is left out, and counted with its reason; so is a block without a language, which is output.
Ends with 1 where a block fails.
"""
import argparse, os, re, shutil, subprocess, sys, tempfile

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), ".."))
PAGES = ["install", "first-ten-minutes", "train-your-own", "library", "change-one-thing", "troubleshooting", "can-you"]


def blocks(path):
    """(line, language, reason it is not run or None, text)"""
    found, reason, inside = [], None, None
    for number, line in enumerate(open(path, encoding="utf-8"), 1):
        mark = re.match(r"^```(\S*)", line)
        if inside is not None:
            if line.startswith("```"):
                found.append((inside[0], inside[1], reason, "".join(inside[2])))
                inside = reason = None
            else:
                inside[2].append(line)
        elif mark:
            inside = (number, mark.group(1), [])
        elif note := re.match(r"<!-- not run: (.+?) -->", line):
            reason = note.group(1)
        elif line.strip():
            reason = None
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("files", nargs="*")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--martlet")
    parser.add_argument("--swift")
    given = parser.parse_args()
    files = given.files or ["README.md"] + [f"docs/{folder}{name}.md" for name in PAGES for folder in ("", "zh/")]
    ran = failed = left = 0
    for name in files:
        folder = tempfile.mkdtemp(prefix="martlet-docs-")
        tools = os.path.join(folder, ".bin")
        os.mkdir(tools)
        if given.martlet:
            os.symlink(os.path.abspath(given.martlet), os.path.join(tools, "martlet"))
        environment = dict(os.environ, PATH=tools + ":" + os.environ["PATH"])
        for line, language, reason, text in blocks(os.path.join(ROOT, name)):
            place = f"{name}:{line}"
            if given.list:
                print(place, language or "-", reason or "")
                continue
            if reason or language not in ("sh", "swift") or (language == "swift" and not given.swift):
                left += 1
                continue
            ran += 1
            if language == "sh":
                command = ["bash", "-c", "set -eo pipefail\n" + text]
            else:
                source = os.path.join(folder, "block.swift")
                # Statements of a block are those of a program's main file; await stands at its top.
                open(source, "w").write(text)
                command = ["swiftc", "-typecheck", "-swift-version", "6"] + given.swift.split() + [source]
            try:
                done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True,
                                      stdin=subprocess.DEVNULL, timeout=600)
                code, said = done.returncode, done.stdout[-600:] + done.stderr[-900:]
            except subprocess.TimeoutExpired:
                code, said = 124, "no end within ten minutes"
            if code:
                failed += 1
                print(f"not ok {place}: exit {code}\n{said}")
            else:
                print(f"ok {place}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
    if not given.list:
        print(f"{ran} blocks ran, {failed} failed, {left} are not run")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
