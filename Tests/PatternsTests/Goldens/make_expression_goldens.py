#!/usr/bin/env python3
"""Writes expressions.json: how the tokenizers wheel cuts texts at regular expressions.

`families`: expressions of published tokenizers over one mixed text, each in turn on what the last left, as byte lengths
of the pieces. `cases`: small expressions over short texts: [expression, text, lengths of the pieces with matches
isolated, bounds of the matches that are not empty]. Some are by hand, the rest is random (fixed seed).

usage: make_expression_goldens.py [RANDOM_CASES [SEED [OUTPUT]]]"""
import json
import pathlib
import random
import sys

from tokenizers import Regex, pre_tokenizers as p

HERE = pathlib.Path(__file__).resolve().parent
COUNT = int(sys.argv[1]) if len(sys.argv) > 1 else 400
RANDOM = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
OUTPUT = pathlib.Path(sys.argv[3]) if len(sys.argv) > 3 else HERE / "expressions.json"

TEXT = """The quick brown fox can't jump; it'S 3.14159 or 1234567 — "quoted" DON'T WE'LL iPhone HTTPServer.
def f(x, *args):\n\tif x != 0:\n        return {k: v for k, v in zip(args, x)}  # comment…\n\n\n    \t  \n
for (int i = 0; i < 0x1F; ++i) { a[i] += b->c; }\r\n\r\n// path/to//file.txt /\n/**/ </html>&nbsp;\\n
Съешь ещё этих мягких французских булок, да выпей же чаю. ΟΔΥΣΣΕΥΣ και ἄνδρα μοι ἔννεπε, Μοῦσα.
敏捷的棕色狐狸跳过了懒狗。１２３，（全角）「引用」！ いろはにほへと ちりぬるを カタカナ ﾊﾝｶｸ 日本語ABCです。
다람쥐 헌 쳇바퀴에 타고파 가나다. คนเราไม่ว่าเกิดมาเป็นคน ยากดีมีจน ๑๒๓. नमस्ते दुनिया, क्षत्रिय १२३। வணக்கம் உலகம்.
صِفْ خَلقَ خَودٍ كَمِثلِ الشَمسِ ۱۲۳، ١٢٣؟ דג סקרן שט בים מאוכזב. ქართული ენა. Հայերեն լեզու. አማርኛ ቋንቋ።
Ünïcödé naïve façade ǅungla ﬁn Straße İstanbul ısı x\u0301y\u0323\u0301 \u0301 a\u200db \u00ad½⅓Ⅷ² ªº ʰʷ
👍🏽👨‍👩‍👧‍👦 🇩🇪🇯🇵 1️⃣ ☃︎ 😀😀 →∑∂≠ €£¥ $100 #tag @user +49 (0)30/123-456 a_b __init__ \u3000\u3000全\u00a0b\u2003c\u2028d\x85e
                                        x          \n     \n          y\t\t\t\tz   \x0b\x0c  \x1c\x00 end    """

S = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
HEAD, ENDS = r"[^\r\n\p{L}\p{N}]?", r"\s*[\r\n]+|\s+(?!\S)|\s+"
UP, LOW = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
UP_NO_HAN, LOW_NO_HAN = UP[:-1] + "&&[^\\p{Han}]]", LOW[:-1] + "&&[^\\p{Han}]]"
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
CL100K = HEAD + r"\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + ENDS
CASED = ("A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅὐ-ὗὙὛὝὟ-\u1f7dᾀ-ᾴᾶ-ᾼ\u1fbeῂ-ῄῆ-ῌ"
         "ῐ-\u1fd3ῖ-\u1fdbῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤ\u2126ℨ\u212a-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃")
CJK = "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"
V3 = r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|"
FAMILIES = {
    "gpt2": [GPT2],
    "cl100k": [S + "|" + CL100K],
    "cl100k possessive": [r"'(?i:[sdmt]|ll|ve|re)|" + HEAD + r"+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|"
                          r"\s+(?!\S)|\s"],
    "qwen2": [S + "|" + CL100K.replace("{1,3}", "")],
    "qwen3.5": [S + "|" + HEAD + r"[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|" + ENDS],
    "o200k": [f"{HEAD}{UP}*{LOW}+{S}?|{HEAD}{UP}+{LOW}*{S}?|" + r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|" + ENDS],
    "tekken": [f"{HEAD}{UP}*{LOW}+|{HEAD}{UP}+{LOW}*|" + r"\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|" + ENDS],
    "o200k by lookahead": [HEAD + r"((?=[\p{L}])([^a-z]))*((?=[\p{L}])([^A-Z]))+(?:'[sS]|'[tT]|'[rR][eE])?|" + HEAD
                           + r"((?=[\p{L}])([^a-z]))+((?=[\p{L}])([^A-Z]))*|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|" + ENDS],
    "kimi": [r"[\p{Han}]+|" + f"{HEAD}{UP_NO_HAN}*{LOW_NO_HAN}+{S}?|{HEAD}{UP_NO_HAN}+{LOW_NO_HAN}*{S}?|"
             + r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|" + ENDS],
    "deepseek-llm": [r"[\r\n]", rf"\s?[{CASED}]+", r"\s?[!-/:-~！-／：-～‘-‟\u3000-。]+", r"\s+$", CJK, r"\p{N}+"],
    "deepseek-coder": [r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", CJK, r"\p{N}"],
    "deepseek-v3": [r"\p{N}{1,3}", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+", V3 + ENDS],
    "exaone": [S + "|" + HEAD + r"(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+"],
    "superbpe": [r"\p{N}+", r"(?=(\d{3})+(?!\d))"],
    "aya": [r"\d{1,3}(?=(?:\d{3})*\b)"],
    "bloom": [r" ?[^(\s|[.,!?…。，、।۔،])]+"],
    "falcon": [r"[\p{P}\$\+<=>\^~\|`]+", GPT2, "[0-9][0-9][0-9]"],
    "chameleon": [r"<sentinel:[0-9]+>", r"(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", "([\\t\\n]|    |  )", r"\p{N}", r"[\p{P}!-/:-@\[-`{-~]"],
    "youtu": ["[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"],
    "lines": [r"[^\n]+|[\n]+", r"(?<=\s)(?=\p{Lu})|\b"],
}
BY_HAND = [
    (r"\p{N}{1,3}+", "12345678"), (r"\s+$", "a  \nb  \n  c  "), (r"\s+$", "a  \n"), (r"\s+$", "a \n \n"), (r"^b", "a\nb"),
    (r"\b", "ab cd"), (r"(?=(\d{3})+(?!\d))", "1234567 12"), (r"a*", "baac"), (r"(?m).", "a\nb"), (r"\h+", "xyzabf 12"),
    (r"\x{61}", "abx"), (r"[]a]+", "x]a]y"), (r"[^]a]+", "x]ay"), (r"(?i:s)", "aSsſ"), (r"(?i:ß)", "aßsẞ"),
    (r"(?i:[^s])", "aSſsb"), (r"(?i)ab|cd", "ABCD"), (r"a(?i)b|c", "aBCabcaC"), (r"(?i)a(?-i)b|c", "ABabCc"),
    (r"(?i:\p{Lu})", "aB1"), (r"(?i:[\p{Lu}])", "aB1"), (r"(?i:\P{Lu})", "aB1"), (r"(?i:[^\p{Lu}])", "aB1"),
    (r"(?i:σ)", "ΣσςS"), (r"(?i:k)", "kK\u212a"), (r"(?i:\u0390)", "\u0390\u1fd3"), (r"(?i:İ|ı)", "iIİı"),
    (r"(?<!a)b", "abbb"), (r"(?<=a|bc)x", "axbcxx"), (r"(?<=^|a)b", "bab\nb"), (r"(?<!^)b", "bab\nb"),
    (r"a{,2}", "aaaa"), (r"a{2,}?", "aaaa"), (r"a{2}?b", "abaab"), (r"a{1,2}?b", "aaab"), (r"a{x}", "a{x}"),
    (r"a{,}", "a{,}aa"), (r"a{2}+", "aaaaa"), (r"(?>a+|b)c", "aac"), (r"(?>a?)a", "aab"), (r"(?:ab?)++b", "abab b"),
    (r"\Aa|b\z|c\Z", "aabc\n"), (r"(?<n>a)b", "ab"), (r"(?#c)a", "ba"), (r"[[:alpha:]]+", "ab1"),
    (r"[[:^alpha:]]+", "ab12"), (r"[[:punct:]]+", "a+b.c$"), (r"\p{Punct}+", "a+b.c$"), (r"[a-z&&[^aeiou]]+", "hello"),
    (r"[^a-c&&b-z]+", "abcxyz1"), (r"[\p{L}&&\p{Han}]+", "ab漢字"), (r"[^\p{L}&&[^\p{Han}]]+", "ab漢字12"),
    (r"\p{^L}+", "a12"), (r"\p{Letter}+", "ab1"), (r"\p{ han }+", "漢a"), (r"\p{Any}+", "a\n"), (r"\0", "a\0"),
    (r"a?+", "aaa"), (r"a**", "aaa"), (r"(?:a?)*", "aab"), (r"]", "a]"), (r"}", "a}"), (r"{", "a{"), (r"\d+", "1٣½²"),
    (r"\_\-\ \é", "_- é"), (r"[\b]", "a\x08b"), (r"(?i-m:a)B", "aBAB"), (r"[a-]+", "a-b"), (r"[-a]+", "a-b"),
    (r"[a[bc]d]+", "abcd"), (r"[a&&]", "a&"), (r"[a&b]+", "a&b"), (r"a{0}b", "ab"), (r"x*$", "xx\nxx"), (r"$", "a\nb\n"),
    (r"^", "a\nb\n"), (r"a|b|", "ab"), (r"", "ab"), (r"()", "ab"), (r"\z|a", "ba"), (r"\Z", "a\n"), (r"[a-c-e]+", "abd-e"),
    (r"[a\-z]+", "a-z"), (r".", "\r\n\u2028"), (r"\S+", "a\u200bb \x1c\x1f"), (r"\W+", "a b²ª_\u200d\u0301x"),
    (r"\v|\f|\t|\e|\a", "\x0b\x0c\t\x1b\x07"), (r"(?:|a)b", "abb"), (r"\p{Emoji}+", "a😀1"),
]


class Part:
    """An expression, whether it may be empty, and whether it may be repeated."""

    def __init__(self, text, empty=False, assertion=False, alone=True):
        self.text, self.empty, self.assertion, self.alone = text, empty, assertion, alone


def atom(depth):
    kind = RANDOM.random()
    if depth > 0 and kind < 0.3:
        inner = choice(depth - 1)
        form = RANDOM.choice(["(?:{})", "(?:{})", "({})", "(?i:{})", "(?>{})"])
        return Part(form.format(inner.text), inner.empty)
    if depth > 0 and kind < 0.4:
        return Part(RANDOM.choice(["(?={})", "(?!{})"]).format(choice(depth - 1).text), True, True)
    if kind < 0.45:
        return Part(RANDOM.choice(["(?<=a)", "(?<!b)", r"(?<=\s)", r"(?<![\p{L}1])", "(?<=ab|é)", "(?<!漢a|\n)"]), True, True)
    if kind < 0.5:
        return Part(RANDOM.choice([r"\b", r"\B", "^", "$", r"\A", r"\z", r"\Z"]), True, True)
    return Part(RANDOM.choice(["a", "b", "A", "é", "漢", " ", r"\n", "1", "'", "ab", r"\d", r"\w", r"\s", r"\S", r"\W", "[ab]",
                               "[^a ]", r"\p{L}", r"\p{Lu}", r"[^\s\p{L}]", ".", r"[\p{Ll}1]", "[a-zé&&[^b]]"]), alone=False)


def piece(depth):
    part = atom(depth)
    if part.assertion or RANDOM.random() < 0.5:
        return part
    text = part.text if part.alone or len(part.text) == 1 or part.text[0] in "[\\" else f"(?:{part.text})"
    forms = [("?", True)]
    if not part.empty:
        forms += [("{0,2}", True), ("{1,2}", False), ("{2}", False), ("*", True), ("+", False), ("{2,}", False), ("*", True), ("+", False)]
    form, empty = RANDOM.choice(forms)
    if form != "{2}":
        form += RANDOM.choice(["", "", "", "?", "+"] if form[0] != "{" else ["", "?"])
    return Part(text + form, empty)


def choice(depth):
    alternatives = []
    for _ in range(RANDOM.choice([1, 1, 2, 3])):
        pieces = [piece(depth) for _ in range(RANDOM.choice([1, 1, 2, 3]))]
        alternatives.append(Part("".join(q.text for q in pieces), all(q.empty for q in pieces)))
    return Part("|".join(a.text for a in alternatives), any(a.empty for a in alternatives))


def measured(expression, text):
    def bounds(cutter):
        return [(len(text[:a].encode()), len(text[:b].encode())) for _, (a, b) in cutter.pre_tokenize_str(text)]

    pieces = [b - a for a, b in bounds(p.Split(Regex(expression), "isolated"))]
    matches = [n for span in bounds(p.Split(Regex(expression), "removed", invert=True)) for n in span]
    return [expression, text, pieces, matches]


cases = [measured(*case) for case in BY_HAND]
left_out = 0
while len(cases) < len(BY_HAND) + COUNT:
    text = "".join(RANDOM.choice("aaabbbAB  \n11'sSſé漢\u0301.") for _ in range(RANDOM.randint(1, 24)))
    expression = choice(3).text
    try:
        cases.append(measured(expression, text))
    except BaseException as error:  # The wheel's panics are no Exceptions.
        if isinstance(error, KeyboardInterrupt):
            raise
        left_out += 1
families = {}
for name, expressions in FAMILIES.items():
    cutter = p.Sequence([p.Split(Regex(e), "isolated") for e in expressions])
    spans = [span for _, span in cutter.pre_tokenize_str(TEXT)]
    families[name] = {"expressions": expressions, "lengths": [len(TEXT[a:b].encode()) for a, b in spans]}
OUTPUT.write_text(json.dumps({"text": TEXT, "families": families, "cases": cases}, ensure_ascii=False, separators=(",", ":")))
print(OUTPUT.stat().st_size, "bytes; not taken by the wheel:", left_out)
