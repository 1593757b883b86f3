"""Writes training-pieces.json: what the tokenizers wheel's WordPiece and Unigram trainers learn from a text, and how
well that fits another one.

Run with a Python that has tokenizers and numpy, and a plain text: python make_vocabulary_goldens.py TEXT
"""

import json
import pathlib
import sys
import tempfile

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

HERE = pathlib.Path(__file__).parent
BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def train(tokenizer, trainer, text):
    """By lines, as the library reads files."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt", newline="") as file:
        file.write(text)
        file.flush()
        tokenizer.train([file.name], trainer)
    return json.loads(tokenizer.to_str())["model"]["vocab"]


def wordpiece(text, heldout, **settings):
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(special_tokens=BERT, show_progress=False, **settings)
    vocabulary = train(tokenizer, trainer, text)
    tokens = sorted(vocabulary, key=vocabulary.get)
    # Characters inside of words have ids in an order that is another in every run, and ties are decided by ids.
    order = [token for token in tokens if token.startswith("##") and len(token) == 3]
    return {**settings, "order": order, "tokens": tokens, "ids": tokenizer.encode(heldout).ids[:300]}


def unigram(text, heldout, **settings):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    trainer = trainers.UnigramTrainer(
        unk_token="<unk>", special_tokens=["<unk>"], show_progress=False, **settings
    )
    scores = [score for _, score in train(tokenizer, trainer, text)]
    ids = [id for line in heldout.splitlines(keepends=True) for id in tokenizer.encode(line).ids]
    assert 0 not in ids
    return {**settings, "tokens": len(ids), "log_likelihood": sum(scores[id] for id in ids)}


def main():
    source = pathlib.Path(sys.argv[1]).read_text(encoding="utf-8")
    text, heldout = source[:120_000], source[120_000:150_000]
    # Characters of the held-out text that were never seen would be unknown.
    heldout = "".join(character for character in heldout if character in text)
    golden = {
        "text": text,
        "heldout": heldout,
        "wordpiece": [
            wordpiece(text, heldout, vocab_size=800),
            wordpiece(text, heldout, vocab_size=400, min_frequency=3, limit_alphabet=30),
            wordpiece(text, heldout, vocab_size=20_000, min_frequency=60),
        ],
        "unigram": [unigram(text, heldout, vocab_size=size) for size in (500, 1500, 3000)],
    }
    for case in golden["unigram"]:
        print(case)
    (HERE / "training-pieces.json").write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")) + "\n")


main()
