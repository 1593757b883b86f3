#!/usr/bin/env python3
"""Writes the licences and notices of everything that is compiled into the program to a folder.

    python3 scripts/collect_licences.py CHECKOUTS OUT

CHECKOUTS is the folder of packages that SwiftPM has checked out (.build/checkouts). Of each: its licence and notice, those
that stand deeper among its sources, and the distinct notices at the head of C and C++ files that it has from others
(BoringSSL, llhttp, libyaml). Beside them that of the Swift toolchain, whose libraries are linked in, and Packaging/licences.
Prints how many files there are; ends with 1 where a package has none.
"""
import os, re, shutil, sys

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), ".."))
NAMES = re.compile(r"^(LICEN[CS]E|NOTICE|COPYING)", re.I)


def head(path):
    """The first comment of a file that names a copyright, without the marks of comments."""
    text = open(path, encoding="utf-8", errors="replace").read(6000).lstrip()
    found = re.match(r"/\*.*?\*/|(?://[^\n]*\n)+|(?:#[^\n]*\n)+", text, re.S)
    if not found or "opyright" not in found.group(0):
        return None
    lines = [re.sub(r"^\s*(//+|/\*+|\*+/|\*|#)?\s?|\s*\*+/\s*$", "", line).rstrip() for line in found.group(0).splitlines()]
    # The same notice of another year or file is one.
    return "\n".join(line for line in lines if not re.fullmatch(r"[-=*\s]*", line) or line == "").strip()


def main():
    checkouts, out = sys.argv[1:3]
    os.makedirs(out, exist_ok=True)
    count, missing = 0, []
    for package in sorted(os.listdir(checkouts)):
        folder, own, notices = os.path.join(checkouts, package), 0, {}
        for place, folders, names in os.walk(folder):
            inside = os.path.relpath(place, folder)
            folders[:] = sorted(name for name in folders if name not in (".git", "Tests", "Benchmarks", "IntegrationTests", "docs"))
            for name in sorted(names):
                path = os.path.join(place, name)
                if NAMES.match(name) and (inside == "." or inside.startswith("Sources")):
                    where = "" if inside == "." else "-" + inside.replace("Sources/", "").replace("/", "-")
                    shutil.copyfile(path, os.path.join(out, f"{package}{where}-{name}"))
                    own += 1
                elif inside.startswith("Sources") and name.endswith((".c", ".cc", ".cpp", ".h", ".S", ".inc")):
                    if notice := head(path):
                        notices.setdefault(notice, os.path.relpath(path, folder))
        if notices:
            with open(os.path.join(out, f"{package}-notices-in-C.txt"), "w", encoding="utf-8") as file:
                file.write(f"Notices at the head of C and C++ files of {package}, each once, with the first file it stands in.\n")
                for notice, path in notices.items():
                    file.write(f"\n=== {path}\n\n{notice}\n")
            count += 1
        count += own
        if own == 0:
            missing.append(package)
    compiler = shutil.which("swift")
    toolchain = os.path.join(os.path.dirname(os.path.realpath(compiler)), "../share/swift/LICENSE.txt") if compiler else ""
    if os.path.exists(toolchain):
        shutil.copyfile(toolchain, os.path.join(out, "swift-LICENSE.txt"))
        count += 1
    else:
        missing.append("the Swift toolchain")
    for name in sorted(os.listdir(os.path.join(ROOT, "Packaging/licences"))):
        shutil.copyfile(os.path.join(ROOT, "Packaging/licences", name), os.path.join(out, name))
        count += 1
    for name in os.listdir(out):
        os.chmod(os.path.join(out, name), 0o644)
    print(f"{count} licences and notices")
    if missing:
        print(f"collect_licences.py: no licence of {', '.join(missing)}", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
