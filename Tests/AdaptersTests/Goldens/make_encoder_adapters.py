"""Adapters on text encoders and classifiers, as peft makes and saves them: encoders/NAME/ with adapter_config.json,
adapter_model.safetensors and expected.safetensors.

    python make_encoder_adapters.py      # needs torch, transformers, peft, safetensors, numpy

The bases are goldens of ModelsTests (families/NAME.json), whose weights follow from their names. expected.safetensors holds
"logits" of the base's ids ([labels], [tokens, labels] or, of an encoder, states [tokens, hidden]), the "loss" Σ w · logits
with w = sin of the element's number, and "grad.<name>" of every trained parameter, by the names peft stores them under.
"""
import json, os, shutil, sys, tempfile
import torch
import peft
from peft import IA3Config, LoraConfig, OFTConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import save_file
import transformers

here = os.path.dirname(os.path.abspath(__file__))
families = os.path.join(here, "../../ModelsTests/Goldens")
sys.path.insert(0, families)
from golden_values import values

classes, tokens, bare = "ForSequenceClassification", "ForTokenClassification", "Model"
# name: (golden of the base, class, what peft is told)
cases = {
    "lora-roberta": ("roberta-classes", classes, LoraConfig(task_type="SEQ_CLS", r=2, lora_alpha=8, target_modules=["query", "value"])),
    "lora-bert-words": ("bert-tokens", tokens, LoraConfig(task_type="TOKEN_CLS", r=2, lora_alpha=4, target_modules=["query", "key", "value", "output.dense", "intermediate.dense"], bias="lora_only")),
    "lora-albert": ("albert-classes", classes, LoraConfig(task_type="SEQ_CLS", r=2, lora_alpha=4, target_modules=["query", "value", "ffn"])),
    "dora-albert": ("albert-classes", classes, LoraConfig(task_type="SEQ_CLS", r=2, lora_alpha=4, target_modules=["key"], use_dora=True)),
    "lora-modernbert": ("modernbert-classes", classes, LoraConfig(task_type="SEQ_CLS", r=2, lora_alpha=4, use_rslora=True, target_modules=["Wqkv", "Wi", "Wo"], modules_to_save=["head"])),
    "dora-deberta": ("deberta-classes", classes, LoraConfig(task_type="SEQ_CLS", r=2, lora_alpha=4, use_dora=True, target_modules=["query_proj", "value_proj"], modules_to_save=["pooler"])),
    "ia3-distilbert": ("distilbert-classes", classes, IA3Config(task_type="SEQ_CLS", target_modules=["k_lin", "v_lin", "lin2"], feedforward_modules=["lin2"])),
    "oft-mpnet": ("mpnet-classes", classes, OFTConfig(task_type="SEQ_CLS", r=0, oft_block_size=8, target_modules=["q", "k"])),
    "lora-electra-states": ("electra-factored", bare, LoraConfig(task_type="FEATURE_EXTRACTION", r=2, lora_alpha=4, target_modules=["query", "dense"])),
    # The pooler that no state is computed with has an adapter too.
    "lora-roberta-states": ("roberta", bare, LoraConfig(task_type="FEATURE_EXTRACTION", r=2, lora_alpha=4, target_modules=["query", "dense"])),
}

shutil.rmtree(os.path.join(here, "encoders"), ignore_errors=True)
for name, (base, kind, told) in cases.items():
    golden = json.load(open(f"{families}/families/{base}.json"))
    folder = tempfile.mkdtemp()
    json.dump(golden["config"], open(folder + "/config.json", "w"))
    save_file({n: values(n, b, shape).contiguous() for n, b, *shape in golden["tensors"]}, folder + "/model.safetensors", metadata={"format": "pt"})
    stem = golden["config"]["architectures"][0]
    for end in (classes, tokens, bare): stem = stem.removesuffix(end)
    model = getattr(transformers, stem + kind).from_pretrained(folder, attn_implementation="eager", dtype=torch.float32).eval()
    model = get_peft_model(model, told).eval()
    torch.manual_seed(7)
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            if parameter.requires_grad: parameter.add_(torch.randn_like(parameter) * (0.3 if "lora" in parameter_name else 0.1))
    ids = torch.tensor([golden["ids"]])
    result = model(input_ids=ids)
    logits = (result.last_hidden_state if kind == bare else result.logits)[0]
    loss = (logits * torch.sin(torch.arange(logits.numel(), dtype=torch.float32)).reshape(logits.shape)).sum()
    loss.backward()
    out = os.path.join(here, "encoders", name)
    model.peft_config["default"].base_model_name_or_path = base
    model.save_pretrained(out)
    stored = {key: value.clone() for key, value in get_peft_model_state_dict(model).items()}
    wanted = {"logits": logits.detach().contiguous(), "loss": loss.detach().reshape(1)}
    with torch.no_grad():
        for parameter in model.parameters():
            # The gradient takes the parameter's place, so that it gets the name under which peft stores it.
            if parameter.requires_grad: parameter.copy_(torch.full_like(parameter, torch.nan) if parameter.grad is None else parameter.grad)
    for key, value in get_peft_model_state_dict(model).items():
        if not value.isnan().any() and not torch.equal(value, stored[key]): wanted["grad." + key] = value.detach().contiguous()
    save_file(wanted, out + "/expected.safetensors")
    os.path.exists(out + "/README.md") and os.remove(out + "/README.md")
    shutil.rmtree(folder)
    print(name, sorted(stored)[:3], "…", len(stored), "tensors,", len(wanted) - 2, "gradients")
