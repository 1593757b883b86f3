"""Makes a small Marian tokenizer (two sentencepiece models and vocab.json) and what transformers cuts texts into.

    python make_marian.py    # needs sentencepiece, transformers; writes marian/ and marian/expected.json
"""
import json, os
import sentencepiece as spm
from transformers import MarianTokenizer

here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "marian")
os.makedirs(here, exist_ok=True)
os.chdir(here)  # a model keeps the path that it was trained to
english = ["the weather is fine today", "where is the station", "a small house by the river", "the river is wide",
           "she reads a book", "today we read about birds", "small birds sing by the house", "is it far"] * 4
german = ["das wetter ist heute schön", "wo ist der bahnhof", "ein kleines haus am fluss", "der fluss ist breit",
          "sie liest ein buch", "heute lesen wir über vögel", "kleine vögel singen am haus", "ist es weit"] * 4
pieces = {}
for name, lines in (("source", english), ("target", german)):
    spm.SentencePieceTrainer.train(sentence_iterator=iter(lines), model_prefix=name, vocab_size=60,
                                   model_type="unigram", normalization_rule_name="identity", hard_vocab_limit=False, minloglevel=2)
    os.rename(os.path.join(here, name + ".model"), os.path.join(here, name + ".spm"))
    os.remove(os.path.join(here, name + ".vocab"))
    model = spm.SentencePieceProcessor(model_file=os.path.join(here, name + ".spm"))
    for i in range(model.get_piece_size()): pieces.setdefault(model.id_to_piece(i), None)
names = ["</s>", "<unk>"] + sorted(p for p in pieces if p not in ("<s>", "</s>", "<unk>")) + [">>fr<<", "<pad>"]
json.dump({p: i for i, p in enumerate(names)}, open(os.path.join(here, "vocab.json"), "w"), ensure_ascii=False)
json.dump({"tokenizer_class": "MarianTokenizer", "source_lang": "en", "target_lang": "de", "model_max_length": 512,
           "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"},
          open(os.path.join(here, "tokenizer_config.json"), "w"))
tokenizer = MarianTokenizer.from_pretrained(here)
texts = ["the small house", "where is she?", ">>fr<< the birds read", "zebra", "", "Fine  today"]
cases = [{"text": text, "ids": tokenizer(text).input_ids} for text in texts]
german_ids = tokenizer(text_target="kleine vögel am fluss").input_ids
cases.append({"decode": german_ids, "text": tokenizer.decode(german_ids, skip_special_tokens=True)})
json.dump(cases, open(os.path.join(here, "expected.json"), "w"), ensure_ascii=False)
print(len(names), cases)
