#!/usr/bin/env python3
"""Writes the Chinese twins of the generated references: docs/zh/options.md, commands.md, log-records.md and routes.md.

    python3 scripts/chinese_reference.py [--check] [PAGE…]

Each is the English page under docs/ with its sentences looked up in Sources/Server/Pages/js/i18n/options-zh.js (what is
said of options, which the pages of the server show too) and in scripts/reference-zh.json (everything else). Names, values,
code and links stay. What has no Chinese is named, the exit code is 1, and that page is not written. With --check nothing
is written, and the exit code is 1 where a page is not what would be.
"""
import argparse, json, os, re, sys

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), ".."))
TABLES = {"options": "Sources/Server/Pages/js/i18n/options-zh.js", "rest": "scripts/reference-zh.json"}
PAGES = ("options", "commands", "log-records", "routes")
INTRODUCTION = """# 训练的选项

由 `scripts/make_options.sh` 写出：名称、取值和默认值来自程序（`martlet help options --markdown`），说明的中文来自网页的翻译表。

每个选项都可以写在文件里（`--config run.yaml`，`名称: 值`），用 `--set 名称=值`，或用它自己的标志（名称中的下划线换成连字符）。标志优先于文件。
`--print-config` 写出包含所有选项的文件，并说明每个值从哪里来。“继续时”说明用 `--resume auto` 接着训练时能否改变：*相同* 不能变，*告知* 可以变并会
告知，*随意* 可以变。
"""
RESUME = {"same": "相同", "told": "告知", "free": "随意"}
HEADERS = {"option": "选项", "flag": "标志", "field": "字段", "method": "方法", "path": "路径", "values": "取值",
           "default": "默认", "on resume": "继续时", "elsewhere": "别处的名字"}
VALUES = [
    (r"a whole number from (\S+) to (\S+)", r"\1 到 \2 的整数"), (r"a number from (\S+) to (\S+)", r"\1 到 \2 的数"),
    (r"one of (.+)", r"\1 之一"), (r"true or false", "true 或 false"), (r"text", "文字"),
    (r"a path, or a list of paths", "路径，或多个路径"), (r"a path", "路径"),
    (r"a folder, or several with weights above 0, as (.+)", r"目录，或多个目录及其大于 0 的权重，例如 \1"),
]


def sentences():
    """English to Chinese, of both tables."""
    script = open(os.path.join(ROOT, TABLES["options"]), encoding="utf-8").read()
    string = r'"(?:[^"\\]|\\.)*"'
    known = json.load(open(os.path.join(ROOT, TABLES["rest"]), encoding="utf-8"))
    return known | {json.loads(left): json.loads(right) for left, right in re.findall(f"({string}): ({string})", script)}


class Translation:
    def __init__(self, known):
        self.known, self.missing = known, []

    def words(self, text):
        """A sentence; one of a flag may end with the values that it takes, and with its default."""
        if not text or re.fullmatch(r"(`[^`]*`|[\d., ])+", text):
            return text
        if text in self.known:
            return self.known[text]
        meaning, _, values, _, usual = re.fullmatch(
            r"(.+?)( One of (\S+(?:, \S+)*)\.)?( \(default: (.+)\))?", text, re.S).groups()
        if values or usual:
            values = values.split(", ") if values else []
            return (self.words(meaning) + (f"可选 {'、'.join(values)}。" if values else "")
                    + (f"（默认：{self.usual(usual, values)}）" if usual else ""))
        self.missing.append(text)
        return text

    def usual(self, text, values=()):
        """A default: a value, a rule, or a value with its rule, as 1 (the same). One of the values stays what one writes."""
        if text in values:
            return text
        if text in self.known:
            return self.known[text]
        # Of a choice of another option: default of dapo.
        if choice := re.fullmatch(r"default of (\S+)", text):
            return f"{choice[1]} 的默认值"
        if rule := re.fullmatch(r"(.+?) \((.+)\)", text):
            return f"{rule[1]}（{self.usual(rule[2], values)}）"
        # Values and names have no translation.
        if re.search(r"[a-z] [a-z]", text):
            self.missing.append(text)
        return text

    def values(self, text):
        for pattern, chinese in VALUES:
            if re.fullmatch(pattern, text):
                return re.sub(pattern, chinese, text)
        self.missing.append(text)
        return text

    def row(self, header, cells):
        """The cells of a table's row, each by what its column holds."""
        found = []
        for column, cell in zip(header, cells):
            if column in ("option", "flag", "field", "method", "path", "elsewhere", "TensorBoard"):
                found.append(cell)
            elif column == "values":
                found.append(self.values(cell))
            elif column == "on resume":
                found.append(RESUME.get(cell, cell))
            elif column == "default":
                # Commands have what the program would read, a word that stays one.
                values = cells[header.index("values")].removeprefix("one of ").split(", ") if "values" in header else [cell]
                found.append(self.usual(cell, values))
            else:
                found.append(self.words(cell))
        return found

    def page(self, name):
        text = open(os.path.join(ROOT, f"docs/{name}.md"), encoding="utf-8").read()
        if name == "options":
            text = text[text.index("\n## ") + 1:]
        found, paragraph, header, isCode = [INTRODUCTION] if name == "options" else [], [], None, False
        for line in text.split("\n"):
            isText = not isCode and line and not line.startswith(("#", "|", "```", "<!--"))
            if isText:
                paragraph.append(line)
                continue
            if paragraph:
                found.append(self.words(" ".join(paragraph)))
                paragraph = []
            if line.startswith("```"):
                isCode = not isCode
            elif line.startswith("#") and not isCode:
                marks, title = line.split(" ", 1)
                line = marks + " " + (title if title.startswith("martlet ") else self.words(title))
            elif line.startswith("|") and not line.startswith("|---") and not isCode:
                cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
                if header is None:
                    header = cells
                    cells = [HEADERS.get(cell) or self.words(cell) for cell in cells]
                else:
                    cells = self.row(header, cells)
                line = "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
            if not line.startswith("|"):
                header = None
            found.append(line)
        return "\n".join(found + ([self.words(" ".join(paragraph))] if paragraph else []))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("pages", nargs="*", default=PAGES)
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    known, code = sentences(), 0
    for name in given.pages:
        translation = Translation(known)
        text = translation.page(name)
        path = os.path.join(ROOT, f"docs/zh/{name}.md")
        for missing in dict.fromkeys(translation.missing):
            print(f"docs/zh/{name}.md: no Chinese for: {missing}", file=sys.stderr)
        if translation.missing:
            print(f"write it into {TABLES['options']} (options) or {TABLES['rest']}", file=sys.stderr)
            code = 1
        elif not given.check:
            open(path, "w", encoding="utf-8").write(text)
        elif not os.path.exists(path) or open(path, encoding="utf-8").read() != text:
            print(f"docs/zh/{name}.md is old: run scripts/chinese_reference.py", file=sys.stderr)
            code = 1
    return code


if __name__ == "__main__":
    sys.exit(main())
