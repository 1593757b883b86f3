#!/usr/bin/env python3
"""Writes docs/zh/options.md: docs/options.md with the sentences of Sources/Server/Pages/js/i18n/options-zh.js.

    python3 scripts/chinese_options.py

What has no Chinese stays English, is named, and makes the exit code 1.
"""
import json, os, re, sys

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), ".."))
INTRODUCTION = """# 训练的选项

由 `scripts/make_options.sh` 写出：名称、取值和默认值来自程序（`martlet help options --markdown`），说明的中文来自网页的翻译表。

每个选项都可以写在文件里（`--config run.yaml`，`名称: 值`），用 `--set 名称=值`，或用它自己的标志（名称中的下划线换成连字符）。标志优先于文件。
`--print-config` 写出包含所有选项的文件，并说明每个值从哪里来。“继续时”说明用 `--resume auto` 接着训练时能否改变：*相同* 不能变，*告知* 可以变并会
告知，*随意* 可以变。
"""
RESUME = {"same": "相同", "told": "告知", "free": "随意"}
VALUES = [
    (r"a whole number from (\S+) to (\S+)", r"\1 到 \2 的整数"), (r"a number from (\S+) to (\S+)", r"\1 到 \2 的数"),
    (r"one of (.+)", r"\1 之一"), (r"true or false", "true 或 false"), (r"text", "文字"),
    (r"a path, or a list of paths", "路径，或多个路径"), (r"a path", "路径"),
    (r"a folder, or several with weights above 0, as (.+)", r"目录，或多个目录及其大于 0 的权重，例如 \1"),
]


def sentences():
    text = open(os.path.join(ROOT, "Sources/Server/Pages/js/i18n/options-zh.js"), encoding="utf-8").read()
    string = r'"(?:[^"\\]|\\.)*"'
    return {json.loads(left): json.loads(right) for left, right in re.findall(f"({string}): ({string})", text)}


def main():
    known, missing = sentences(), []

    def words(text, is_default=False):
        if text in known:
            return known[text]
        # A default may be a value with its rule: 1 (the same).
        rule = re.fullmatch(r"(.+?) \((.+)\)", text)
        if is_default and rule and rule[2] in known:
            return f"{rule[1]}（{known[rule[2]]}）"
        # Values and names have no translation.
        if not is_default or re.search(r"[a-z] [a-z]", text):
            missing.append(text)
        return text

    def values(text):
        for pattern, chinese in VALUES:
            if re.fullmatch(pattern, text):
                return re.sub(pattern, chinese, text)
        missing.append(text)
        return text

    page = [INTRODUCTION]
    lines = open(os.path.join(ROOT, "docs/options.md"), encoding="utf-8").read().split("\n")
    at = next(number for number, line in enumerate(lines) if line.startswith("## "))
    for line in lines[at:]:
        cells = [cell.replace("\\|", "|") for cell in re.split(r"(?<!\\) \| ", line.strip().removeprefix("| ").removesuffix(" |"))]
        if line.startswith("## Names"):
            line = "## 其他程序中的名字"
        elif line.startswith("A name that is none"):
            line = "不是我们的名字，就按下表换成意思相同的选项。"
        elif line.startswith("### "):
            line = "### " + words(line[4:])
        elif line.startswith("| option | meaning"):
            line = "| 选项 | 说明 | 取值 | 默认 | 继续时 |"
        elif line.startswith("| option | elsewhere"):
            line = "| 选项 | 别处的名字 |"
        elif len(cells) == 5 and not line.startswith("|---"):
            # A default that is one of the values stays what one writes.
            isValue = cells[3] in re.split(", ", cells[2].removeprefix("one of "))
            usual = cells[3] if isValue else words(cells[3], True)
            cells = [cells[0], words(cells[1]), values(cells[2]), usual, RESUME.get(cells[4], cells[4])]
            line = "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
        page.append(line)
    with open(os.path.join(ROOT, "docs/zh/options.md"), "w", encoding="utf-8") as file:
        file.write("\n".join(page))
    for text in sorted(set(missing)):
        print(f"no Chinese for: {text}", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
