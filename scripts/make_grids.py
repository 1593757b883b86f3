"""Writes Sources/CKernels/quantized_grids.h: the points that codes of IQ1 … IQ3 stand for, as the gguf wheel has them.

    python scripts/make_grids.py    # needs gguf and numpy

A point of eight numbers is kept in 16 bits, two for each; a point of four in twelve, three for each.
"""
import pathlib

import gguf
import numpy as np

TABLES = [("IQ2_XXS", 2), ("IQ2_XS", 2), ("IQ2_S", 2), ("IQ3_XXS", 3), ("IQ3_S", 3), ("IQ1_S", 2)]

lines = [
    "// Made by scripts/make_grids.py. The points of IQ1 … IQ3: number i of a point is bits w·i … of its word, an index",
    "// into the magnitudes of the type.",
    "#pragma once",
    "#include <stdint.h>",
    "",
]
for name, width in TABLES:
    quant = gguf.quants._type_traits[gguf.GGMLQuantizationType[name]]
    quant.init_grid()
    grid = np.asarray(quant.grid).reshape(quant.grid_shape)
    index = {value: i for i, value in enumerate(quant.grid_map)}
    words = [sum(index[int(v)] << (width * i) for i, v in enumerate(row)) for row in grid]
    lines.append(f"static const uint16_t {name.lower()}_points[{len(words)}] = {{")
    for start in range(0, len(words), 16):
        lines.append("    " + " ".join(f"{word}," for word in words[start:start + 16]))
    lines += ["};", ""]
path = pathlib.Path(__file__).parent.parent / "Sources/CKernels/quantized_grids.h"
path.write_text("\n".join(lines))
print(path.stat().st_size, "bytes")
