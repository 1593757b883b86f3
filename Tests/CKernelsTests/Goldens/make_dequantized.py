"""Random blocks of every stored type and what the gguf wheel makes of them, for DequantizeGoldenTests.

    python make_dequantized.py    # needs gguf and numpy; writes dequantized.bin beside itself

The file: for each type its GGUF number, the bytes and the elements (three uint32, little-endian), the stored bytes, and
the elements in float32. Codes and small scales are any bits; float16 scales are any finite value, subnormals too.
"""
import pathlib
import struct

import gguf
import numpy as np

ELEMENTS = 512
# Where a block's float16 scales and minima are, in bytes.
HALVES = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
    "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "F16": [0], "BF16": [], "IQ1_S": [0], "IQ1_M": [], "IQ2_XXS": [0], "IQ2_XS": [0], "IQ2_S": [0], "IQ3_XXS": [0], "IQ3_S": [0],
    "IQ4_NL": [0], "IQ4_XS": [0], "TQ1_0": [52], "TQ2_0": [64], "MXFP4": [],
}

random = np.random.default_rng(20)
out = bytearray()
for name, halves in HALVES.items():
    kind = gguf.GGMLQuantizationType[name]
    elements, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = random.integers(0, 256, (ELEMENTS // elements, size), dtype=np.uint8)
    for offset in halves:
        high = blocks[:, offset + 1]
        high[(high & 0x7C) == 0x7C] ^= 0x40  # no infinity, no NaN
    if name == "BF16":
        high = blocks[:, 1]
        high[(high & 0x7F) == 0x7F] ^= 0x40
    if name == "IQ1_M":
        blocks[:, 55] = (blocks[:, 55] & 0x0F) | 0x30  # its float16 scale is spread over the top nibbles
    if name == "MXFP4":
        blocks[:, 0] = random.integers(1, 250, len(blocks))
    values = gguf.quants.dequantize(blocks.reshape(-1), kind).astype("<f4").reshape(-1)
    assert values.size == ELEMENTS and np.isfinite(values).all()
    stored = blocks.tobytes()
    out += struct.pack("<III", kind.value, len(stored), values.size) + stored + values.tobytes()
pathlib.Path(__file__).with_name("dequantized.bin").write_bytes(out)
print(len(out), "bytes")
