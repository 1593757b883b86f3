#!/usr/bin/env python3
"""Takes every code block out of README.md and docs/, checks each, and runs those that can be run. Examples in the doc
comments of Sources are type-checked with them (doc_comments.py).

    python3 scripts/doc_blocks.py --list
    python3 scripts/doc_blocks.py --martlet .build/release/martlet --build .build/release [--quick] [FILE…]

`sh`: in each line, verbs, flags and options of `martlet` are those the program itself describes, those of scripts of this
repository are named in them, and bash can read the block. Then it is run: blocks of a file one after the other in an empty
folder, `martlet` on the PATH, up to the first command that fails; a translation with the commands of its original is not run
again. `swift`: all blocks are type-checked at once against the modules in --build, and with --link compiled and run.
`python`, `yaml` and `json` are parsed, paths of `http` are routes of docs/routes.md. `text` is what a program prints. Links to
files and to headings of them lead somewhere; a translation has the headings, rows, numbers and inline code of its original,
whatever its sentences are. A line before a block says what is special:

    <!-- not run: REASON -->      checked only (Swift: left out, where it is no whole)
    <!-- checked: REASON -->      Swift: type-checked, and not run
    <!-- slow: REASON -->         run without --quick only
    <!-- briefly: REASON -->      run on small data and for a step (doc_material.py); once, where two pages have the same
    <!-- given: x: Tensor -->     Swift: what the block uses and does not make
    <!-- flags of: sft MODEL -->  lines of flags alone, checked as those of this command
    <!-- inside: Models -->       Swift: a file of this module, type-checked with its others
    <!-- manifest: NAME -->       Swift: arguments of a package NAME, type-checked as those of its manifest

With --quick, texts and numbers of steps are made smaller, so that it takes less than a minute with tiny models under the
names of real ones; without it everything runs as it stands (Benchmarks/FirstHour/docs.sh). Says how many blocks were run,
checked and left out, and why; ends with 1 where one fails.
"""
import argparse, ast, collections, json, os, re, shlex, shutil, signal, subprocess, sys, tempfile, threading, time

import doc_comments, doc_material

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), ".."))
LANGUAGES = ("sh", "swift", "python", "yaml", "json", "http", "text")
# What --quick makes smaller, all of it within commands that train or write texts.
SMALLER = [(r"--tokens 500K", "--tokens 30K"), (r"--vocab(ulary|-size) 2000", r"--vocab\1 400"),
           (r"--steps (\d)0 --set batch_rows=8 --set context_length=256", r"--steps \1 --set batch_rows=2 --set context_length=512"),
           (r"--adapter lora(.*)--steps (\d)0\b", r"--adapter lora\1--steps \2 --set context_length=512 --set batch_rows=2"),
           (r"--steps (\d)0\b", r"--steps \1 --set batch_rows=2"), (r"--data identity.jsonl", "--data identity.jsonl --on-bad-record skip"), (r"--documents 300", "--documents 40"),
           (r"--task arithmetic --out (\S+) --steps 2", r"--task arithmetic --out \1 --steps 1 --set problems=2 --set maximum_tokens=8 --set evaluate_every=9"),
           (r"maximum_tokens=24", "maximum_tokens=8"), (r"--limit 8", "--limit 2")]
# A page waits some seconds for a server that it starts; a machine that has other things to do may need longer.
WAITING = (r"(martlet serve [^\n&]*--port (\d+)[^\n&]*&)\s*sleep \d+",
           r"\1 until curl -s -o /dev/null http://127.0.0.1:\2/health || ! kill -0 $! 2>/dev/null; do sleep 0.2; done")

Block = collections.namedtuple("Block", "file line language marks text")


def files(given):
    if given:
        return given
    docs = os.path.join(ROOT, "docs")
    found = ["README.md", "CONTRIBUTING.md", "SECURITY.md"]
    for folder, _, names in sorted(os.walk(docs)):
        found += [os.path.relpath(os.path.join(folder, name), ROOT) for name in sorted(names) if name.endswith(".md")]
    return found


def blocks(file):
    found, marks, inside, before = [], {}, None, ""
    for number, line in enumerate(open(os.path.join(ROOT, file), encoding="utf-8"), 1):
        fence = re.match(r"^\s*```(\S*)", line)
        if inside:
            if fence:
                found.append(Block(file, inside[0], inside[1], inside[3], "".join(inside[2])))
                inside = None
            else:
                inside[2].append(line)
        elif fence:
            inside, marks = (number, fence.group(1), [], marks), {}
        elif note := re.match(r"\s*<!-- (not run|checked|slow|briefly|given|flags of|inside|manifest): (.+?) -->", line):
            marks[note.group(1)] = note.group(2)
        elif line.startswith("    ") and not before.strip():
            # A block without a fence has no language, and would be missed.
            found.append(Block(file, number, "", {}, line))
        elif line.strip():
            marks = {}
        before = line
    return found


# What the program says of itself.

class Program:
    def __init__(self, path):
        self.path = path
        said = subprocess.run([path, "--experimental-dump-help"], capture_output=True, text=True, check=True).stdout
        self.top = json.loads(said)["command"]
        self.keys = {}

    def options(self, verb):
        """Names that --set takes; None for a verb that has no such list."""
        if verb not in self.keys:
            said = subprocess.run([self.path, "help", "options", verb], capture_output=True, text=True)
            self.keys[verb] = set(re.findall(r"^  (\w+)  --", said.stdout, re.M)) if said.returncode == 0 else None
        return self.keys[verb]

    def problem(self, words):
        """What is wrong with a command line, without the program's name; None where nothing is."""
        command, path = self.top, []
        while words and command.get("subcommands"):
            child = next((one for one in command["subcommands"]
                          if words[0] in [one["commandName"]] + (one.get("aliases") or [])), None)
            if child is None:
                break
            command, words = child, words[1:]
            path.append(child["commandName"])
        if not path and words and words[0] == "help":
            return None
        if command.get("subcommands") and words and not words[0].startswith("-") and not command.get("defaultSubcommand"):
            return f"there is no verb {' '.join(path + words[:1])}"
        if command.get("defaultSubcommand"):
            command = next(one for one in command["subcommands"] if one["commandName"] == command["defaultSubcommand"])
        known = {}
        for argument in command.get("arguments") or []:
            for name in argument.get("names") or []:
                known[("--" if name["kind"].startswith("long") else "-") + name["name"]] = argument["kind"]
        known.update({"--help": "flag", "-h": "flag", "--version": "flag", "--generate-completion-script": "option"})
        at = 0
        while at < len(words):
            word = words[at]
            at += 1
            if not re.match(r"^-{1,2}[A-Za-z]", word):
                continue
            name, _, value = word.partition("=")
            if name not in known:
                return f"{' '.join(path) or 'martlet'} has no {name}"
            if known[name] == "option" and not value and "=" not in word:
                value, at = (words[at] if at < len(words) else None), at + 1
                if value is None:
                    return f"{name} has no value"
            if name == "--set" and (keys := self.options(" ".join(path))) is not None:
                if value.partition("=")[0] not in keys:
                    return f"{' '.join(path)} has no option {value.partition('=')[0]}"
        return None


def commands(text):
    """Simple commands of a block, as lists of words; what stands in here-documents is none."""
    text = re.sub(r"<<'?(\w+)'?[^\n]*\n.*?^\1$", "", text, flags=re.S | re.M).replace("\\\n", " ")
    lexer = shlex.shlex(re.sub(r"(^|\s)#[^\n]*", r"\1", text), posix=True, punctuation_chars=";|&<>\n")
    lexer.whitespace, lexer.commenters, words = " \t", "", []
    for word in lexer:
        if re.fullmatch(r"[;|&\n]+", word):
            if words:
                yield words
            words = []
        else:
            words.append(word)
    if words:
        yield words


def without_comments(block):
    """What a block says to a program."""
    if block.language == "sh":
        return list(commands(block.text))
    return [line for line in (re.sub(r"\s*//.*", "", line) for line in block.text.splitlines()) if line]


def twins(pages):
    """Blocks of translations that say what the page they translate says too: its Swift block by block, its commands, which
    build on each other, where all of the page are the same."""
    found = {}
    for name, page in pages.items():
        english = name.replace("docs/zh/", "docs/")
        if english == name or english not in pages:
            continue
        for language, isWhole in (("sh", True), ("swift", False)):
            mine, its = ([block for block in one if block.language == language] for one in (page, pages[english]))
            said = [without_comments(block) for block in its]
            if not isWhole or [without_comments(block) for block in mine] == said:
                found.update((id(block), english) for block in mine if without_comments(block) in said)
    return found


def headings(file):
    """What links name the headings of a page by, as GitHub and the page Docs do."""
    text = re.sub(r"^```.*?^```", "", open(file, encoding="utf-8").read(), flags=re.S | re.M)
    return {re.sub(r"\s+", "-", re.sub(r"[^\w\s-]", "", title.strip().lower())) for title in re.findall(r"^#+\s+(.+)$", text, re.M)}


def check_links(file):
    """Links of a page to other files, and to headings, that lead nowhere."""
    text = open(os.path.join(ROOT, file), encoding="utf-8").read()
    # Code of a block keeps its lines, so that a problem is found by its number.
    text = re.sub(r"^```.*?^```", lambda code: "\n" * code.group().count("\n"), text, flags=re.S | re.M)
    for link in re.finditer(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]*`", "", text)):
        path, _, place = link.group(1).partition("#")
        if re.match(r"\w+:", path):
            continue
        target = os.path.normpath(os.path.join(ROOT, os.path.dirname(file), path)) if path else os.path.join(ROOT, file)
        if not os.path.exists(target) or place and place not in headings(target):
            yield f"{file}:{text[:link.start()].count(chr(10)) + 1}: there is no {link.group(1)}"


# A summary, and pages that chinese_reference.py writes.
FREE = ("performance", "commands", "options", "log-records", "routes")


def check_twin(file):
    """What the English page has and its translation has not: a heading, a row, an inline code, a number."""
    name = os.path.basename(file)
    if not file.startswith("docs/zh/") or name.removesuffix(".md") in FREE:
        return
    english = os.path.join(ROOT, "docs", name)
    if not os.path.exists(english):
        yield f"{file}: there is no docs/{name}"
        return
    its, mine = (re.sub(r"^```.*?^```", "", open(path, encoding="utf-8").read(), flags=re.S | re.M)
                 for path in (english, os.path.join(ROOT, file)))
    for what, start in (("headings", "\n#"), ("rows of tables", "\n|")):
        if its.count(start) > mine.count(start):
            yield f"{file}: docs/{name} has {its.count(start)} {what}, and this {mine.count(start)}"
    its, mine = (" ".join(re.sub(r"\]\([^)\s]*\)", "]", text).split()) for text in (its, mine))
    for pattern in (r"`[^`]+`", r"\d[\d,.]*\d|\d"):
        for part in dict.fromkeys(re.findall(pattern, its)):
            if part.strip("`") not in mine:
                yield f"{file}: docs/{name} has {part}"


def check_routes(text):
    """Requests of a page against the table of routes."""
    table = open(os.path.join(ROOT, "docs/routes.md"), encoding="utf-8").read()
    routes = [(method, re.compile(re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(path)) + r"(\?.*)?$"))
              for method, path in re.findall(r"^\| ([A-Z]+) \| `([^`]+)`", table, re.M)]
    return "; ".join(f"docs/routes.md has no {method} {path}" for method, path in re.findall(r"^([A-Z]+) +(/\S*)", text, re.M)
                     if not any(method == one and pattern.match(path) for one, pattern in routes))


def check_shell(block, program):
    if given := block.marks.get("flags of"):
        return "; ".join(filter(None, (program.problem(given.split() + words) for words in commands(block.text))))
    done = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True)
    if done.returncode:
        return done.stderr
    problems = []
    for words in commands(block.text):
        while words and re.match(r"^[A-Z_]+=", words[0]):
            words = words[1:]
        # What docker hands on to the program in the image.
        if words[:2] == ["docker", "run"] and "martlet" in words:
            words = words[words.index("martlet", words.index("martlet") + 1 if words.count("martlet") > 1 else 0):]
            words = words[1:] if words[1:2] == ["martlet"] else words
        if not words:
            continue
        if words[0] == "martlet":
            if problem := program.problem(words[1:]):
                problems.append(problem)
        elif words[0] in ("./quickstart", "./install", "./test", "Fuzz/run") or words[0].startswith("scripts/"):
            path = os.path.join(ROOT, words[0])
            if not os.path.exists(path):
                problems.append(f"there is no {words[0]}")
                continue
            said = open(path, encoding="utf-8").read()
            problems += [f"{words[0]} does not know {word}" for word in words[1:]
                         if word.startswith("--") and word.partition("=")[0] not in said]
    return "; ".join(problems)


# Swift

def scratch_folder(build):
    """The folder that SwiftPM has built in: .build of the package."""
    scratch = os.path.realpath(build)
    while scratch != "/" and not os.path.isdir(os.path.join(scratch, "checkouts")):
        scratch = os.path.dirname(scratch)
    return scratch


def package_name(build):
    """What SwiftPM calls the package that was built: the name of its folder."""
    return os.path.basename(os.path.dirname(scratch_folder(build)) if build else ROOT).lower()


def flags(build):
    """The compiler's flags for modules that SwiftPM has built."""
    found, seen = ["-I", os.path.join(build, "Modules")], set()
    scratch = scratch_folder(build)
    places = [os.path.realpath(build), os.path.join(scratch, "checkouts"), os.path.join(ROOT, "Sources")]
    for place in places:
        for folder, names, inside in os.walk(place):
            names[:] = [name for name in names if name not in (".git", "index", "index-build")
                        and not name.endswith("-tool.build") and not name.startswith("Tests")]
            for name in inside:
                if not name.endswith(".modulemap"):
                    continue
                path = os.path.join(folder, name)
                module = re.search(r"module\s+(\w+)", open(path, encoding="utf-8", errors="replace").read())
                if module and module.group(1) not in seen:
                    seen.add(module.group(1))
                    found += ["-Xcc", f"-fmodule-map-file={path}"]
    return found


def check_swift(group, compiler, package=None, imports=()):
    """Type-checks blocks in one file, as one of a package where it is named: each the body of a function of its own, an error at its place in the page."""
    imports, bodies = {"import Foundation", "import Martlet", *imports}, []
    for number, block in enumerate(group):
        lines = block.text.splitlines()
        imports.update(line.strip() for line in lines if line.startswith("import "))
        body = "\n".join("" if line.startswith("import ") else line for line in lines)
        place = f'#sourceLocation(file: "{block.file}", line: {block.line + 1})\n{body}\n#sourceLocation()\n'
        if re.search(r"^(extension|prefix|infix) ", body, re.M):
            bodies.append(place)
        else:
            result = f" -> {block.marks['result']}" if block.marks.get("result") else ""
            # Where a function has two forms, a block without await means the one that waits for nothing.
            kind = "async throws" if "await" in body else "throws"
            bodies.append(f"func block{number}({block.marks.get('given', '')}) {kind}{result} {{\n{place}}}\n")
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "blocks.swift")
        open(source, "w", encoding="utf-8").write("\n".join(sorted(imports)) + "\n" + "".join(bodies))
        return typecheck([*(["-package-name", package] if package else []), *compiler, source])


def check_inside(block, compiler, package):
    """Type-checks a block as one more file of a module of this package."""
    module = block.marks["inside"]
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "block.swift")
        open(source, "w", encoding="utf-8").write(
            f'#sourceLocation(file: "{block.file}", line: {block.line + 1})\n{block.text}')
        others = [os.path.join(at, name) for at, _, names in os.walk(os.path.join(ROOT, "Sources", module))
                  for name in names if name.endswith(".swift")]
        return typecheck(["-module-name", "Martlet" + module, "-package-name", package, *compiler, source, *others])


def check_manifest(block):
    """Type-checks a block as the arguments of a package."""
    interface = os.path.join(os.path.dirname(os.path.realpath(shutil.which("swiftc"))), "../lib/swift/pm/ManifestAPI")
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "Package.swift")
        open(source, "w", encoding="utf-8").write(
            f'import PackageDescription\n#sourceLocation(file: "{block.file}", line: {block.line})\n'
            f'let package = Package(name: "{block.marks["manifest"]}",\n{block.text})\n')
        return typecheck(["-I", interface, "-package-description-version", "6.1.0", source], [])


def typecheck(words, usual=("-swift-version", "6", "-parse-as-library")):
    done = subprocess.run(["swiftc", "-typecheck", "-suppress-warnings", *usual, *words], capture_output=True, text=True)
    return "" if done.returncode == 0 else "\n".join(
        line for line in done.stderr.splitlines() if "error:" in line)[:3000] or done.stderr[-2000:]


def run_swift(group, compiler, link, say):
    """Compiles blocks into one program and runs each. Returns how many ran, and how many failed."""
    imports, bodies, calls = {"import Foundation", "import Martlet"}, [], []
    for number, block in enumerate(group):
        lines = block.text.splitlines()
        imports.update(line.strip() for line in lines if line.startswith("import "))
        bodies.append(f"@MainActor func block{number}() async throws {{\n"
                      + "\n".join("" if line.startswith("import ") else line for line in lines) + "\n}\n")
        calls.append(f"case {number}: try await block{number}()\n")
    main = ("@main struct Blocks { @MainActor static func main() async { do { switch Int(CommandLine.arguments[1])! {\n"
            + "".join(calls) + "default: break\n} } catch { print(error)\nexit(1) } } }\n")
    with tempfile.TemporaryDirectory() as folder:
        source, objects, program = (os.path.join(folder, name) for name in ("blocks.swift", "objects", "blocks"))
        open(source, "w", encoding="utf-8").write("\n".join(sorted(imports)) + "\n" + "".join(bodies) + main)
        lines = open(link).read().splitlines()
        open(objects, "w").write("\n".join(line for line in lines if "/MartletCLI.build/" not in line))
        done = subprocess.run(["swiftc", "-swift-version", "6", "-parse-as-library", "-Onone", "-suppress-warnings", *compiler,
                               source, "@" + objects, "-lstdc++", "-o", program], capture_output=True, text=True)
        if done.returncode:
            say("not ok Swift: " + "\n".join(line for line in done.stderr.splitlines() if "error" in line)[:2000])
            return 0, len(group)
        failed = 0
        for number, block in enumerate(group):
            started = time.time()
            done = subprocess.run([program, str(number)], capture_output=True, text=True, timeout=900, cwd=folder)
            failed += done.returncode != 0
            said = f": exit {done.returncode}\n{(done.stdout + done.stderr)[-900:]}" if done.returncode else ""
            say(f"{'not ok' if done.returncode else 'ok'} {block.file}:{block.line} {time.time() - started:.1f} s{said}")
        return len(group), failed


def check_yaml(text):
    try:
        import yaml
    except ImportError:
        return None
    try:
        yaml.safe_load(text)
        return ""
    except yaml.YAMLError as problem:
        return str(problem)


def run_file(name, group, program, quick, say):
    """Runs the shell blocks of one page. Returns how many ran, and how many failed."""
    folder, ran, failed = tempfile.mkdtemp(prefix="martlet-docs-"), 0, 0
    tools = os.path.join(folder, ".bin")
    os.mkdir(tools)
    os.symlink(os.path.abspath(program.path), os.path.join(tools, "martlet"))
    # A home of its own with the models that are there: what `martlet create` makes is gone with the page, and pages that
    # run side by side may make models of one name.
    models = os.path.join(folder, ".home", "models")
    os.makedirs(models)
    data = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    shared = os.path.join(os.environ.get("MARTLET_HOME") or os.path.join(data, "martlet"), "models")
    for entry in os.listdir(shared) if os.path.isdir(shared) else []:
        if entry != "made":
            os.symlink(os.path.join(shared, entry), os.path.join(models, entry))
    environment = dict(os.environ, PATH=tools + ":" + os.environ["PATH"], MARTLET_HOME=os.path.dirname(models))
    isFilled = False
    for block in group:
        text, started = re.sub(*WAITING, block.text), time.time()
        if "briefly" in block.marks:
            if not isFilled:
                made = subprocess.run([sys.executable, doc_material.__file__], cwd=folder, env=environment,
                                      stdin=subprocess.DEVNULL, capture_output=True, text=True)
                if made.returncode:
                    say(f"not ok {name}:{block.line}: {made.stderr[-900:]}")
                    return ran, failed + 1
                isFilled = True
            text = doc_material.brief(text, program.options)
        if quick:
            for pattern, smaller in SMALLER:
                text = re.sub(pattern, smaller, text)
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
            # A session of its own: what a block leaves running ends with it.
            process = subprocess.Popen(["bash", "-c", "set -eo pipefail\n" + text], cwd=folder, env=environment,
                                       stdout=output, stderr=output, stdin=subprocess.DEVNULL, start_new_session=True)
            try:
                code = process.wait(timeout=1800)
            except subprocess.TimeoutExpired:
                code = 124
            finally:
                try:
                    os.killpg(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                process.wait()
            output.seek(0)
            said = output.read()[-1500:]
        ran += 1
        failed += code != 0
        say(f"{'not ok' if code else 'ok'} {name}:{block.line} {time.time() - started:.1f} s"
            + (f": exit {code}\n{said}" if code else ""))
    shutil.rmtree(folder, ignore_errors=True)
    return ran, failed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("files", nargs="*")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--martlet")
    parser.add_argument("--build", help="the folder of the build: Swift is type-checked against its modules")
    parser.add_argument("--swift", help="flags of the compiler instead of those of --build")
    parser.add_argument("--link", help="the program's list of object files (martlet.product/Objects.LinkFileList): blocks of "
                        "Swift are linked with these, but for those of the command line, and run")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    lock = threading.Lock()

    def say(text):
        with lock:
            print(text, flush=True)

    pages = {name: blocks(name) for name in files(given.files)}
    every = [block for page in pages.values() for block in page]
    same_as = twins(pages)
    failed = 0
    for block in every:
        if given.list:
            say(f"{block.file}:{block.line} {block.language or '-'} "
                + "; ".join(f"{key}: {value}" for key, value in block.marks.items()))
        if block.language not in LANGUAGES:
            failed += 1
            say(f"not ok {block.file}:{block.line}: its language is {block.language or 'not said'}; expected one of {', '.join(LANGUAGES)}")
    if given.list:
        return 1 if failed else 0

    for name in pages:
        for problem in [*check_links(name), *check_twin(name)]:
            failed += 1
            say(f"not ok {problem}")
    program = Program(given.martlet) if given.martlet else None
    checked, left = 0, collections.Counter()
    for block in every:
        problem = ""
        if block.language == "sh" and program:
            problem = check_shell(block, program)
        elif block.language == "json":
            try:
                json.loads(block.text)
            except ValueError as error:
                problem = str(error)
        elif block.language == "python":
            try:
                ast.parse(block.text)
            except SyntaxError as error:
                problem = str(error)
        elif block.language == "http":
            problem = check_routes(block.text)
        elif block.language == "yaml":
            problem = check_yaml(block.text)
            if problem is None:
                left["PyYAML is not installed"] += 1
                continue
        elif block.language != "text":
            continue
        else:
            left["what a program prints"] += 1
            continue
        checked += 1
        if problem:
            failed += 1
            say(f"not ok {block.file}:{block.line}: {problem}")

    compiler = given.swift.split() if given.swift else flags(given.build) if given.build else None
    swift = [block for block in every if block.language == "swift"]
    for block in swift:
        if "not run" in block.marks:
            left[block.marks["not run"]] += 1
        elif compiler is None:
            left["no --build to type-check Swift with"] += 1
        elif id(block) in same_as:
            left[f"the same Swift as in {same_as[id(block)]}, which is checked"] += 1
    swift = [block for block in swift if "not run" not in block.marks and id(block) not in same_as] if compiler is not None else []
    waiting = []
    special = {"inside", "manifest"}
    swift_special = [block for block in swift if special & set(block.marks)]
    for block in swift_special:
        if problem := check_inside(block, compiler, package_name(given.build)) if "inside" in block.marks else check_manifest(block):
            waiting.append(problem)
            say("not ok Swift: " + problem)
        else:
            say(f"ok {block.file}:{block.line} type-checked")
    swift = [block for block in swift if not special & set(block.marks)]
    for package in (None, package_name(given.build)):
        # A page about the inside of Martlet sees what its own files see.
        group = [block for block in swift if block.file.endswith("/how-to-add.md") == (package is not None)]
        if group:
            def check(group=group, package=package):
                if problem := check_swift(group, compiler, package):
                    waiting.append(problem)
                    say("not ok Swift: " + problem)
                else:
                    say(f"ok {len(group)} blocks of Swift{' within the package' if package else ''}")
            check()
    comments = []
    for file, line, text in [] if given.files else doc_comments.blocks(ROOT):
        names, result = doc_comments.given(file, text)
        comments.append(Block(file, line, "swift", {"given": names, "result": result}, text))
    for package in (None, package_name(given.build)) if compiler is not None else ():
        group = [block for block in comments if (block.file in doc_comments.PACKAGE) == (package is not None)]
        if problem := check_swift(group, compiler, package, doc_comments.imports(ROOT)):
            waiting.append(problem)
            say("not ok doc comments: " + problem)
        else:
            say(f"ok {len(group)} blocks of doc comments{' within the package' if package else ''}")
    failed += len(waiting)
    if given.link and compiler and not waiting:
        group = [block for block in swift if not block.file.endswith("/how-to-add.md")
                 and not {"given", "checked"} & set(block.marks)]
        done = run_swift(group, compiler, given.link, say)
        ran_swift, failed = done[0], failed + done[1]
    else:
        ran_swift = 0

    jobs, totals, brief = [], [ran_swift, 0], {}
    if program:
        for name, page in pages.items():
            group = []
            for block in page:
                if block.language != "sh":
                    continue
                if "flags of" in block.marks:
                    continue
                if "not run" in block.marks or given.quick and "slow" in block.marks:
                    left[block.marks.get("not run") or "slow: " + block.marks["slow"]] += 1
                    continue
                if id(block) in same_as:
                    left[f"the same commands as in {same_as[id(block)]}, which are run"] += 1
                    continue
                same = brief.setdefault(str(list(commands(block.text))), block) if "briefly" in block.marks else block
                if same is block:
                    group.append(block)
                else:
                    left[f"the same commands as in {same.file}, which are run"] += 1
            if group:
                jobs.append((name, group))

    def work():
        while True:
            with lock:
                if not jobs:
                    return
                name, group = jobs.pop(0)
            done = run_file(name, group, program, given.quick, say)
            with lock:
                totals[0] += done[0]
                totals[1] += done[1]

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    failed += totals[1]
    say(f"{len(every)} blocks: {totals[0]} ran, {checked} checked, {len(swift) + len(swift_special)} of Swift type-checked, {failed} failed; "
        f"not run: {sum(left.values())}")
    for reason, count in left.most_common():
        say(f"  {count} {reason}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
