"""One matrix in every packed layout that folders on hubs have, and the numbers it stands for, for PackedReaderTests.

    python make_packed.py    # needs torch, safetensors and numpy; writes packed*.safetensors and packed.json beside itself

The layouts are those their packages publish: AutoGPTQ / GPTQModel (gptq versions 1 and 2), AutoAWQ (gemm), bitsandbytes
(Linear4bit, Linear8bitLt), DeepSeek's fp8 blocks, compressed-tensors, mlx (affine), hqq (along both axes), torchao,
auto-round, modelopt, BitNet (packed as transformers does).
"""
import json
import pathlib

import numpy as np
import torch
from safetensors.torch import save_file

OUT, IN, GROUP = 16, 64, 32
generator = torch.Generator().manual_seed(7)
tensors, cases = {}, []


def add(name, config, expected, **parts):
    cases.append({"name": name, "config": config, "shape": list(expected.shape)})
    tensors[f"{name}.expected"] = expected.to(torch.float32).contiguous()
    for key, value in parts.items():
        tensors[f"{name}.{key.replace('__', '.')}"] = value.contiguous()


def stream(codes, bits):
    """Codes along dimension 0 as a stream of bits in int32 words."""
    codes = codes.numpy().astype(np.uint64)
    words = np.zeros(((codes.shape[0] * bits + 31) // 32, codes.shape[1]), np.uint64)
    for i in range(codes.shape[0]):
        at = i * bits
        words[at // 32] |= (codes[i] << np.uint64(at % 32)) & np.uint64(0xFFFFFFFF)
        if at % 32 + bits > 32:
            words[at // 32 + 1] |= codes[i] >> np.uint64(32 - at % 32)
    return torch.from_numpy(words.astype(np.uint32).view(np.int32))


def scales(*shape):
    return (torch.rand(*shape, generator=generator) * 0.02 + 0.005).to(torch.float16)


for bits, version, order in [(4, 1, False), (4, 2, False), (4, 1, True), (8, 1, False), (3, 1, False), (2, 2, True)]:
    groups = IN // GROUP
    codes = torch.randint(0, 2**bits, (IN, OUT), generator=generator)
    zeros = torch.full((groups, OUT), 2 ** (bits - 1)) if bits == 8 else torch.randint(1, 2**bits, (groups, OUT), generator=generator)
    s = scales(groups, OUT)
    index = torch.arange(IN) // GROUP
    if order:
        index = index[torch.randperm(IN, generator=generator)]
    expected = (s[index].float() * (codes - zeros[index]).float()).T
    stored = zeros - 1 if version == 1 else zeros
    add(f"gptq{bits}v{version}{'act' if order else ''}",
        {"quant_method": "gptq", "bits": bits, "group_size": GROUP, "desc_act": order, "sym": False,
         "checkpoint_format": "gptq" if version == 1 else "gptq_v2"},
        expected, qweight=stream(codes, bits), qzeros=stream(stored.T, bits).T, scales=s, g_idx=index.to(torch.int32))

# AWQ: outputs 0, 2, 4, 6, 1, 3, 5, 7 of each eight from the lowest bits up.
ORDER = [0, 2, 4, 6, 1, 3, 5, 7]


def interleaved(codes):
    words = torch.zeros(codes.shape[0], codes.shape[1] // 8, dtype=torch.int64)
    for place, output in enumerate(ORDER):
        words |= codes[:, output::8] << (4 * place)
    return torch.from_numpy(words.numpy().astype(np.uint32).view(np.int32))


codes = torch.randint(0, 16, (IN, OUT), generator=generator)
zeros = torch.randint(0, 16, (IN // GROUP, OUT), generator=generator)
s, index = scales(IN // GROUP, OUT), torch.arange(IN) // GROUP
add("awq", {"quant_method": "awq", "bits": 4, "group_size": GROUP, "zero_point": True, "version": "gemm"},
    (s[index].float() * (codes - zeros[index]).float()).T, qweight=interleaved(codes), qzeros=interleaved(zeros), scales=s)

NF4 = [-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
       -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725,
       0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0]
FP4 = [0.0, 0.0052083333, 0.66666667, 1.0, 0.33333333, 0.5, 0.16666667, 0.25]
FP4 += [-v for v in FP4]
for name, levels, nested in [("nf4", NF4, True), ("nf4", NF4, False), ("fp4", FP4, True)]:
    codes = torch.randint(0, 16, (OUT * IN,), generator=generator)
    packed = ((codes[0::2] << 4) | codes[1::2]).to(torch.uint8).reshape(-1, 1)
    blocks = OUT * IN // 64
    levels = torch.tensor(levels)
    state = {"quant_type": name, "blocksize": 64, "dtype": "bfloat16", "shape": [OUT, IN]}
    parts = {"weight": packed, "weight__quant_map": levels}
    if nested:
        table = torch.sort(torch.rand(256, generator=generator) * 2 - 1).values
        outer = torch.rand((blocks + 255) // 256, generator=generator) * 0.1
        absmax = torch.randint(0, 256, (blocks,), generator=generator).to(torch.uint8)
        state |= {"nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": 0.0625}
        scale = table[absmax.long()] * outer[torch.arange(blocks) // 256] + 0.0625
        parts |= {"weight__absmax": absmax, "weight__nested_absmax": outer, "weight__nested_quant_map": table}
    else:
        scale = torch.rand(blocks, generator=generator)
        parts |= {"weight__absmax": scale}
    expected = (levels[codes] * scale.repeat_interleave(64)).reshape(OUT, IN)
    parts[f"weight__quant_state.bitsandbytes__{name}"] = torch.tensor(list(json.dumps(state).encode()), dtype=torch.uint8)
    name = name + ("nested" if nested else "")
    cases.append({"name": name, "config": {"quant_method": "bitsandbytes", "load_in_4bit": True}, "shape": [OUT, IN]})
    tensors[f"{name}.expected"] = expected
    for key, value in parts.items():
        tensors[name + "." + key.replace("weight__", "weight.", 1)] = value.contiguous()

codes = torch.randint(-127, 128, (OUT, IN), generator=generator).to(torch.int8)
scb = torch.rand(OUT, generator=generator) + 0.1
add("int8", {"quant_method": "bitsandbytes", "load_in_8bit": True}, codes.float() * scb[:, None] / 127,
    weight=codes, SCB=scb, weight_format=torch.zeros((), dtype=torch.uint8))

for name, kind, config, shape in [
    ("fp8block", torch.float8_e4m3fn, {"quant_method": "fp8", "weight_block_size": [8, 32]}, (2, 2)),
    ("fp8tensor", torch.float8_e4m3fn, {"quant_method": "fp8", "activation_scheme": "dynamic"}, (1,)),
    ("fp8channel", torch.float8_e5m2, {"quant_method": "fbgemm_fp8"}, (OUT, 1)),
]:
    weight = (torch.randn(OUT, IN, generator=generator) * 3).to(kind)
    scale = torch.rand(*shape, generator=generator) * 0.1 + 0.01
    if name == "fp8block":
        whole = scale.repeat_interleave(8, 0).repeat_interleave(32, 1)
        add(name, config, weight.float() * whole, weight=weight, weight_scale_inv=scale)
    else:
        add(name, config, weight.float() * scale, weight=weight, weight_scale=scale)


def compressed(format, bits, group):
    weights = {"num_bits": bits, "type": "int", "group_size": group, "strategy": "group" if group else "channel"}
    return {"quant_method": "compressed-tensors", "format": format,
            "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights}}, "ignore": ["lm_head"]}


for name, zero in [("ctpack", False), ("ctpackzero", True)]:
    q = torch.randint(-8, 8, (OUT, IN), generator=generator)
    s = scales(OUT, IN // GROUP).to(torch.bfloat16)
    z = torch.randint(-8, 8, (OUT, IN // GROUP), generator=generator) if zero else torch.zeros(OUT, IN // GROUP, dtype=torch.int64)
    expected = s.float().repeat_interleave(GROUP, 1) * (q - z.repeat_interleave(GROUP, 1)).float()
    parts = {"weight_packed": stream((q + 8).T, 4).T, "weight_scale": s, "weight_shape": torch.tensor([OUT, IN])}
    if zero:
        parts["weight_zero_point"] = stream(z + 8, 4)
    add(name, compressed("pack-quantized", 4, GROUP), expected, **parts)
q = torch.randint(-127, 128, (OUT, IN), generator=generator).to(torch.int8)
s = torch.rand(OUT, 1, generator=generator) * 0.01 + 0.001
add("ctint", compressed("int-quantized", 8, None), q.float() * s, weight=q, weight_scale=s)
w = torch.randn(OUT, IN, generator=generator).to(torch.float8_e4m3fn)
add("ctfloat", compressed("float-quantized", 8, None), w.float() * s, weight=w, weight_scale=s.clone())

# mlx: rows of words, scale · code + bias. hqq: runs of inputs are rows, a byte holds rows a part of all rows apart. torchao:
# its plain tensors, flattened.
for bits, kind in [(4, torch.float16), (8, torch.bfloat16), (2, torch.float16), (6, torch.float16)]:
    codes = torch.randint(0, 2**bits, (OUT, IN), generator=generator)
    s = (torch.rand(OUT, IN // GROUP, generator=generator) * 0.02 + 0.005).to(kind)
    s[::2] = -s[::2]
    b = torch.randn(OUT, IN // GROUP, generator=generator).to(kind)
    words = stream(codes.T, bits).T.contiguous().numpy().view(np.uint32)
    add(f"mlx{bits}", {"bits": bits, "group_size": GROUP, "mode": "affine"},
        codes.float() * s.float().repeat_interleave(GROUP, 1) + b.float().repeat_interleave(GROUP, 1),
        weight=torch.from_numpy(words), scales=s, biases=b)
for bits in [8, 4, 2]:
    rows, share = OUT * IN // GROUP, 8 // bits
    codes = torch.randint(0, 2**bits, (rows, GROUP), generator=generator)
    s = (torch.rand(rows, 1, generator=generator) * 0.02 + 0.005).to(torch.float16)
    z = (torch.rand(rows, 1, generator=generator) * 2**bits).to(torch.float16)
    step, word = rows // share, torch.zeros(rows // share, GROUP, dtype=torch.int64)
    for part in range(share):
        word |= codes[part * step:(part + 1) * step] << (8 - bits * (part + 1))
    add(f"hqq{bits}", {"quant_method": "hqq", "quant_config": {"weight_quant_params": {
        "nbits": bits, "group_size": GROUP, "axis": 1, "channel_wise": True, "optimize": True, "view_as_float": False}}},
        ((codes.float() - z.float()) * s.float()).reshape(OUT, IN), W_q=word.to(torch.uint8), scale=s, zero=z)
q = torch.randint(-127, 128, (OUT, IN), generator=generator).to(torch.int8)
s = torch.rand(OUT, 1, generator=generator) * 0.01 + 0.001
add("aoint8", {"quant_method": "torchao"}, q.float() * s, _weight_qdata=q, _weight_scale=s)
q = torch.randint(-8, 8, (OUT, IN), generator=generator).to(torch.int8)
z = torch.randint(-3, 4, (OUT, IN // GROUP), generator=generator).to(torch.int8)
s = scales(OUT, IN // GROUP)
add("aoint4", {"quant_method": "torchao"},
    (q.float() - z.float().repeat_interleave(GROUP, 1)) * s.float().repeat_interleave(GROUP, 1), _weight_qdata=q,
    _weight_scale=s, _weight_zero_point=z)
w = torch.randn(OUT, IN, generator=generator).to(torch.float8_e4m3fn)
s = torch.rand(OUT, 1, generator=generator) * 0.01 + 0.001
add("aofloat8", {"quant_method": "torchao"}, w.float() * s, _weight_qdata=w, _weight_scale=s)

# hqq along axis 0: the flattened matrix is cut into rows as many as a group has weights, columns are the groups, and a byte
# holds the codes of rows a part of all rows apart. Without a size a group is a column of the matrix. The last has fewer
# outputs than a group has weights.
for name, bits, size in [("hqq4axis0", 4, 16), ("hqq2axis0", 2, 16), ("hqq8axis0", 8, None), ("hqq4spread", 4, 64)]:
    out = 2 * OUT
    rows, share = size or out, 8 // bits
    groups = out * IN // rows
    codes = torch.randint(0, 2**bits, (rows, groups), generator=generator)
    s = (torch.rand(1, groups, generator=generator) * 0.02 + 0.005).to(torch.float16)
    z = (torch.rand(1, groups, generator=generator) * 2**bits).to(torch.float16)
    step, word = rows // share, torch.zeros(rows // share, groups, dtype=torch.int64)
    for part in range(share):
        word |= codes[part * step:(part + 1) * step] << (8 - bits * (part + 1))
    add(name, {"quant_method": "hqq", "quant_config": {"weight_quant_params": {
        "nbits": bits, "group_size": size, "axis": 0, "channel_wise": True, "optimize": True, "view_as_float": False}}},
        ((codes.float() - z.float()) * s.float()).reshape(out, IN), W_q=word.to(torch.uint8), scale=s, zero=z,
        shape=torch.tensor([out, IN]))

# What came later draws numbers of its own, so that the files above stay the same.
generator = torch.Generator().manual_seed(8)

# hqq of three bits: ten codes an int32, the highest two bits empty; rows that are missing to a multiple of ten are zeros.
for name, axis, size in [("hqq3", 1, GROUP), ("hqq3axis0", 0, 16)]:
    out = 2 * OUT if axis == 0 else OUT
    rows, width = (out * IN // size, size) if axis == 1 else (size, out * IN // size)
    codes = torch.randint(0, 8, (rows, width), generator=generator)
    shape = (rows, 1) if axis == 1 else (1, width)
    s = (torch.rand(*shape, generator=generator) * 0.02 + 0.005).to(torch.float16)
    z = (torch.rand(*shape, generator=generator) * 8).to(torch.float16)
    step = -(-rows // 10)
    padded = torch.zeros(10 * step, width, dtype=torch.int64)
    padded[:rows] = codes
    word = sum(padded[part * step:(part + 1) * step] << (27 - 3 * part) for part in range(10))
    add(name, {"quant_method": "hqq", "quant_config": {"weight_quant_params": {
        "nbits": 3, "group_size": size, "axis": axis, "channel_wise": True, "optimize": True, "view_as_float": False}}},
        ((codes.float() - z.float()) * s.float()).reshape(out, IN), W_q=word.to(torch.int32), scale=s, zero=z,
        shape=torch.tensor([out, IN]))

# auto-round: GPTQ's tensors without g_idx, zeros one too small or as they are; AWQ's; and a module with a width of its own.
for name, packing, bits, less, own in [
    ("argptq", "auto_round:auto_gptq", 4, 1, {}), ("arplain", "auto_round", 4, 0, {}), ("ar3", "auto_round:gptqmodel", 3, 0, {}),
    ("armixed", "auto_round:auto_gptq", 4, 1, {"extra_config": {"armixed": {"bits": 8}}}),
]:
    width = 8 if own else bits
    codes = torch.randint(0, 2**width, (IN, OUT), generator=generator)
    zeros = torch.randint(1, 2**width, (IN // GROUP, OUT), generator=generator)
    s, index = scales(IN // GROUP, OUT), torch.arange(IN) // GROUP
    add(name, {"quant_method": "auto-round", "bits": bits, "group_size": GROUP, "sym": False, "data_type": "int",
               "packing_format": packing} | own,
        (s[index].float() * (codes - zeros[index]).float()).T, qweight=stream(codes, width),
        qzeros=stream((zeros - less).T, width).T, scales=s)
codes = torch.randint(0, 16, (IN, OUT), generator=generator)
zeros = torch.randint(0, 16, (IN // GROUP, OUT), generator=generator)
s = scales(IN // GROUP, OUT)
add("arawq", {"quant_method": "auto-round", "bits": 4, "group_size": GROUP, "sym": False, "data_type": "int",
              "packing_format": "auto_round:auto_awq"},
    (s[index].float() * (codes - zeros[index]).float()).T, qweight=interleaved(codes), qzeros=interleaved(zeros), scales=s)

# Floats of four bits, the first of two in the lower half: modelopt's NVFP4 multiplies by the scale of all, that of
# compressed-tensors divides by it; MXFP4 has powers of two.
E2M1 = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6])


def halves():
    codes = torch.randint(0, 16, (OUT, IN), generator=generator)
    return E2M1[codes], (codes[:, 1::2] << 4 | codes[:, 0::2]).to(torch.uint8)


MODELOPT = {"quant_method": "modelopt", "config_groups": {}, "ignore": ["lm_head"], "producer": {"name": "modelopt"}}
NUMBERS = {"targets": ["Linear"], "weights": {"num_bits": 4, "type": "float", "group_size": 16, "strategy": "tensor_group"}}
for name, run in [("monvfp4", 16), ("ctnvfp4", 16), ("momxfp4", 32), ("ctmxfp4", 32)]:
    values, packed = halves()
    if run == 16:
        s = (torch.rand(OUT, IN // run, generator=generator) * 400 + 1).to(torch.float8_e4m3fn)
        whole = torch.tensor(0.0000371 if name[0] == "m" else 2731.0)
        scale = s.float() * whole if name[0] == "m" else s.float() / whole
    else:
        s = torch.randint(110, 130, (OUT, IN // run), generator=generator).to(torch.uint8)
        scale = 2.0 ** (s.float() - 127)
    expected = values * scale.repeat_interleave(run, 1)
    if name[0] == "m":
        parts = {"weight": packed, "weight_scale": s} | ({"weight_scale_2": whole} if run == 16 else {})
        add(name, MODELOPT | {"quant_algo": "NVFP4" if run == 16 else "W4A8_MXFP4_FP8"}, expected, **parts)
    else:
        parts = {"weight_packed": packed, "weight_scale": s} | ({"weight_global_scale": whole.reshape(1)} if run == 16 else {})
        weights = NUMBERS["weights"] | {"group_size": run}
        add(name, {"quant_method": "compressed-tensors", "format": f"{name[2:]}-pack-quantized",
                   "config_groups": {"group_0": NUMBERS | {"weights": weights}}}, expected, **parts)

# modelopt's floats of eight bits: one scale, one for each output, blocks with ones between, powers of two for runs of 32.
for name, algorithm, out, shape in [
    ("mofp8", "FP8", OUT, ()), ("mofp8channel", "FP8_PER_CHANNEL_PER_TOKEN", OUT, (OUT,)), ("mofp8block", "FP8_PB_WO", 160, (2, 1, 1, 1)),
    ("momxfp8", "MXFP8", OUT, (OUT, IN // 32)),
]:
    weight = (torch.randn(out, IN, generator=generator) * 3).to(torch.float8_e4m3fn)
    if algorithm == "MXFP8":
        s = torch.randint(115, 125, shape, generator=generator).to(torch.uint8)
        whole = (2.0 ** (s.float() - 127)).repeat_interleave(32, 1)
    else:
        s = torch.rand(shape, generator=generator) * 0.1 + 0.01
        whole = s.reshape(-1).repeat_interleave(128)[:out, None] if len(shape) == 4 else s.reshape(-1, 1)
    add(name, MODELOPT | {"quant_algo": algorithm}, weight.float() * whole, weight=weight, weight_scale=s,
        input_scale=torch.tensor(0.1))

# BitNet: four rows a quarter of the rows apart in a byte, the first in its lowest bits; a factor that divides, or multiplies.
for name, kind in [("bitnet", "bitlinear"), ("bitnetauto", "autobitlinear")]:
    codes = torch.randint(0, 3, (OUT, IN), generator=generator)
    factor = torch.tensor([0.75 if kind == "autobitlinear" else 24.0])
    words = sum(codes[i * OUT // 4:(i + 1) * OUT // 4] << 2 * i for i in range(4)).to(torch.uint8)
    add(name, {"quant_method": "bitnet", "linear_class": kind},
        (codes - 1).float() * (factor if kind == "autobitlinear" else 1 / factor), weight=words, weight_scale=factor)
weight = torch.randn(OUT, IN, generator=generator) * 0.1
mean = weight.abs().mean()
add("bitnetonline", {"quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": "online"},
    (weight / mean).round().clamp(-1, 1) * mean, weight=weight)

folder = pathlib.Path(__file__).parent
for key in [k for k in tensors if k.endswith(".expected")]:
    tensors[key] = tensors[key].to(torch.float32)
files = {"packed": {}, "packed-more": {}, "packed-axis0": {}, "packed-later": {}}
for name, tensor in tensors.items():
    case = name.split(".")[0]
    later = case.startswith(("hqq3", "ar", "mo", "ctnv", "ctmx", "bitnet"))
    along = case.endswith(("axis0", "spread"))
    more = case.startswith(("mlx", "hqq", "ao"))
    kind = "packed-later" if later else "packed-axis0" if along else "packed-more" if more else "packed"
    files[kind][name] = tensor
for name, held in files.items():
    save_file(held, folder / f"{name}.safetensors")
(folder / "packed.json").write_text(json.dumps(cases, indent=1) + "\n")
print([(folder / f"{name}.safetensors").stat().st_size for name in files], "bytes", len(cases), "cases")
