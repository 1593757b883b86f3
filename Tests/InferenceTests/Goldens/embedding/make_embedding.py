"""Makes small random embedding models in every form they are published in, and their vectors.

    python make_embedding.py          # needs torch, transformers, sentence-transformers

bert/ and qwen3/ hold the transformers; each folder of variants/ what is published beside them (modules.json, 1_Pooling,
…), and expected.json: the texts and the vectors that sentence-transformers computes. cross/ is a cross-encoder by itself.
"""
import json, os, shutil
import torch
from sentence_transformers import CrossEncoder, SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling, Transformer
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import (BertConfig, BertForSequenceClassification, BertModel, PreTrainedTokenizerFast, Qwen3Config,
                          Qwen3Model)

here = os.path.dirname(os.path.abspath(__file__))
letters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + letters + ["##" + c for c in letters] + [":", ".", ","]
texts = ["a cat", "the quick brown fox, jumps.", "zebra", "query: b", "It Is UPPER", "one two three four five six seven"]
H = 32


def tokenizer(lowercase=True, appends=None):
    fast = Tokenizer(models.WordPiece({t: i for i, t in enumerate(vocabulary)}, unk_token="[UNK]"))
    fast.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    fast.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    fast.decoder = decoders.WordPiece()
    fast.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return PreTrainedTokenizerFast(tokenizer_object=fast, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]",
                                   sep_token="[SEP]", mask_token="[MASK]", model_max_length=64,
                                   model_input_names=["input_ids", "token_type_ids", "attention_mask"])


def randomised(model):
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1: parameter.add_(0.2 * torch.randn_like(parameter))
            parameter.copy_(parameter.to(torch.bfloat16).float())
    return model.eval()


def save(folder, model, lowercase=True):
    path = os.path.join(here, folder)
    shutil.rmtree(path, ignore_errors=True)
    model.to(torch.bfloat16).save_pretrained(path)
    tokenizer(lowercase).save_pretrained(path)
    return path


small = dict(vocab_size=len(vocabulary), hidden_size=H, num_hidden_layers=2, intermediate_size=48, num_attention_heads=4,
             max_position_embeddings=64, initializer_range=0.3)
torch.manual_seed(3)
bert = save("bert", randomised(BertModel(BertConfig(**small), add_pooling_layer=False)))
qwen = save("qwen3", randomised(Qwen3Model(Qwen3Config(**small, num_key_value_heads=2, head_dim=8))))
cross = save("cross", randomised(BertForSequenceClassification(BertConfig(**small, num_labels=1))))

modes = ["cls", "mean", "max", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"]
variants = {mode: (bert, lambda mode=mode: [Pooling(H, mode), Normalize()], {}) for mode in modes}
variants.update({
    "unnormalised": (bert, lambda: [Pooling(H, "mean")], {}),
    "combined": (bert, lambda: [Pooling(H, ("cls", "max", "mean")), Normalize()], {}),
    "dense": (bert, lambda: [Pooling(H, "cls"), Dense(H, 12, activation_function=torch.nn.Tanh()),
                             Dense(12, 20, bias=False, activation_function=torch.nn.Identity()), Normalize()], {}),
    "prompted": (bert, lambda: [Pooling(H, "mean", include_prompt=True), Normalize()],
                 dict(prompts={"query": "query: ", "passage": "passage: "}, default_prompt_name="query")),
    "prompt-left-out": (bert, lambda: [Pooling(H, "weightedmean", include_prompt=False), Normalize()],
                        dict(prompts={"query": "find this: "}, default_prompt_name="query")),
    "short": (bert, lambda: [Pooling(H, "mean"), Normalize()], {}),
    "decoder": (qwen, lambda: [Pooling(H, "lasttoken"), Normalize()], {}),
})

out = os.path.join(here, "variants")
shutil.rmtree(out, ignore_errors=True)
for name, (base, build, more) in variants.items():
    torch.manual_seed(5)
    transformer = Transformer(base, max_seq_length=8 if name == "short" else None)
    modules = build()
    for module in modules:
        for parameter in module.parameters():
            with torch.no_grad(): parameter.copy_(parameter.to(torch.bfloat16).float())
    model = SentenceTransformer(modules=[transformer.float(), *modules], device="cpu", **more)
    folder = os.path.join(out, name)
    model.save_pretrained(folder, create_model_card=False)
    expected = {"base": os.path.basename(base), "texts": texts,
                "vectors": [[round(float(x), 7) for x in row] for row in model.encode(texts)]}
    for prompt in more.get("prompts", {}):
        expected["vectors_" + prompt] = [[round(float(x), 7) for x in row] for row in model.encode(texts, prompt_name=prompt)]
    # What the transformer's own folder holds is not kept twice.
    for file in os.listdir(folder):
        if file in ("model.safetensors", "config.json", "README.md") or "token" in file or file == "special_tokens_map.json":
            os.remove(os.path.join(folder, file))
    # Where versions before the sixth said the longest text; now it is said with the tokenizer.
    settings = os.path.join(folder, "sentence_bert_config.json")
    if name == "short":
        kept = json.load(open(settings))
        json.dump({**kept, "max_seq_length": 8, "do_lower_case": False}, open(settings, "w"), indent=4)
    # A module without a configuration is a folder without a file, which a repository cannot hold.
    for file in os.listdir(folder):
        if os.path.isdir(os.path.join(folder, file)) and not os.listdir(os.path.join(folder, file)):
            os.rmdir(os.path.join(folder, file))
    json.dump(expected, open(os.path.join(folder, "expected.json"), "w"))
    print(name, len(expected["vectors"][0]), sorted(os.listdir(folder)))

encoder = CrossEncoder(cross, device="cpu")
encoder.model.float()
pairs = [[texts[0], text] for text in texts]
json.dump({"query": texts[0], "texts": texts, "scores": [float(x) for x in encoder.predict(pairs)]},
          open(os.path.join(cross, "expected.json"), "w"))
print("cross", encoder.predict(pairs))
