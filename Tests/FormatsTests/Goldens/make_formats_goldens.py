"""Writes the small files of this folder with the reference packages: pip install safetensors gguf numpy torch.

wheel.safetensors, wheel.gguf: every plain type, several block types, every kind of metadata value.
expected.txt: per tensor, file, name, type, shape outermost first, and the SHA-free sum: FNV-1a 64 of the bytes.
"""
import pathlib

import gguf
import numpy as np
import torch
from safetensors.torch import save_file

here = pathlib.Path(__file__).parent
rng = np.random.default_rng(7)


def fnv(data: bytes) -> str:
    h = 0xCBF29CE484222325
    for b in data:
        h = ((h ^ b) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{h:016x}"


def raw(t: torch.Tensor) -> bytes:
    return t.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


lines = []
types = {
    "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "F64": torch.float64, "I8": torch.int8,
    "I16": torch.int16, "I32": torch.int32, "I64": torch.int64, "U8": torch.uint8, "BOOL": torch.bool,
    "F8_E4M3": torch.float8_e4m3fn, "U16": torch.uint16,
}
tensors = {}
for name, dtype in types.items():
    for shape in [(3, 5), (), (0, 4), (7,)]:
        values = torch.from_numpy(rng.normal(0, 40, shape).astype(np.float32).reshape(shape))
        if name in ("U8", "U16"):
            values = values.abs()
        tensors[f"{name}.{'x'.join(map(str, shape)) or 'scalar'}"] = values.to(dtype)
save_file(tensors, here / "wheel.safetensors", metadata={"format": "pt", "note": "größer\n\"quoted\""})
for name, t in tensors.items():
    lines.append(f"wheel.safetensors|{name}|{name.split('.')[0]}|{','.join(map(str, t.shape))}|{fnv(raw(t))}")

w = gguf.GGUFWriter(here / "wheel.gguf", "llama")
w.add_uint8("k.u8", 200)
w.add_int8("k.i8", -100)
w.add_uint16("k.u16", 60000)
w.add_int16("k.i16", -30000)
w.add_uint32("k.u32", 4000000000)
w.add_int32("k.i32", -2000000000)
w.add_uint64("k.u64", 2**63)
w.add_int64("k.i64", -(2**62))
w.add_float32("k.f32", 0.1)
w.add_float64("k.f64", 0.1)
w.add_bool("k.bool", True)
w.add_string("k.string", "größer\n")
w.add_array("k.strings", ["a", "", "日本", "🙂"])
w.add_array("k.ints", [1, -2, 3])
w.add_array("k.floats", [0.5, 0.25])
for name, shape in [("F32", (2, 3, 4)), ("F16", (5, 4)), ("F64", (3,)), ("I8", (3, 3)), ("I32", (2, 2))]:
    a = rng.normal(0, 20, shape)
    a = a.astype({"F32": np.float32, "F16": np.float16, "F64": np.float64, "I8": np.int8, "I32": np.int32}[name])
    w.add_tensor(f"t.{name}", a)
    lines.append(f"wheel.gguf|t.{name}|{name}|{','.join(map(str, shape))}|{fnv(a.tobytes())}")
kinds = gguf.GGMLQuantizationType
for kind in [kinds.BF16, kinds.Q4_0, kinds.Q4_1, kinds.Q5_0, kinds.Q5_1, kinds.Q8_0]:
    a = gguf.quants.quantize(rng.normal(0, 1, (3, 64)).astype(np.float32), kind)
    w.add_tensor(f"t.{kind.name}", a, raw_dtype=kind)
    lines.append(f"wheel.gguf|t.{kind.name}|{kind.name}|3,64|{fnv(a.tobytes())}")
w.write_header_to_file()
w.write_kv_data_to_file()
w.write_tensors_to_file()
w.close()
(here / "expected.txt").write_text("\n".join(lines) + "\n")
