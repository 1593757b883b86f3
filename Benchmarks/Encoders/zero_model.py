"""What four bits cost the model that `./quickstart zero` trains: one JSON line a form, the table of docs/quantization.md.

    shuf -n 1000 --random-source=<(yes 1) runs/zero/corpus/world.jsonl > calibration.jsonl
    martlet data world --tokens 300k --split validation --out held-out.jsonl
    python zero_model.py MARTLET runs/zero/base calibration.jsonl held-out.jsonl FOLDER [--chunks 320]

For a model that chats, rows of runs/zero/chat.jsonl and of `martlet data world --kind chat --split validation --documents 4000`.
Rows are read as documents, as in training. Another number after `yes` is another calibration.

Needs torch, transformers and gguf. Folders of packed weights are made of the run itself. GGUF files of its architecture
cannot say its windows of 8 tokens: their blocks are made of a copy that says nothing of windows, and are the numbers of a
folder that says them again, which is what is measured. Importances are gathered in transformers, with the windows.
"""
import argparse, json, pathlib, shutil, subprocess

import gguf, numpy, torch, transformers

parser = argparse.ArgumentParser()
for name in ("martlet", "run", "calibration", "text", "folder"):
    parser.add_argument(name)
parser.add_argument("--chunks", type=int, default=320)
parser.add_argument("--calibration-chunks", type=int, default=128)
parser.add_argument("--group", type=int, default=64)
options = parser.parse_args()
run, home = pathlib.Path(options.run), pathlib.Path(options.folder)
home.mkdir(parents=True, exist_ok=True)


def martlet(*arguments):
    return subprocess.run([options.martlet, *map(str, arguments)], check=True, stdout=subprocess.PIPE, text=True).stdout


def plain():
    """The run without its windows, and with GPT-2's cuts, whose name every reader of GGUF files knows: only numbers are taken back."""
    folder = home / "plain"
    if not folder.exists():
        folder.mkdir()
        for file in run.glob("*token*.json"):
            shutil.copy(file, folder)
        tokenizer = json.loads((run / "tokenizer.json").read_text())
        tokenizer["pre_tokenizer"] = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
        (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
        shutil.copy(run / "model.safetensors", folder)
        config = json.loads((run / "config.json").read_text())
        for key in ("use_sliding_window", "sliding_window", "max_window_layers", "layer_types"):
            config.pop(key, None)
        (folder / "config.json").write_text(json.dumps(config))
    return folder


def importances():
    """Sums of the squares of every matrix's inputs, as llama.cpp writes them."""
    path = home / "imatrix.gguf"
    if path.exists():
        return path
    model = transformers.AutoModelForCausalLM.from_pretrained(run, dtype=torch.float32, attn_implementation="eager")
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(run)
    names = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
             "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
             "mlp.down_proj": "ffn_down"}
    sums, counts = {}, {}

    def hooked(name):
        def hook(_, inputs):
            x = inputs[0].reshape(-1, inputs[0].shape[-1]).double()
            sums[name] = sums.get(name, 0) + x.square().sum(0)
            counts[name] = counts.get(name, 0) + len(x)
        return hook

    for path_, module in model.named_modules():
        parts = path_.split(".")
        if path_ == "lm_head":
            module.register_forward_pre_hook(hooked("output.weight"))
        elif len(parts) == 5 and ".".join(parts[3:]) in names:
            module.register_forward_pre_hook(hooked(f"blk.{parts[2]}.{names['.'.join(parts[3:])]}.weight"))
    length = model.config.max_position_embeddings
    end, left = tokenizer.convert_tokens_to_ids("<|endoftext|>"), options.calibration_chunks * length
    with torch.no_grad():
        for line in pathlib.Path(options.calibration).read_text().splitlines():
            row = json.loads(line)
            if "messages" in row:
                text = tokenizer.apply_chat_template(row["messages"], tokenize=False)
                tokens = tokenizer(text, add_special_tokens=False).input_ids
            else:
                tokens = tokenizer(row["text"], add_special_tokens=False).input_ids + [end]
            if (left := left - len(tokens)) < 0:
                break
            model(torch.tensor(tokens[:length])[None])
    writer = gguf.GGUFWriter(path, "imatrix")
    writer.add_type("imatrix")
    writer.add_array("imatrix.datasets", [pathlib.Path(options.calibration).name])
    writer.add_uint32("imatrix.chunk_count", options.calibration_chunks)
    writer.add_uint32("imatrix.chunk_size", length)
    for name, total in sums.items():
        writer.add_tensor(name + ".in_sum2", total.numpy().astype(numpy.float32)[None])
        writer.add_tensor(name + ".counts", numpy.array([[counts[name]]], numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def blocks(name, *flags):
    folder = home / name
    if not folder.exists():
        martlet("quantize", plain(), *flags, "--out", home / f"{name}.gguf")
        martlet("convert", home / f"{name}.gguf", "--to", "hf", "--dtype", "f32", "--out", folder)
        shutil.copy(run / "config.json", folder)
    return folder


def packed(name, *flags):
    if not (home / name).exists():
        martlet("quantize", run, "--method", *flags, "--out", home / name)
    return home / name


text = ("--calibration", options.calibration, "--chunks", options.calibration_chunks)
group = ("--group", options.group)
forms = [
    # Grids from the extremes are what GPTQ's and AWQ's papers call round to nearest.
    packed("rtn-extremes", "rtn", "--grid", "extremes", *group),
    packed("rtn-extremes-asymmetric", "rtn", "--grid", "extremes", "--asymmetric", *group),
    packed("rtn", "rtn", *group), packed("rtn-asymmetric", "rtn", "--asymmetric", *group),
    packed("awq", "awq", *group, *text), packed("gptq", "gptq", *group, *text),
    packed("gptq-asymmetric", "gptq", "--asymmetric", *group, *text),
    packed("gptq-asymmetric-act-order", "gptq", "--asymmetric", "--act-order", *group, *text),
    blocks("q4_0", "--to", "q4_0"), blocks("q4_0-importances", "--to", "q4_0", "--imatrix", importances()),
    blocks("q4_k_m", "--to", "q4_k_m"), blocks("q4_k_m-importances", "--to", "q4_k_m", "--imatrix", importances()),
    # The bits of q4_0: levels of four bits where Q4_K does not fit, and no matrix above them.
    blocks("iq4_nl-importances", "--to", "iq4_nl", "--imatrix", importances()),
]
context = json.loads((run / "config.json").read_text())["max_position_embeddings"]
found = json.loads(
    martlet("compare", run, *forms, "--text", options.text, "--context", context, "--chunks", options.chunks, "--json"))
print(json.dumps({"form": "float32", "perplexity": found["reference_perplexity"],
                  "error": found["reference_perplexity_error"], "tokens": found["models"][0]["tokens"]}))
for form, model in zip(forms, found["models"]):
    file = home / f"{form.name}.gguf"
    bits = json.loads(martlet("show", file, "--json"))["bits_per_weight"] if file.exists() else model["bits_per_weight"]
    print(json.dumps({"form": form.name, "bits": bits, "perplexity": model["perplexity"], "error": model["perplexity_error"],
                      "loss_difference": model["loss_difference"], "loss_difference_error": model["loss_difference_error"],
                      "kl_mean": model["kl_mean"], "same_top1": model["same_top1"]}))
