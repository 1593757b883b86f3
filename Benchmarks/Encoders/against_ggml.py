"""Our encoders against llama.cpp's on the tensors of a model: error and time, one JSON line a type and one for all.

    martlet convert MODEL --to gguf --dtype f32 --out source.gguf
    martlet quantize source.gguf --to q4_k_m [--imatrix imatrix.gguf] --json --out ours.gguf
    python against_ggml.py LIBGGML_BASE source.gguf ours.gguf [--imatrix imatrix.gguf] [--threads 2] [--rounds 3]

LIBGGML_BASE is a libggml-base.so, as in the wheel pywhispercpp; needs numpy and gguf. Every tensor that ours.gguf holds in
blocks is encoded again by ggml_quantize_chunk to the same type, its rows divided among threads, as llama.cpp divides them.
`rmse` is the ratio of the roots of the mean square errors, ours over theirs, weighted by the importances where there are
some; `seconds` is theirs for all tensors, the least of the rounds, of encoding alone: no reading, converting or writing;
`processor_seconds` the processor's time for the same, which other programs do not lengthen.
"""
import argparse, collections, concurrent.futures, ctypes, json, time

import gguf
import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("library")
parser.add_argument("source")
parser.add_argument("ours")
parser.add_argument("--imatrix")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--rounds", type=int, default=3)
options = parser.parse_args()

library = ctypes.CDLL(options.library)
library.ggml_quantize_chunk.restype = ctypes.c_size_t
library.ggml_quantize_chunk.argtypes = (
    [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p] + [ctypes.c_int64] * 3 + [ctypes.c_void_p])
library.ggml_quantize_init.argtypes = [ctypes.c_int]
pool = concurrent.futures.ThreadPoolExecutor(options.threads)


def importances(path):
    """The mean squares of each tensor's inputs: sums of squares over counts."""
    found, parts = {}, {tensor.name: tensor.data for tensor in gguf.GGUFReader(path).tensors}
    for name, sums in parts.items():
        if name.endswith(".in_sum2"):
            name = name[: -len(".in_sum2")]
            counts = np.asarray(parts[name + ".counts"], np.float64).reshape(-1, 1)
            found[name] = np.ascontiguousarray((np.asarray(sums).reshape(len(counts), -1) / counts)[0], np.float32)
    return found


def encoded(weights, kind, importance):
    rows, columns = weights.shape
    block, size = gguf.GGML_QUANT_SIZES[kind]
    out = np.zeros((rows, columns // block * size), np.uint8)
    step = (rows + options.threads - 1) // options.threads
    pointer = importance.ctypes.data if importance is not None else None

    def part(first):
        count = min(step, rows - first)
        if count > 0:
            library.ggml_quantize_chunk(
                kind.value, weights.ctypes.data, out.ctypes.data, first * columns, count, columns, pointer)

    list(pool.map(part, range(0, rows, step)))
    return out


matrices = importances(options.imatrix) if options.imatrix else {}
source = {tensor.name: tensor for tensor in gguf.GGUFReader(options.source).tensors}
plain = {gguf.GGMLQuantizationType[name] for name in ("F32", "F16", "BF16")}
errors, seconds, processor, count = collections.defaultdict(lambda: [0.0, 0.0, 0]), 0.0, 0.0, 0
for tensor in gguf.GGUFReader(options.ours).tensors:
    kind = tensor.tensor_type
    if kind in plain: continue
    original = source[tensor.name]
    weights = np.ascontiguousarray(gguf.quants.dequantize(original.data, original.tensor_type), np.float32)
    weights = weights.reshape(-1, weights.shape[-1])
    importance = matrices.get(tensor.name)
    library.ggml_quantize_init(kind.value)
    times = []
    for _ in range(options.rounds):
        started = time.perf_counter(), time.process_time()
        theirs = encoded(weights, kind, importance)
        times.append((time.perf_counter() - started[0], time.process_time() - started[1]))
    seconds += min(wall for wall, _ in times)
    processor += min(used for _, used in times)
    count += weights.size
    weight = 1.0 if importance is None else importance.astype(np.float64)
    for place, data in enumerate([tensor.data, theirs]):
        found = gguf.quants.dequantize(data, kind).reshape(weights.shape)
        errors[kind.name][place] += float((weight * (found.astype(np.float64) - weights) ** 2).sum())
    errors[kind.name][2] += 1
for name, (ours, theirs, tensors) in sorted(errors.items()):
    print(json.dumps(dict(type=name, tensors=tensors, importances=bool(matrices), ours=ours ** 0.5, theirs=theirs ** 0.5,
                          rmse=round((ours / theirs) ** 0.5, 4) if theirs else None)), flush=True)
print(json.dumps(dict(weights=count, threads=options.threads, seconds=round(seconds, 3),
                      processor_seconds=round(processor, 3))))
