"""Answers and replies as math-verify judges them.

    python make_math.py        (math-verify) writes cases.json beside itself: [[reference, reply, judgement], …]
"""
import json
import pathlib

from math_verify import parse, verify

B = "\\boxed{%s}"
GROUPS = [
    # Everything of a group says the same; everything of different groups does not.
    [r"\frac{1}{2}", r"\dfrac12", "0.5", r"\frac{2}{4}", "1/2", r"\frac 1 2", r"2^{-1}"],
    [r"\sqrt{2}", r"2^{1/2}", r"\frac{2}{\sqrt{2}}", r"\sqrt 2"],
    [r"3\sqrt{2}", r"\sqrt{18}", r"3 \cdot \sqrt{2}"],
    ["1234", "1,234", "1234.0", r"1{,}234"],
    ["-7", "-7.0", "- 7"],
    [r"\pi", r"\frac{2\pi}{2}"],
    [r"2\pi", r"2 \pi", r"\pi \cdot 2"],
    [r"\frac{\pi}{4}", r"\pi/4"],
    ["x^2+2x+1", "(x+1)^2", "1+2x+x^2"],
    ["x^2-1", "(x-1)(x+1)"],
    [r"\frac{x}{2}", r"0.5x", r"\frac12 x"],
    ["(1,2)"], ["(2,1)"], ["[1,2]"], ["(1,2]"], ["[1,2)"],
    [r"\{1,2,3\}", r"\{3,2,1\}", "1,2,3"],
    [r"\{1,2\}"],
    [r"(-\infty, 3)", r"(-\infty,3)"],
    [r"(-\infty, 3]"],
    [r"(-\infty,0)\cup(1,\infty)", r"(1,\infty)\cup(-\infty,0)"],
    [r"2\sqrt{3}+1", r"1+2\sqrt{3}"],
    [r"\frac{1+\sqrt{5}}{2}", r"\frac{\sqrt{5}+1}{2}", r"\frac12+\frac{\sqrt5}{2}"],
    [r"10^{3}\cdot 5", "5000"],
    [r"\log_2 8", "3"],
    [r"\begin{pmatrix}1&2\\3&4\end{pmatrix}"], [r"\begin{pmatrix}1&2\\4&3\end{pmatrix}"],
    ["2i+3", "3+2i"],
    [r"\sin(\frac{\pi}{6})"],
    ["e^{2}", "e^2"],
    [r"\binom{5}{2}"],
]
PAIRS = [
    ("10", r"10\%"), (r"10\%", "10"), (r"10\%", "0.1"), (r"50\%", r"\frac12"), ("0.5", r"50\%"), ("20", r"10\%"),
    ("5", r"5\text{ cm}"), ("5", "5 cm"), (r"5\text{ cm}", "5"), ("12", r"12\text{ square units}"), ("45", r"45^\circ"),
    ("45^{\\circ}", "45"), ("3", r"\$3"), (r"\$3.50", "3.5"), ("5", "x=5"), ("x=5", "5"), ("x=5", "y=6"), ("5", "x = 5.0"),
    (r"2\frac{1}{2}", "2.5"), ("2.5", r"2\frac{1}{2}"), (r"1\frac34", r"\frac74"), (r"\text{Monday}", r"\text{Monday}"),
    (r"\text{Monday}", r"\text{Tuesday}"), (r"\text{A}", "A"), ("A", r"\text{(A)}"), ("y=2x+1", "y=1+2x"), ("2,3", "3,2"),
    (r"\{2,3\}", "2,3"), (r"\pm 2", r"\{-2,2\}"), ("1.5", "1.50001"), ("0.333333", r"\frac13"), ("100", "101"),
    (r"\frac{3}{7}", "0.428571"), ("x \\in [1,2]", "[1,2]"), ("x>3", "3<x"), ("x>3", "x\\geq 3"), ("4!", "24"),
    ("|{-3}|", "3"), (r"\sqrt[3]{8}", "2"), (r"\emptyset", r"\{\}"), ("1e3", "1000"), (r"1.2\times10^3", "1200"),
    (r"\frac{a}{b}", r"a/b"), ("ab", "ba"), ("a+b", "a-b"), (r"\infty", r"-\infty"), ("36", "36.000"), ("0", "-0"),
    (r"\frac{10}{3}", r"3\frac{1}{3}"), (r"-\frac{1}{2}", r"\frac{-1}{2}"), (r"\frac{1}{-2}", "-0.5"), ("11,\\! 111", "11111"),
]
REPLIES = [
    ("18", "She sells 9 eggs, so 9 * 2 = 18.\n#### 18"), ("18", "The answer is $18$."), ("18", "so we get 18"),
    ("18", "we get 18, not 19"),
    (r"\frac{3}{4}", r"Hence $x=\frac{3}{4}$"), ("18", "I do not know"), ("-3", "The final answer is $-3$"),
    ("1,000", r"\boxed{1000}"), ("2", "nothing at all"), (r"\sqrt{3}", r"\[ \boxed{\sqrt{3}} \]"),
]


def judged(reference, reply):
    gold = parse("$" + reference + "$")
    return bool(verify(gold, parse(reply)))


cases = []
for index, group in enumerate(GROUPS):
    for form in group:
        cases.append([group[0], B % form])
    other = GROUPS[(index + 1) % len(GROUPS)][0]
    cases.append([group[0], B % other])
cases += [[a, B % b] for a, b in PAIRS] + [[a, b] for a, b in REPLIES]
cases = [case + [judged(*case)] for case in cases]
path = pathlib.Path(__file__).parent / "cases.json"
path.write_text("[\n" + ",\n".join(json.dumps(c, ensure_ascii=False) for c in cases) + "\n]\n")
