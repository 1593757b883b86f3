"""Small templates, each of which shows one rule of the language, and what they are rendered with. Used by
make_chat_template_goldens.py; the templates lie in jinja_expressions.py, jinja_filters.py and jinja_statements.py."""

from jinja_expressions import ARITHMETIC, LITERALS, PRINTF, STRING_METHODS
from jinja_filters import FILTERS, FUNCTIONS, TESTS
from jinja_statements import ODD_SYNTAX, STATEMENTS, TEXT

CONTEXT = {
    "s": "Hello World",
    "empty": "",
    "u": "naïve 日本語 🙂 ÀÉ ß",
    "sp": "  padded\t\n",
    "n": 7,
    "neg": -7,
    "f": 2.5,
    "big": 9007199254740993,
    "t": True,
    "none_value": None,
    "xs": [3, 1, 2],
    "names": ["bob", "Alice", "carol", "alice"],
    "d": {"b": 1, "a": [1, 2], "items": "shadow", "k y": None},
    "users": [
        {"name": "bob", "age": 30, "address": {"city": "Rome"}},
        {"name": "Alice", "age": 25, "address": {"city": "oslo"}, "admin": True},
        {"name": "carol", "age": 30, "address": {"city": "Oslo"}},
    ],
    "tree": [{"v": 1, "c": [{"v": 2, "c": []}, {"v": 3, "c": [{"v": 4, "c": []}]}]}, {"v": 5, "c": []}],
    "html": "<a href=\"x\">&'</a>",
    "lines": "one\ntwo\n\nthree\r\nfour",
}


def outputs(*texts):
    """One expression a line, each as an output."""
    lines = [line.strip() for text in texts for line in text.split("\n")]
    return ["{{ " + line + " }}" for line in lines if line]


SNIPPETS = outputs(ARITHMETIC, LITERALS, STRING_METHODS, PRINTF, FILTERS, TESTS, FUNCTIONS)
SNIPPETS += ODD_SYNTAX + TEXT + STATEMENTS
