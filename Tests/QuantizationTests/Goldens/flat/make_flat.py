"""Makes small models and tokenizers in the layouts of llama2.c (versions 0, 1, 2) and llm.c (float32, bfloat16, a debug
state), with what transformers, sentencepiece and tokenizers compute of them.

    python make_flat.py [RUN_C]      # needs torch, transformers, sentencepiece, tokenizers

RUN_C is llama2.c's run.c: with it the text that it generates greedily is kept too. The layouts are those of llama2.c's
export.py and tokenizer.py and of llm.c's train_gpt2.py.
"""
import io, json, os, pathlib, struct, subprocess, sys, tempfile
import numpy as np
import sentencepiece, torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

here = pathlib.Path(__file__).resolve().parent
TEXT = ["the little girl went to the park with her dog and a big red ball", "once upon a time there was a cat",
        "she said that she wanted to play with the ball in the garden", "he ran home and told his mother the story"] * 8
PROBES = ["Once upon a time, the girl", " the ball\n and  é 🙂!", "she said"]
expected = {}

# --- llama2.c -----------------------------------------------------------------------------------------------------------
V = 300
model_file = io.BytesIO()
sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter(TEXT), model_writer=model_file, vocab_size=V, model_type="bpe", byte_fallback=True,
    character_coverage=1.0, hard_vocab_limit=False, minloglevel=2, normalization_rule_name="identity",
    remove_extra_whitespaces=False, split_digits=True)
sp = sentencepiece.SentencePieceProcessor(model_proto=model_file.getvalue())
V = sp.vocab_size()
pieces = []
for i in range(V):
    t = sp.id_to_piece(i)
    t = "\n<s>\n" if i == sp.bos_id() else "\n</s>\n" if i == sp.eos_id() else t
    pieces.append((sp.get_score(i), t.replace("▁", " ").encode()))
with open(here / "tokenizer.bin", "wb") as f:
    f.write(struct.pack("I", max(len(b) for _, b in pieces)))
    for score, b in pieces:
        f.write(struct.pack("fI", score, len(b)) + b)
expected["llama2c_ids"] = [[text, [sp.bos_id()] + sp.encode(text)] for text in PROBES]

T = 64


def f32(f, tensors):
    for t in tensors:
        f.write(t.contiguous().numpy().astype("<f4").tobytes())


def pairs(w, heads):
    """Halves of each head to pairs, as Meta's rotation has them."""
    return w.view(heads, 2, w.shape[0] // heads // 2, w.shape[1]).transpose(1, 2).reshape(w.shape)


class Llama:
    def __init__(self, width, inner, layers, heads, key_heads, tied):
        torch.manual_seed(3)
        self.model = LlamaForCausalLM(LlamaConfig(
            vocab_size=V, hidden_size=width, intermediate_size=inner, num_hidden_layers=layers, num_attention_heads=heads,
            num_key_value_heads=key_heads, max_position_embeddings=T, rms_norm_eps=1e-5, initializer_range=0.3,
            tie_word_embeddings=tied)).eval()
        state = {k: v.detach().float() for k, v in self.model.state_dict().items()}
        self.sizes, self.head, self.tied = (width, inner, layers, heads, key_heads), width // heads, tied

        def each(name, heads=None):
            out = [state[f"model.layers.{i}.{name}.weight"] for i in range(layers)]
            return [pairs(w, heads) for w in out] if heads else out

        self.embed, self.last = state["model.embed_tokens.weight"], state["model.norm.weight"]
        self.output = [] if tied else [state["lm_head.weight"]]
        self.before, self.after = each("input_layernorm"), each("post_attention_layernorm")
        self.attention = (each("self_attn.q_proj", heads) + each("self_attn.k_proj", key_heads) + each("self_attn.v_proj")
                          + each("self_attn.o_proj"))
        self.ffn = each("mlp.gate_proj") + each("mlp.down_proj") + each("mlp.up_proj")

    def logits(self, ids):
        with torch.no_grad():
            return [[round(v, 6) for v in row] for row in self.model(torch.tensor([ids])).logits[0, -2:].tolist()]


plain, shared = Llama(16, 32, 2, 2, 1, False), Llama(32, 48, 2, 4, 2, True)
freqs = 1.0 / (10000.0 ** (torch.arange(0, plain.head, 2).double() / plain.head))
angles = torch.outer(torch.arange(T).double(), freqs)
with open(here / "v0.bin", "wb") as f:
    f.write(struct.pack("7i", *plain.sizes, -V, T))
    f32(f, [plain.embed, *plain.before, *plain.attention, *plain.after, *plain.ffn, plain.last, angles.cos().float(),
            angles.sin().float(), *plain.output])
with open(here / "v1.bin", "wb") as f:
    start = struct.pack("Ii7iB", 0x616B3432, 1, *plain.sizes, V, T, 0)
    f.write(start + b"\0" * (256 - len(start)))
    f32(f, [*plain.before, *plain.after, plain.last, plain.embed, *plain.attention, *plain.ffn, *plain.output])
with open(here / "v2.bin", "wb") as f:
    start = struct.pack("<Ii7iBi", 0x616B3432, 2, *shared.sizes, V, T, 1, 32)
    f.write(start + b"\0" * (256 - len(start)))
    f32(f, [*shared.before, *shared.after, shared.last])
    for w in [shared.embed, *shared.attention, *shared.ffn]:
        g = w.reshape(-1, 32)
        scale = g.abs().max(dim=1).values / 127.0
        q = torch.round(g / scale[:, None]).to(torch.int8)
        w.copy_((q.float() * scale[:, None]).view(w.shape))
        f.write(q.numpy().tobytes())
        f32(f, [scale])
    # The model of the numbers that are stored.
    state = shared.model.state_dict()
    for i, w in enumerate(shared.attention):
        name, layer = ["q_proj", "k_proj", "v_proj", "o_proj"][i // 2], i % 2
        heads = {"q_proj": 4, "k_proj": 2}.get(name)
        if heads:
            w = w.view(heads, w.shape[0] // heads // 2, 2, w.shape[1]).transpose(1, 2).reshape(w.shape)
        state[f"model.layers.{layer}.self_attn.{name}.weight"] = w
    for i, w in enumerate(shared.ffn):
        state[f"model.layers.{i % 2}.mlp.{['gate_proj', 'down_proj', 'up_proj'][i // 2]}.weight"] = w
    state["model.embed_tokens.weight"] = state["lm_head.weight"] = shared.embed
    shared.model.load_state_dict(state)
ids = [1, 40, 7, 120, 299 % V, 33, 5, 260]
expected["llama2c_tokens"] = ids
expected["llama2c_logits"], expected["llama2c_int8_logits"] = plain.logits(ids), shared.logits(ids)
if len(sys.argv) > 1:
    with tempfile.TemporaryDirectory() as folder:
        run = folder + "/run"
        subprocess.run(["gcc", "-O2", "-o", run, sys.argv[1], "-lm"], check=True)
        out = subprocess.run([run, here / "v0.bin", "-z", here / "tokenizer.bin", "-t", "0", "-n", "24", "-i", "Once upon"],
                             capture_output=True, check=True).stdout
        expected["llama2c_run"] = out[:-1].decode("latin-1")
else:
    old = here / "expected.json"
    expected["llama2c_run"] = json.loads(old.read_text())["llama2c_run"] if old.exists() else ""

# --- llm.c --------------------------------------------------------------------------------------------------------------
bpe = Tokenizer(models.BPE())
bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
bpe.decoder = decoders.ByteLevel()
bpe.train_from_iterator(TEXT, trainers.BpeTrainer(
    vocab_size=299, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=[], show_progress=False))
letters = {}
extra = 0x100
for byte in range(256):
    printable = 0x21 <= byte <= 0x7E or 0xA1 <= byte <= 0xAC or 0xAE <= byte <= 0xFF
    letters[chr(byte if printable else extra)] = byte
    extra += 0 if printable else 1
tokens = [bytes(letters[c] for c in bpe.id_to_token(i)) for i in range(bpe.get_vocab_size())] + [b"<|endoftext|>"]
GV, C, GL, NH, GT = len(tokens), 16, 2, 2, 32
with open(here / "gpt2_tokenizer.bin", "wb") as f:
    header = np.zeros(256, dtype="<i4")
    header[:4] = 20240328, 2, GV, GV - 1
    f.write(header.tobytes())
    for t in tokens:
        f.write(struct.pack("<B", len(t)) + t)
expected["llmc_ids"] = [[text, bpe.encode(text).ids] for text in PROBES]
torch.manual_seed(4)
gpt2 = GPT2LMHeadModel(GPT2Config(
    vocab_size=GV, n_embd=C, n_layer=GL, n_head=NH, n_positions=GT, initializer_range=0.3, resid_pdrop=0.0, embd_pdrop=0.0,
    attn_pdrop=0.0)).eval()
padded = (GV + 127) // 128 * 128
names = ["ln_1.weight", "ln_1.bias", "attn.c_attn.weight", "attn.c_attn.bias", "attn.c_proj.weight", "attn.c_proj.bias",
         "ln_2.weight", "ln_2.bias", "mlp.c_fc.weight", "mlp.c_fc.bias", "mlp.c_proj.weight", "mlp.c_proj.bias"]
names = (["transformer.wte.weight", "transformer.wpe.weight"]
         + [f"transformer.h.{i}.{name}" for name in names for i in range(GL)]
         + ["transformer.ln_f.weight", "transformer.ln_f.bias"])


def write(f, tensors, kind):
    for name in names:
        t = tensors[name].detach().float()
        if name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight")):
            t = t.T
        if name == "transformer.wte.weight":
            t = torch.nn.functional.pad(t, (0, 0, 0, padded - GV))
        t = t.contiguous()
        f.write(t.numpy().tobytes() if kind == 3 else t.to(torch.bfloat16).view(torch.int16).numpy().tobytes())


for version, name in [(3, "gpt2.bin"), (5, "gpt2_bf16.bin")]:
    with open(here / name, "wb") as f:
        header = np.zeros(256, dtype="<i4")
        header[:8] = 20240326, version, GT, GV, GL, NH, C, padded
        f.write(header.tobytes())
        write(f, dict(gpt2.named_parameters()), version)
B, N = 2, 6
x = torch.tensor([[5, 260, 17, 299, 80, 3], [120, 44, 290, 9, 9, 271]])
y = torch.tensor([[260, 17, 299, 80, 3, 7], [44, 290, 9, 9, 271, 150]])
logits = gpt2(x).logits
loss = torch.nn.functional.cross_entropy(logits.view(-1, GV), y.view(-1))
loss.backward()
with open(here / "gpt2_debug_state.bin", "wb") as f:
    header = np.zeros(256, dtype="<i4")
    header[:4] = 20240327, 2, B, N
    f.write(header.tobytes())
    f.write(x.numpy().astype("<i4").tobytes() + y.numpy().astype("<i4").tobytes())
    f.write(logits.detach().numpy().tobytes() + np.float32(loss.item()).tobytes())
    write(f, {name: p.grad for name, p in gpt2.named_parameters()}, 3)
(here / "expected.json").write_text(json.dumps(expected, ensure_ascii=False) + "\n")
for name in sorted(os.listdir(here)):
    print(name, os.path.getsize(here / name))
