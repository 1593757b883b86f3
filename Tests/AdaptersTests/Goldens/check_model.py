"""Adapters of a real model in peft and in Martlet, both ways: the largest difference of logits.

    martlet convert smollm2 --to hf --dtype f32 --out base/
    python check_model.py base/ MARTLET [ADAPTER ...]     # needs torch, transformers, peft, safetensors

peft makes LoRA, rsLoRA and DoRA folders with random matrices on all linear layers, which Martlet reads, turns into mlx-lm's
and llama.cpp's form, reads again, and turns back for peft to load. ADAPTER is a folder that Martlet trained on the base.
"""
import os, subprocess, sys, tempfile
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

base, martlet, trained = sys.argv[1], sys.argv[2], sys.argv[3:]
work = tempfile.mkdtemp()
TEXT = "The quick brown fox jumps over the lazy dog, and then"


def fresh():
    return AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()


def ours(adapter=None):
    out = work + "/logits.safetensors"
    command = [martlet, "logits", base, "--exact", "--text", TEXT, "--out", out]
    subprocess.run(command + (["--adapter", adapter] if adapter else []), check=True, capture_output=True)
    return load_file(out)


def theirs(model):
    with torch.no_grad():
        return model(input_ids=ids).logits[0]


def tell(what, a, b):
    print(f"{what:34} {(a - b).abs().max().item():.1e}", flush=True)


def convert(source, form, out):
    subprocess.run([martlet, "adapters", "convert", source, "--to", form, "--base", base, "--out", out], check=True,
                   capture_output=True)
    return out


first = ours()
ids = first["ids"].long().reshape(1, -1)
plain = theirs(fresh())
tell("the base itself", first["logits"], plain)
for name, options in dict(lora={}, rslora=dict(use_rslora=True), dora=dict(use_dora=True)).items():
    model = get_peft_model(fresh(), LoraConfig(
        r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM", **options))
    torch.manual_seed(1)
    for key, parameter in model.named_parameters():
        if "lora_B" in key:
            parameter.data.normal_(0, 0.02)
    folder = f"{work}/{name}"
    model.eval().save_pretrained(folder)
    wanted = theirs(model)
    tell(f"{name}: peft's, in Martlet", ours(folder)["logits"], wanted)
    tell("  (what it changes)", wanted, plain)
    # mlx-lm has no magnitudes with other scales, and llama.cpp none at all.
    for form in ["mlx", "gguf"] if name != "dora" else []:
        other = convert(folder, form, f"{work}/{name}-{form}" + (".gguf" if form == "gguf" else ""))
        tell(f"  as {form}", ours(other)["logits"], wanted)
        back = convert(other, "peft", f"{work}/{name}-{form}-back")
        tell(f"  back from {form}, in peft", theirs(PeftModel.from_pretrained(fresh(), back).eval()), wanted)
for folder in trained:
    tell(os.path.basename(folder) + ": Martlet's, in peft", ours(folder)["logits"],
         theirs(PeftModel.from_pretrained(fresh(), folder).eval()))
