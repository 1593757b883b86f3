"""Writes beams.json: what transformers' beam search finds with the small random checkpoints of Tests/ModelsTests.

    python make_beams.py            # needs torch and transformers

Each case has the arguments of `generate` under transformers' names, and the sequences (new tokens only, with the
end token, without padding) with their scores. End tokens are taken from what the search finds without any, so that
hypotheses of different lengths compete.
"""
import json, os
import torch
from transformers import AutoModelForCausalLM, GenerationConfig

here = os.path.dirname(os.path.abspath(__file__))
families = os.path.join(here, "..", "..", "ModelsTests", "Goldens")
settings = [
    dict(num_beams=2),
    dict(num_beams=4, num_return_sequences=4),
    dict(num_beams=4, num_return_sequences=4, ends=1),
    dict(num_beams=4, num_return_sequences=4, ends=1, early_stopping=True),
    dict(num_beams=4, num_return_sequences=4, ends=1, early_stopping="never", length_penalty=2.0),
    dict(num_beams=4, num_return_sequences=2, ends=1, early_stopping="never", length_penalty=0.0),
    dict(num_beams=3, num_return_sequences=3, ends=2, length_penalty=-1.0),
    dict(num_beams=5, num_return_sequences=5, ends=3, early_stopping=True, length_penalty=0.6),
    dict(num_beams=4, num_return_sequences=4, ends=1, repetition_penalty=1.5),
]
cases = []
for family in ["llama", "gemma3", "qwen2", "gpt2"]:
    model = AutoModelForCausalLM.from_pretrained(os.path.join(families, family), dtype=torch.float32,
                                                 attn_implementation="eager").eval()
    model.generation_config = GenerationConfig()
    prompt = torch.randint(3, model.config.vocab_size, (1, 6), generator=torch.Generator().manual_seed(3))

    def search(ends, **arguments):
        with torch.no_grad():
            return model.generate(prompt, attention_mask=torch.ones_like(prompt), do_sample=False,
                                  eos_token_id=ends or None, pad_token_id=0, return_dict_in_generate=True,
                                  output_scores=True, **arguments)

    free = search([], num_beams=4, num_return_sequences=4, max_new_tokens=12).sequences[:, 6:]
    # Tokens that come late in some of the beams, never first.
    candidates = []
    for token in free[:, 2:].T.flatten().tolist():
        if token not in candidates and token not in free[:, :2].flatten().tolist(): candidates.append(token)
    for setting in settings:
        setting = dict(setting)
        ends = candidates[:setting.pop("ends", 0)]
        found = search(ends, max_new_tokens=12, **setting)
        sequences = []
        for row in found.sequences[:, 6:].tolist():
            at = min([row.index(end) for end in ends if end in row], default=len(row) - 1)
            sequences.append(row[:at + 1])
        cases.append(dict(family=family, prompt=prompt[0].tolist(), eos_token_id=ends, max_new_tokens=12, **setting,
                          sequences=sequences, scores=[round(s, 6) for s in found.sequences_scores.tolist()]))
        print(family, setting, ends, [len(s) for s in sequences], cases[-1]["scores"])
with open(os.path.join(here, "beams.json"), "w") as file:
    file.write("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")
