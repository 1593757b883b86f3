"""Writes training.json: what the tokenizers wheel learns from small texts, and a plain BPE with CS336's ties.

Run with a Python that has tokenizers: python make_training_goldens.py
"""

import json
import pathlib
import random
import tempfile

import regex
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

HERE = pathlib.Path(__file__).parent
GPT2 = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
GPT4 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)


def prose(seed, count):
    """Words made of syllables, so that tokens can be put together in several ways, with signs, numbers and breaks."""
    chance = random.Random(seed)
    syllables = ["an", "ba", "na", "the", "re", "in", "ing", "st", "é", "字", "好", "ан", "ll", "a", "aa"]
    words = ["".join(chance.choices(syllables, k=chance.randint(1, 5))) for _ in range(180)]
    weights = [1 / (rank + 1) for rank in range(len(words))]
    separators = [" "] * 14 + ["\n", ", ", ". ", "  ", " 12", " 4056 ", "'s ", "'ll ", "!\n\n", " \n ", "\t", " 😀"]
    pieces = []
    for word in chance.choices(words, weights, k=count):
        pieces += [word, chance.choice(separators)]
    return "".join(pieces)


def letters(seed, count):
    """Long words of two letters: one spelling comes about in many ways, and pairs return after their merge."""
    chance = random.Random(seed)
    return " ".join("".join(chance.choices("ab", k=chance.randint(2, 24))) for _ in range(count))


def wheel(text, *, unit="text", pattern=None, all_bytes=True, **settings):
    results = []
    for _ in range(5):
        tokenizer = Tokenizer(models.BPE())
        byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=pattern is None)
        tokenizer.pre_tokenizer = (
            byte_level
            if pattern is None
            else pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), byte_level])
        )
        trainer = trainers.BpeTrainer(
            show_progress=False,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet() if all_bytes else [],
            **settings,
        )
        if unit == "line":
            with tempfile.NamedTemporaryFile("w", suffix=".txt", newline="") as file:
                file.write(text)
                file.flush()
                tokenizer.train([file.name], trainer)
        else:
            tokenizer.train_from_iterator([text], trainer)
        written = json.loads(tokenizer.to_str())
        vocabulary = written["model"]["vocab"]
        results.append(
            {
                "tokens": sorted(vocabulary, key=vocabulary.get),
                "merges": written["model"]["merges"],
                "ids": tokenizer.encode(text).ids[:200],
            }
        )
    assert all(result == results[0] for result in results), "the wheel is not of one mind"
    return results[0]


def cs336(text, vocabulary_size, specials):
    """BPE by the book: count all pairs, merge the most frequent, of equal ones the greatest."""
    parts = [text]
    if specials:
        parts = regex.split("|".join(map(regex.escape, specials)), text)
    words = {}
    for part in parts:
        for match in regex.finditer(GPT2, part):
            word = tuple(bytes([byte]) for byte in match.group().encode())
            words[word] = words.get(word, 0) + 1
    tokens = {bytes([byte]) for byte in range(256)}
    merges = []
    while len(tokens) + len(specials) < vocabulary_size:
        pairs = {}
        for word, count in words.items():
            for pair in zip(word, word[1:]):
                pairs[pair] = pairs.get(pair, 0) + count
        if not pairs:
            break
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append([part.hex() for part in best])
        tokens.add(best[0] + best[1])
        merged = {}
        for word, count in words.items():
            output, index = [], 0
            while index < len(word):
                if word[index : index + 2] == best:
                    output.append(best[0] + best[1])
                    index += 2
                else:
                    output.append(word[index])
                    index += 1
            merged[tuple(output)] = merged.get(tuple(output), 0) + count
        words = merged
    return {"merges": merges}


def main():
    text = prose(1, 2500)
    documents = prose(2, 300) + "<|endoftext|>" + prose(3, 300) + "<|endoftext|>\n" + prose(4, 300)
    texts, cases = [], []

    def add(name, text, settings, **result):
        if text not in texts:
            texts.append(text)
        cases.append({"name": name, "text": texts.index(text), **settings, **result})

    add("all bytes", text, {"vocab_size": 500}, **wheel(text, vocab_size=500))
    specials = ["<|endoftext|>", "<|pad|>"]
    settings = {"vocab_size": 700, "special_tokens": specials}
    add("special tokens", text, settings, **wheel(text, **settings))
    settings = {"vocab_size": 600, "min_frequency": 4}
    add("seen bytes and least frequency", text, {**settings, "all_bytes": False},
        **wheel(text, all_bytes=False, **settings))
    add("until nothing is left", prose(5, 60), {"vocab_size": 5000}, **wheel(prose(5, 60), vocab_size=5000))
    add("lines", text, {"vocab_size": 450, "unit": "line"}, **wheel(text, unit="line", vocab_size=450))
    add("gpt4", text, {"vocab_size": 450, "cut": "gpt4"}, **wheel(text, pattern=GPT4, vocab_size=450))
    for seed in range(3):
        text = letters(seed, 260)
        add(f"two letters {seed}", text, {"vocab_size": 480 + 100 * seed}, **wheel(text, vocab_size=480 + 100 * seed))
    add("cs336", documents, {"vocab_size": 500, "special_tokens": ["<|endoftext|>"], "ties": "bytes"},
        **cs336(documents, 500, ["<|endoftext|>"]))
    text = letters(7, 150)
    add("cs336, two letters", text, {"vocab_size": 420, "ties": "bytes"}, **cs336(text, 420, []))
    # The example of the handout: words are what white space leaves.
    toy = " ".join(["low"] * 5 + ["lower"] * 2 + ["widest"] * 3 + ["newest"] * 6)
    add("cs336, toy", toy.replace(" ", "\n"), {"vocab_size": 262, "ties": "bytes"},
        **cs336(toy.replace(" ", "\n"), 262, []))
    golden = json.dumps({"texts": texts, "cases": cases}, ensure_ascii=False, separators=(",", ":"))
    (HERE / "training.json").write_text(golden + "\n")
    for case in cases:
        print(case["name"], len(texts[case["text"]]), len(case["merges"]))


main()
