"""peft loads the folders that Martlet writes, and gives the same logits.

    MARTLET_PEFT_OUT=/tmp/peft ./test Adapters --filter PEFTFolders
    python check_peft.py /tmp/peft            # needs torch, transformers, peft, safetensors
    python check_peft.py --reward RUN IDS     # the score of token ids by a folder that martlet reward --adapter left

The other way round, folders that peft wrote, is what make_goldens.py and PEFTTests compare.
"""
import json, os, sys
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification


def compare(folder):
    with open(f"{folder}/adapter_config.json") as file:
        base = json.load(file)["base_model_name_or_path"]
    expected = load_file(f"{folder}/logits.safetensors")
    ids = expected["ids"].long().reshape(1, -1)
    plain = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32).eval()
    with torch.no_grad():
        before = plain(input_ids=ids).logits[0]
        model = PeftModel.from_pretrained(plain, folder).eval()
        found = model(input_ids=ids).logits[0][-ids.shape[1]:]
    wanted = expected["logits"].reshape(found.shape)
    scale = wanted.abs().max().item()
    return (found - wanted).abs().max().item() / scale, (found - before).abs().max().item() / scale


def main():
    if sys.argv[1] == "--reward":
        with open(f"{sys.argv[2]}/adapter_config.json") as file:
            base = json.load(file)["base_model_name_or_path"]
        model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=1, pad_token_id=0)
        model = PeftModel.from_pretrained(model, sys.argv[2]).eval()
        with torch.no_grad():
            print(model(input_ids=torch.tensor([[int(i) for i in sys.argv[3].split(",")]])).logits.item())
        return
    failed = 0
    for name in sorted(os.listdir(sys.argv[1])):
        error, change = compare(f"{sys.argv[1]}/{name}")
        fails = not (error < 1e-5 and change > 1e-3)
        failed += fails
        print(f"{name:16} off by {error:.1e} of the largest logit, which the adapter moves by {change:.1e}", "FAILED" if fails else "")
    sys.exit(f"{failed} differ" if failed else 0)


main()
