"""Makes small tokenizers of Pegasus, mBART, mBART-50 and M2M-100 from sentencepiece models, and what transformers cuts
texts into.

    python make_translating.py    # needs sentencepiece, protobuf, transformers; writes translating/
"""
import json, os
import sentencepiece as spm
from transformers import M2M100Tokenizer, MBart50Tokenizer, MBartTokenizer, PegasusTokenizer

here = os.path.join(os.path.dirname(os.path.abspath(__file__)), "translating")
english = ["the weather is fine today", "where is the station", "a small house by the river", "the river is wide",
           "she reads a book", "today we read about birds", "small birds sing by the house", "is it far"] * 4
texts = ["the small house", "where is she?", "the  river", "zebra", "", "a<mask> bird", "</s> is it", "de_DE it"]
cases = {
    "pegasus": (PegasusTokenizer, "spiece.model", dict(pad_id=0, eos_id=1, unk_id=2, bos_id=-1), {}),
    "mbart": (MBartTokenizer, "sentencepiece.bpe.model", {}, dict(src_lang="en_XX")),
    "mbart50": (MBart50Tokenizer, "sentencepiece.bpe.model", {}, dict(src_lang="de_DE")),
    "m2m": (M2M100Tokenizer, "sentencepiece.bpe.model", {}, dict(src_lang="fr")),
}
for name, (cls, file, ids, more) in cases.items():
    folder = os.path.join(here, name)
    os.makedirs(folder, exist_ok=True)
    os.chdir(folder)  # a model keeps the path that it was trained to
    spm.SentencePieceTrainer.train(sentence_iterator=iter(english), model_prefix="pieces", vocab_size=60,
                                   model_type="unigram", hard_vocab_limit=False, minloglevel=2, **ids)
    os.rename("pieces.model", file)
    os.remove("pieces.vocab")
    config = dict(tokenizer_class=cls.__name__, model_max_length=512, **more)
    if name == "m2m":
        model = spm.SentencePieceProcessor(model_file=file)
        own = ["<s>", "<pad>", "</s>", "<unk>"]
        pieces = [model.id_to_piece(i) for i in range(3, model.get_piece_size())]
        with open("vocab.json", "w") as out:
            json.dump({p: i for i, p in enumerate(own + sorted(pieces))}, out, ensure_ascii=False)
    with open("tokenizer_config.json", "w") as out: json.dump(config, out)
    tokenizer = cls.from_pretrained(folder)
    results = [dict(text=text, ids=tokenizer(text).input_ids) for text in texts]
    some = tokenizer("small birds", add_special_tokens=False).input_ids
    results.append(dict(decode=some, text=tokenizer.decode(some, skip_special_tokens=True)))
    with open("expected.json", "w") as out: json.dump(results, out, ensure_ascii=False)
    print(name, len(tokenizer), results)
