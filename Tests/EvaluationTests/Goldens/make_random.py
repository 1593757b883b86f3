"""Writes random_cases.json: scores of 1,000 random cases each by sacrebleu, rouge_score, scikit-learn and math-verify.

    python make_random.py

The cases themselves are not in the file: the tests draw the same ones, with the same generator (MT19937, `random()` only).
"""
import json, os, random, warnings

import sacrebleu
from rouge_score import rouge_scorer
from sklearn.metrics import f1_score, matthews_corrcoef

HERE = os.path.dirname(os.path.abspath(__file__))
WORDS = ("the a cat dog sat on mat, runs. Far away! (old) house's 3.5 1,000 well-known \"quoted\" blue & red; no: yes? "
         "été naïve 12-34 it's end The CAT 'tis <b> a/b x-y").split(" ")
COUNT = 1000
rng = random.Random(17)


def below(n):
    return int(rng.random() * n)


def sentence(low, high):
    return [WORDS[below(len(WORDS))] for _ in range(low + below(high - low + 1))]


def pair():
    """A reference, and a reply: the reference with words changed, lost, doubled and phrases moved, or another sentence."""
    reference = sentence(1, 24)
    if rng.random() < 0.15:
        return reference, sentence(0, 24)
    reply = list(reference)
    for _ in range(below(5)):
        kind, place = below(4), below(max(len(reply), 1))
        if kind == 0 and reply:
            reply[place] = WORDS[below(len(WORDS))]
        elif kind == 1 and reply:
            del reply[place]
        elif kind == 2:
            reply.insert(place, WORDS[below(len(WORDS))])
        elif reply:
            length = 1 + below(4)
            phrase = reply[place:place + length]
            del reply[place:place + length]
            target = below(len(reply) + 1)
            reply[target:target] = phrase
    return reference, reply


def short(value):
    return float(f"{value:.7g}")


def texts():
    scorer = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL"])
    rows = []
    for _ in range(COUNT):
        reference, reply = (" ".join(words) for words in pair())
        rouge = scorer.score(reference, reply)
        rows.append([short(value) for value in (
            sacrebleu.corpus_bleu([reply], [[reference]]).score, sacrebleu.corpus_chrf([reply], [[reference]]).score,
            sacrebleu.corpus_chrf([reply], [[reference]], word_order=2).score, sacrebleu.corpus_ter([reply], [[reference]]).score,
            rouge["rouge1"].fmeasure, rouge["rouge2"].fmeasure, rouge["rougeL"].fmeasure)])
    return rows


def labels():
    rows = []
    for _ in range(COUNT):
        size, classes = 2 + below(20), 2 + below(3)
        gold = [below(classes) for _ in range(size)]
        predicted = [g if rng.random() < 0.5 else below(classes) for g in gold]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            f1 = f1_score([int(g == 1) for g in gold], [int(p == 1) for p in predicted], zero_division=0)
            rows.append([short(float(f1)), short(float(matthews_corrcoef(gold, predicted)))])
    return rows


def number():
    kind = below(7)
    a, b = 1 + below(30), 1 + below(12)
    return ["%d" % a, "-%d" % a, "\\frac{%d}{%d}" % (a, b), "%d/%d" % (a, b), "\\sqrt{%d}" % a, "%d.5" % a, "%d\\pi" % a][kind]


def variant(text):
    """The same value written otherwise, or another value."""
    kind = below(6)
    if kind == 0:
        return text
    if kind == 1:
        return "$%s$" % text
    if kind == 2:
        return text.replace("\\frac", "\\dfrac")
    if kind == 3:
        return "%s + 0" % text
    if kind == 4:
        return "2 \\cdot %s" % text
    return number()


def sums():
    from math_verify import parse, verify
    verdicts = ""
    for _ in range(COUNT):
        gold = number()
        reply = variant(gold)
        gold = parse("\\boxed{%s}" % gold)
        answer = parse("\\boxed{%s}" % reply.strip("$"))
        verdicts += "1" if verify(gold, answer) else "0"
    return verdicts


with open(f"{HERE}/random_cases.json", "w") as file:
    json.dump({"words": WORDS, "texts": texts(), "labels": labels(), "sums": sums()}, file, ensure_ascii=False, separators=(",", ":"))
