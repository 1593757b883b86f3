#!/usr/bin/env python3
"""Writes Sources/Server/EmbeddedPages.swift from the files under Sources/Server/Pages.

Text becomes raw string literals, which compile in no time; other files become base64. `--check` only says whether the
written file is up to date.
"""
import base64
import pathlib
import sys

root = pathlib.Path(__file__).resolve().parent.parent
pages = root / "Sources/Server/Pages"
target = root / "Sources/Server/EmbeddedPages.swift"
TEXT = {".html", ".css", ".js", ".json", ".svg"}


def literal(text: str) -> str:
    marks = "#"
    while '"""' + marks in text or "\\" + marks in text:
        marks += "#"
    return f'{marks}"""\n{text}\n"""{marks}'


def source() -> str:
    files = sorted(p for p in pages.rglob("*") if p.is_file() and not p.name.startswith("."))
    out = ["// swift-format-ignore-file", "// Written by scripts/embed_pages.py from Sources/Server/Pages. Do not edit.", "",
           "package enum EmbeddedPages {", "    package static let files: [(path: String, bytes: [UInt8])] = ["]
    constants = []
    for index, path in enumerate(files):
        name = path.relative_to(pages).as_posix()
        data = path.read_bytes()
        if path.suffix in TEXT:
            if b"\r" in data:
                sys.exit(f"{name}: line ends must be LF alone")
            value = f"Array(file{index}.utf8)"
            constants.append(f"private let file{index} = {literal(data.decode('utf-8'))}")
        else:
            value = f"decoded(file{index})"
            constants.append(f"private let file{index} = \"{base64.b64encode(data).decode()}\"")
        out.append(f"        (\"{name}\", {value}),")
    out += ["    ]", "}", ""]
    return "\n".join(out + constants) + ("\n" if constants else "")


if __name__ == "__main__":
    text = source()
    if "--check" in sys.argv:
        if target.read_text(encoding="utf-8") != text:
            sys.exit("EmbeddedPages.swift is out of date: run scripts/embed_pages.py")
    else:
        target.write_text(text, encoding="utf-8")
        print(f"{target.relative_to(root)}: {len(text)} characters")
