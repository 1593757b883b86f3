"""A small matrix of weights, importances, and how much llama.cpp's encoders miss it by, for BlockEncoderTests.

    python make_errors.py LIBGGML_BASE    # a libggml-base.so, as in the pywhispercpp wheel; needs numpy and gguf

The file: rows, columns (uint32), weights, importances (float32); then for each type its GGUF number (uint32), the root
of the mean square error without importances, and the root of the mean of v (w - ŵ)² with them (float64).
"""
import ctypes
import pathlib
import struct
import sys

import gguf
import numpy as np

ROWS, COLUMNS = 8, 768
lib = ctypes.CDLL(sys.argv[1])
lib.ggml_quantize_chunk.restype = ctypes.c_size_t
lib.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p] + [ctypes.c_int64] * 3 + [ctypes.c_void_p]
random = np.random.default_rng(16)
# Weights as trained ones lie: normal with heavier tails, and rows of their own size.
weights = (random.standard_t(6, (ROWS, COLUMNS)) * random.uniform(0.01, 0.05, (ROWS, 1))).astype("<f4")
importance = np.exp(random.normal(0, 1.2, COLUMNS)).astype("<f4")


def encoded(kind, importances):
    block, size = gguf.GGML_QUANT_SIZES[kind]
    out = np.zeros(ROWS * COLUMNS // block * size, np.uint8)
    pointer = importances.ctypes.data if importances is not None else None
    lib.ggml_quantize_chunk(kind.value, weights.ctypes.data, out.ctypes.data, 0, ROWS, COLUMNS, pointer)
    return gguf.quants.dequantize(out, kind).reshape(ROWS, COLUMNS)


out = bytearray(struct.pack("<II", ROWS, COLUMNS) + weights.tobytes() + importance.tobytes())
for name in "Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_NL IQ4_XS TQ1_0 TQ2_0 MXFP4".split():
    kind = gguf.GGMLQuantizationType[name]
    plain = np.sqrt(((encoded(kind, None).astype(np.float64) - weights) ** 2).mean())
    error = (encoded(kind, importance).astype(np.float64) - weights) ** 2
    weighted = np.sqrt((error * importance).mean())
    out += struct.pack("<Idd", kind.value, plain, weighted)
    print(name, plain, weighted)
pathlib.Path(__file__).with_name("errors.bin").write_bytes(out)
print(len(out), "bytes")
