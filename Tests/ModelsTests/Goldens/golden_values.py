"""The weights of random models of which only names and shapes are kept: the tests make them again."""
import numpy as np
import torch

MASK = (1 << 64) - 1


def values(name, base, shape):
    """base + u / 2 for vectors, u for matrices; u = (top 8 bits of splitmix64(fnv1a(name) + i) - 128) / 256."""
    h = 0xCBF29CE484222325
    for byte in name.encode(): h = ((h ^ byte) * 0x100000001B3) & MASK
    n = int(np.prod(shape)) if len(shape) else 1
    with np.errstate(over="ignore"):
        z = np.uint64(h) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    u = ((z >> np.uint64(56)).astype(np.float32) - 128) / 256
    u = base + u / 2 if len(shape) < 2 else u
    return torch.from_numpy(u.astype(np.float32).reshape(shape))
