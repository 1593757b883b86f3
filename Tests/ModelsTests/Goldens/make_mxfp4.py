"""Writes mxfp4.safetensors: a stack of experts in MXFP4 as GPT-OSS publishes it, and the numbers it stands for.

    python make_mxfp4.py    # needs torch, safetensors, transformers
"""
import os
import torch
from safetensors.torch import save_file
from transformers.integrations.mxfp4 import convert_moe_packed_tensors

generator = torch.Generator().manual_seed(3)
experts, rows, groups = 2, 8, 2
blocks = torch.randint(0, 256, (experts, rows, groups, 16), generator=generator, dtype=torch.uint8)
scales = torch.randint(118, 130, (experts, rows, groups), generator=generator, dtype=torch.uint8)
values = convert_moe_packed_tensors(blocks, scales, dtype=torch.float32)  # [experts, in, out]
assert values.shape == (experts, groups * 32, rows), values.shape
here = os.path.dirname(os.path.abspath(__file__))
save_file({"mlp.experts.down_proj_blocks": blocks, "mlp.experts.down_proj_scales": scales,
           "expected": values.transpose(1, 2).contiguous()}, os.path.join(here, "mxfp4.safetensors"))
