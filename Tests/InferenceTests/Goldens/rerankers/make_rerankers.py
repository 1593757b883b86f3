"""Makes the golden of a language model that orders texts, in the form of sentence-transformers (Qwen3-Reranker).

    python make_rerankers.py          # needs torch, transformers, sentence-transformers

asked/ is a small Qwen 3 with the module LogitScore and a chat template that renders a query and a document; expected.json
holds the scores that sentence-transformers computes.
"""
import json, os, shutil
import torch
from sentence_transformers import CrossEncoder
from sentence_transformers.base.modules import Transformer
from sentence_transformers.cross_encoder.modules import LogitScore
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

here = os.path.dirname(os.path.abspath(__file__))
letters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + letters + ["##" + c for c in letters] + [":", ".", ","]
texts = ["a cat", "the quick brown fox, jumps.", "zebra", "query: b", "one two three four five six seven"]
template = """{%- for m in messages if m.role == 'system' %}{{ m.content }} {% endfor -%}
[CLS] query: {{ (messages | selectattr('role', 'eq', 'query') | first).content }} [SEP] text: {{ (messages | selectattr('role', 'eq', 'document') | first).content }} [SEP]"""

fast = Tokenizer(models.WordPiece({t: i for i, t in enumerate(vocabulary)}, unk_token="[UNK]"))
fast.normalizer = normalizers.BertNormalizer(lowercase=True)
fast.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
fast.decoder = decoders.WordPiece()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=fast, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]",
                                    sep_token="[SEP]", mask_token="[MASK]", model_max_length=128,
                                    model_input_names=["input_ids", "attention_mask"])
tokenizer.chat_template = template
torch.manual_seed(3)
model = Qwen3ForCausalLM(Qwen3Config(
    vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=2, intermediate_size=48, num_attention_heads=4,
    num_key_value_heads=2, head_dim=8, max_position_embeddings=128, tie_word_embeddings=True, pad_token_id=0,
    bos_token_id=2, eos_token_id=3))
with torch.no_grad():
    for parameter in model.parameters():
        if parameter.dim() > 1: parameter.normal_(0, 0.3)
        parameter.copy_(parameter.to(torch.bfloat16).float())
folder = os.path.join(here, "asked")
shutil.rmtree(folder, ignore_errors=True)
model.to(torch.bfloat16).save_pretrained(folder)
tokenizer.save_pretrained(folder)
scorer = CrossEncoder(modules=[Transformer(folder, transformer_task="text-generation"), LogitScore(5, 6)], device="cpu",
                      prompts={"web": "find this"}, default_prompt_name="web").float()
pairs = [[texts[0], text] for text in texts]
expected = [float(x) for x in scorer.predict(pairs)]
scorer.to(torch.bfloat16).save_pretrained(folder, create_model_card=False)
json.dump(dict(query=texts[0], texts=texts, scores=expected), open(os.path.join(folder, "expected.json"), "w"))
print(expected, sorted(os.listdir(folder)))
for name in ("modules.json", "sentence_bert_config.json", "config_sentence_transformers.json"):
    print(name, open(os.path.join(folder, name)).read())
