#!/usr/bin/env python3
"""Writes forced-calls.json: calls of tools as each family writes them. Where ChatTemplates/ of the text tests has the
family's template, the text is what transformers renders for them; for others it is spelled here after what the family's
model card or template shows. Needs transformers 5. Usage: make_forced_calls.py"""
import json
import pathlib
import re

import transformers.utils.chat_template_utils as utils

HERE = pathlib.Path(__file__).resolve().parent
TEMPLATES = HERE.parents[1] / "ChatTests/Goldens/ChatTemplates"
SIGNS = ["<function=", "<tool_call>", "[TOOL_CALLS]", "[ARGS]", "<｜tool▁calls▁begin｜>", "```json", "<start_function_call>",
         "<|tool_call>", "func_name1(", "<|python_start|>", "<|python_tag|>", "\"parameters\":"]
WEATHER = {"type": "object", "properties": {
    "city": {"type": "string", "description": "Name"}, "days": {"type": "integer"}, "exact": {"type": "boolean"},
    "share": {"type": "number"}, "unit": {"type": "string", "enum": ["C", "F"]}}, "required": ["city"]}
NOW = {"type": "object", "properties": {}}
TOOLS = [{"type": "function", "function": {"name": name, "description": "d", "parameters": parameters}}
         for name, parameters in (("get_weather", WEATHER), ("now", NOW))]
CASES = [
    [("get_weather", {"city": "Zürich"})],
    [("get_weather", {"city": "a \"b\" 'c' \\ <d> {e} [f] , 😀\nline", "days": 3, "exact": True, "share": 0.25, "unit": "F"})],
    [("get_weather", {"city": "", "exact": False}), ("now", {})],
    [("now", {})],
]


def dump(value):
    return json.dumps(value, ensure_ascii=False)


def rendered(name, begin, end):
    source = (TEMPLATES / name).read_text()

    def write(calls):
        messages = [{"role": "user", "content": "?"}, {"role": "assistant", "content": None, "tool_calls": [
            {"id": f"abcdefgh{i}", "type": "function", "function": {"name": n, "arguments": a}} for i, (n, a) in enumerate(calls)]}]
        if "mistral" not in name and "deepseek" not in name:
            messages[1]["content"] = ""
        text = utils.render_jinja_template([messages], tools=TOOLS, chat_template=source, bos_token="", eos_token="</s>")[0][0]
        start = text.rindex(begin[1:] if begin.startswith("^") else begin) if begin.startswith("^") else text.index(begin, text.index("?"))
        return text[start:text.index(end, start)].rstrip("\n")
    return write, source


def python(value):
    return repr(value) if isinstance(value, bool) else dump(value)


def xml(calls):
    def member(key, value):
        return f"<parameter={key}>\n{value if isinstance(value, str) else dump(value)}\n</parameter>\n"
    return "\n".join(f"<tool_call>\n<function={n}>\n{''.join(member(*item) for item in a.items())}</function>\n</tool_call>" for n, a in calls)


def gemma(opening, closing, quote):
    def value(v):
        return quote + v + quote if isinstance(v, str) else dump(v)
    return lambda calls: "".join(f"{opening}call:{n}{{{','.join(f'{k}:{value(a[k])}' for k in sorted(a))}}}{closing}" for n, a in calls)


def deepseek(calls):
    inner = "".join(f"<｜tool▁call▁begin｜>{n}<｜tool▁sep｜>{dump(a)}<｜tool▁call▁end｜>" for n, a in calls)
    return f"<｜tool▁calls▁begin｜>{inner}<｜tool▁calls▁end｜>"


def pythonic(calls):
    return "[" + ", ".join(f"{n}({', '.join(f'{k}={python(v)}' for k, v in a.items())})" for n, a in calls) + "]"


FAMILIES = [
    ("qwen2.5", "hermes", *rendered("qwen2.5-tools.jinja", "<tool_call>", "<|im_end|>")),
    ("qwen3", "hermes", *rendered("qwen3.jinja", "<tool_call>", "<|im_end|>")),
    ("llama3.1", "llamaJSON", *rendered("llama3.1-tools.jinja", "{\"name\": ", "<|eo")),
    ("mistral-v3", "mistral", *rendered("mistral-v3-tools.jinja", "[TOOL_CALLS]", "</s>")),
    ("deepseek-r1", "deepSeek", *rendered("deepseek-r1.jinja", "<｜tool▁calls▁begin｜>", "<｜end▁of▁sentence｜>")),
    ("deepseek-v3.1", "deepSeek", deepseek, "<｜tool▁calls▁begin｜>"),
    ("mistral-v11", "mistral", lambda calls: "".join(f"[TOOL_CALLS]{n}[ARGS]{dump(a)}" for n, a in calls), "[TOOL_CALLS][ARGS]"),
    ("qwen3-coder", "qwenCoder", xml, "<tool_call><function="),
    ("functiongemma", "gemma", gemma("<start_function_call>", "<end_function_call>", "<escape>"), "<start_function_call>"),
    ("gemma4", "gemma", gemma("<|tool_call>", "<tool_call|>", "<|\"|>"), "<|tool_call>"),
    ("llama4", "pythonic", pythonic, "<|python_start|>"),
]

out = []
for family, syntax, write, source in FAMILIES:
    for calls in CASES:
        if family == "llama3.1" and len(calls) > 1 or family == "deepseek-r1" and len(calls) == 1:
            continue  # Its template takes one call only; the other closes the list after two.
        text = write(calls)
        case = {"family": family, "syntax": syntax, "signs": "".join(sign for sign in SIGNS if sign in source),
                "calls": [{"name": n, "arguments": a} for n, a in calls], "text": text}
        if family == "mistral-v3":
            # Ids are for calls of the past, the model makes none.
            case["forced"] = re.sub(', "id": "\\w{9}"', "", text).replace("[TOOL_CALLS] [", "[TOOL_CALLS][")
        out.append(case)
path = HERE / "forced-calls.json"
path.write_text(json.dumps({"tools": TOOLS, "cases": out}, ensure_ascii=False, indent=1) + "\n")
print(len(out), "cases,", path.stat().st_size, "bytes")
