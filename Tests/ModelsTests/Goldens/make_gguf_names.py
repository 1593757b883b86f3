"""Writes gguf_names.json: what the gguf package calls the tensors of some architectures.

    python make_gguf_names.py    # needs gguf
"""
import json, os
from gguf.constants import MODEL_ARCH_NAMES, MODEL_TENSORS, TENSOR_NAMES

wanted = ["qwen2moe", "qwen3moe", "olmoe", "gpt-oss", "gemma", "granite", "granitemoe", "starcoder2", "seed_oss",
          "arcee", "baichuan", "glm4moe", "llama4", "lfm2", "mamba", "mamba2", "granitehybrid", "qwen3next", "gemma3n", "gemma4",
           "jamba", "falcon-h1", "exaone", "minicpm3"]
names = {MODEL_ARCH_NAMES[arch]: sorted(TENSOR_NAMES[t].replace("blk.{bid}.", "") for t in tensors)
         for arch, tensors in MODEL_TENSORS.items() if MODEL_ARCH_NAMES[arch] in wanted}
with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "gguf_names.json"), "w") as file:
    json.dump(names, file, indent=0)
