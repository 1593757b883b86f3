"""Makes a small DeBERTa tokenizer (spm.model and tokenizer_config.json, as published) and what sentencepiece cuts texts into.

    python make_deberta.py    # needs sentencepiece; writes deberta/ and deberta/expected.json

The published folders of DeBERTa v2 and v3 have no tokenizer.json. The ids are those of sentencepiece itself, between [CLS]
and [SEP], as the model was trained; [MASK] has the id behind the pieces.
"""
import json, os
import sentencepiece as spm

here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "deberta")
os.makedirs(here, exist_ok=True)
os.chdir(here)  # a model keeps the path that it was trained to
lines = ["the weather is fine today", "where is the station", "a small house by the river", "the river is wide",
         "she reads a book", "today we read about birds", "small birds sing by the house", "is it far"] * 4
spm.SentencePieceTrainer.train(
    sentence_iterator=iter(lines), model_prefix="spm", vocab_size=60, model_type="unigram", hard_vocab_limit=False,
    normalization_rule_name="nmt_nfkc", minloglevel=2, pad_id=0, bos_id=1, eos_id=2, unk_id=3, pad_piece="[PAD]",
    bos_piece="[CLS]", eos_piece="[SEP]", unk_piece="[UNK]")
os.remove("spm.vocab")
model = spm.SentencePieceProcessor(model_file="spm.model")
with open("tokenizer_config.json", "w") as file: json.dump({"do_lower_case": False, "vocab_type": "spm"}, file)
with open("config.json", "w") as file: json.dump({"model_type": "deberta-v2"}, file)
texts = ["the small house", "where is she?", "zebra", "", "Fine  today", "ﬁne weather", "two\nlines"]
cases = [{"text": text, "ids": [1] + model.encode(text) + [2]} for text in texts]
first, second = "the river", "is it wide"
cases.append({"text": first, "pair": second, "ids": [1] + model.encode(first) + [2] + model.encode(second) + [2],
              "types": [0] * (len(model.encode(first)) + 2) + [1] * (len(model.encode(second)) + 1)})
cases.append({"mask": model.get_piece_size()})
with open("expected.json", "w") as file: json.dump(cases, file, ensure_ascii=False)
print(model.get_piece_size(), cases)
