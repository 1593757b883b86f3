"""Compares folders that `martlet embed-train` and `martlet classify-train` wrote with what sentence-transformers and
transformers make of them.

    python check_folders.py MARTLET embed runs/emb
    python check_folders.py MARTLET texts runs/cls
    python check_folders.py MARTLET words runs/ner

The same of runs with --adapter, whose folders peft loads on the base that they name. Vectors must have cosines of 0.9999 and more with each other; probabilities, and logits of words, must be within 1e-3.
"""
import json
import os
import subprocess
import sys

import torch
import transformers

TEXTS = ["How many apples does she have left?", "Ada Lovelace lived in London.", "It never arrived, and I want my money back!"]
program, kind, folder = sys.argv[1:4]


def martlet(*words):
    out = subprocess.run([program, *words], check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in out.splitlines() if line]


adapter = json.load(open(folder + "/adapter_config.json")) if os.path.exists(folder + "/adapter_config.json") else None


def loaded(auto, **arguments):
    """The model of a run's folder, and what of it transformers or peft could not place."""
    if adapter is None: return auto.from_pretrained(folder, output_loading_info=True)
    import warnings
    from peft import PeftModel
    from safetensors import safe_open
    with safe_open(folder + "/adapter_model.safetensors", "pt") as file:
        head, names = json.loads(file.metadata().get("martlet_head", "{}")), set(file.keys())
    labels = head.get("labels", [])
    if labels:
        arguments.update(num_labels=len(labels), id2label=dict(enumerate(labels)), problem_type=head.get("problem_type"))
    base = auto.from_pretrained(adapter["base_model_name_or_path"], **arguments)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = PeftModel.from_pretrained(base, folder).eval()
    from peft import get_peft_model_state_dict
    own = set(get_peft_model_state_dict(model))
    return model, {"missing_keys": sorted(own - names), "unexpected_keys": sorted(names - own),
                   "mismatched_keys": [str(w.message)[:200] for w in caught if "keys" in str(w.message)]}


if kind == "embed":
    from sentence_transformers import SentenceTransformer
    if adapter is None: theirs = SentenceTransformer(folder, device="cpu")
    else:
        theirs = SentenceTransformer(adapter["base_model_name_or_path"], device="cpu")
        theirs.load_adapter(folder)
    theirs = torch.tensor(theirs.encode(TEXTS))
    ours = torch.tensor(martlet("embed", folder, *[part for text in TEXTS for part in ("--text", text)]))
    worst = torch.cosine_similarity(theirs, ours).min().item()
    print(f"{len(TEXTS)} texts, {ours.shape[1]} numbers; the smallest cosine is {worst:.6f}")
    sys.exit(0 if worst >= 0.9999 else 1)

tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
if kind == "texts":
    model, report = loaded(transformers.AutoModelForSequenceClassification)
    problem = model.config.problem_type
    worst = 0
    for text in TEXTS:
        logits = model.eval()(**tokenizer(text, return_tensors="pt")).logits[0]
        shares = logits.sigmoid() if problem == "multi_label_classification" else logits if problem == "regression" else logits.softmax(0)
        found = {entry["label"]: entry.get("probability", entry.get("value")) for entry in martlet("classify", folder, text, "--json", "--exact")[0]["found"]}
        worst = max(worst, max(abs(found[model.config.id2label[i]] - share.item()) for i, share in enumerate(shares)))
else:
    model, report = loaded(transformers.AutoModelForTokenClassification)
    worst = 0
    for text in TEXTS:
        shares = model.eval()(**tokenizer(text, return_tensors="pt")).logits[0].softmax(-1)
        marked = [i for i in shares.argmax(-1).tolist()]
        for entry in martlet("classify", folder, text, "--json", "--exact")[0]["found"]:
            # A span's share is the mean of those of its tokens; each is the largest of its token.
            close = min(abs(entry["probability"] - share.item()) for share in shares.max(-1).values)
            worst = max(worst, close if " " not in entry["text"] else 0)
        print(text, [model.config.id2label[i] for i in marked])
missing = {name: list(report[name]) for name in ("missing_keys", "unexpected_keys", "mismatched_keys") if report[name]}
print(f"{len(TEXTS)} texts; the largest difference is {worst:.2e}; not as the class has it: {missing or 'nothing'}")
sys.exit(0 if worst < 1e-3 and not missing else 1)
