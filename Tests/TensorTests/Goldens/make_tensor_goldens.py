"""Writes tensor_operations.json: every tensor operation on small random operands, as PyTorch computes it.

Run in this folder: python make_tensor_goldens.py. Operands are broadcast, empty, strided and of mixed types; views
are given as steps so that the reader rebuilds them on storage of its own.
"""
import json
import math
import random

import torch

torch.manual_seed(7)
random.seed(7)
NAMES = {torch.float32: "F32", torch.float64: "F64", torch.float16: "F16", torch.bfloat16: "BF16",
         torch.int8: "I8", torch.uint8: "U8", torch.int16: "I16", torch.int32: "I32", torch.int64: "I64",
         torch.bool: "BOOL"}
FLOATS = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
INTS = [torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64]
cases = []


def number(x):
    if isinstance(x, bool):
        return int(x)
    if isinstance(x, int):
        return x
    if math.isnan(x):
        return "nan"
    if math.isinf(x):
        return "inf" if x > 0 else "-inf"
    return int(x) if x == int(x) and abs(x) < 1e6 and not (x == 0 and math.copysign(1, x) < 0) else float(f"{x:.8g}")


def data(x):
    if x.dtype == torch.float64:
        return [float(f"{v:.15g}") if math.isfinite(v) else number(v) for v in x.reshape(-1).tolist()]
    return [number(v) for v in x.reshape(-1).tolist()]


def value(shape, dtype=torch.float32, low=-3, high=3):
    if dtype == torch.bool:
        return torch.rand(shape) < 0.5
    if dtype in INTS:
        return torch.randint(0 if dtype == torch.uint8 else -9, 10, shape, dtype=dtype)
    # Few digits keep the file small and survive halves exactly.
    return ((torch.rand(shape) * (high - low) + low) * 16).round().div(16).to(dtype)


def apply_views(x, views):
    for view in views:
        if view[0] == "transpose":
            x = x.transpose(view[1], view[2])
        elif view[0] == "slice":
            index = [slice(None)] * x.dim()
            index[view[1]] = slice(view[2], view[3], view[4])
            x = x[tuple(index)]
        elif view[0] == "expand":
            x = x.expand(view[1])
    return x


class Operand:
    def __init__(self, base, views=()):
        self.base, self.views = base, list(views)
        self.tensor = apply_views(base, self.views)

    def json(self):
        result = {"t": NAMES[self.base.dtype], "s": list(self.base.shape), "d": data(self.base)}
        if self.views:
            result["v"] = self.views
        return result


def operand(shape, dtype=torch.float32, strided=None, low=-3, high=3):
    """Random elements; strided ones come from a larger tensor with two axes swapped and one stepped."""
    strided = random.random() < 0.4 if strided is None else strided
    if not strided or len(shape) < 2:
        return Operand(value(shape, dtype, low, high))
    base = list(shape)
    a, b = random.sample(range(len(shape)), 2)
    base[a], base[b] = base[b], base[a]
    base[a] = base[a] * 2 + 1
    return Operand(value(base, dtype, low, high), [["slice", a, 1, base[a], 2], ["transpose", a, b]])


def case(op, operands, function, **args):
    out = function(*[o.tensor for o in operands])
    out = list(out) if isinstance(out, (tuple, list)) else [out]
    entry = {"op": op, "in": [o.json() for o in operands],
             "out": [{"t": NAMES[o.dtype], "s": list(o.shape), "d": data(o)} for o in out]}
    if args:
        entry["args"] = args
    cases.append(entry)


PAIRS = [([3, 4], [3, 4]), ([2, 3, 4], [4]), ([2, 1, 3], [4, 1]), ([], [2, 3]), ([0, 3], [1, 3]), ([5, 1], [5, 2]),
         ([2, 3, 1, 2], [3, 2, 1])]
BINARY = {"add": torch.add, "subtract": torch.sub, "multiply": torch.mul, "divide": torch.div,
          "minimum": torch.minimum, "maximum": torch.maximum, "equal": torch.eq, "notEqual": torch.ne,
          "less": torch.lt, "lessEqual": torch.le, "greater": torch.gt, "greaterEqual": torch.ge,
          "floorDivide": torch.floor_divide, "remainder": torch.remainder}
for name, function in BINARY.items():
    for a, b in random.sample(PAIRS, 4):
        case(name, [operand(a), operand(b)], function)
    for _ in range(4):
        types = [random.choice(FLOATS + INTS + [torch.bool]) for _ in range(2)]
        if name in ("floorDivide", "remainder"):
            left, right = operand([2, 3], types[0]), Operand(value([3], types[1]))
            right.base[right.base == 0] = 1
            if torch.bool in types:
                continue
        elif name == "subtract" and torch.bool in types:
            continue
        else:
            left, right = operand([2, 3], types[0]), operand([3], types[1])
        case(name, [left, right], function)
    case(name, [operand([3], random.choice(INTS)), Operand(torch.tensor(2.5))], function)
    case(name, [operand([3], torch.float16), Operand(torch.tensor(3, dtype=torch.int64))], function)
case("add", [operand([3], torch.bool, False), operand([3], torch.bool, False)], torch.add)
case("power", [operand([2, 3], low=0.1), operand([3])], torch.pow)
case("power", [operand([4], torch.int32), Operand(torch.tensor([2, 3, 0, 1]))], torch.pow)
special = Operand(torch.tensor([float("nan"), float("inf"), -float("inf"), -0.0, 0.0, 1.0]))
for name in ("maximum", "minimum", "equal", "less", "add"):
    case(name, [special, Operand(torch.tensor([1.0, float("nan"), 2.0, 0.0, -0.0, float("inf")]))], BINARY[name])

UNARY = {"negative": torch.neg, "abs": torch.abs, "sign": torch.sign, "square": torch.square, "exp": torch.exp,
         "expm1": torch.expm1, "log": torch.log, "log1p": torch.log1p, "log2": torch.log2, "sqrt": torch.sqrt,
         "rsqrt": torch.rsqrt, "reciprocal": torch.reciprocal, "sin": torch.sin, "cos": torch.cos, "tan": torch.tan,
         "tanh": torch.tanh, "erf": torch.erf, "sigmoid": torch.sigmoid, "silu": torch.nn.functional.silu,
         "gelu": torch.nn.functional.gelu, "geluTanh": lambda x: torch.nn.functional.gelu(x, approximate="tanh"),
         "relu": torch.relu, "softplus": torch.nn.functional.softplus, "floor": torch.floor, "ceil": torch.ceil,
         "round": torch.round, "truncate": torch.trunc, "isNaN": torch.isnan, "isInfinite": torch.isinf,
         "isFinite": torch.isfinite}
for name, function in UNARY.items():
    low = 0.1 if name in ("log", "log1p", "log2", "sqrt", "rsqrt", "reciprocal") else -3
    case(name, [operand([2, 3], low=low)], function)
    case(name, [operand([3, 2], torch.float64, low=low)], function)
    case(name, [operand([5], random.choice([torch.float16, torch.bfloat16]), low=low)], function)
    case(name, [operand([0, 2])], function)
    if name not in ("silu", "gelu", "geluTanh", "softplus"):
        case(name, [Operand(torch.tensor([1, 2, 3, 4], dtype=random.choice(INTS)))], function)
    if name != "gelu":  # PyTorch's vectorised gelu(inf) is NaN
        case(name, [special], function)

for dtype in FLOATS + INTS + [torch.bool]:
    for target in FLOATS + INTS + [torch.bool]:
        source = value([5], dtype)
        if target == torch.uint8 and dtype in FLOATS:
            source = source.abs()
        case("to", [Operand(source)], lambda x: x.to(target), dtype=NAMES[target])
wide = torch.tensor([1e-8, 65504.0, 65519.0, 65520.0, 6e-8, 2.98e-8, 1e-5, -3.1e5, float("nan"), float("inf"), 1.0009765,
                     1.00048828125, 3.3895e38])
for target in (torch.float16, torch.bfloat16, torch.float64):
    case("to", [Operand(wide)], lambda x: x.to(target), dtype=NAMES[target])
case("to", [Operand(torch.tensor([300, -300, 70000, 2**40 + 5]))], lambda x: x.to(torch.int8), dtype="I8")
case("to", [Operand(torch.tensor([300, -300, 70000, 2**40 + 5]))], lambda x: x.to(torch.uint8), dtype="U8")
case("to", [Operand(torch.tensor([300, -300, 70000, 2**33 + 5]))], lambda x: x.to(torch.int32), dtype="I32")

REDUCE = {"sum": torch.sum, "mean": torch.mean, "variance": torch.var, "std": torch.std, "max": torch.amax,
          "min": torch.amin, "logSumExp": torch.logsumexp, "any": torch.any, "all": torch.all}
for name, function in REDUCE.items():
    for shape, axes in [([3, 4], [1]), ([3, 4], [0]), ([2, 3, 4], [0, -1]), ([2, 3, 4], [1]), ([4, 40], [-1]),
                        ([40, 3], [0]), ([2, 3, 2, 2], [1, 3]), ([5], [0])]:
        keep = random.random() < 0.5
        dtype = random.choice([torch.float32, torch.float32, torch.float64, torch.float16, torch.bfloat16])
        if name in ("any", "all"):
            dtype = torch.bool
        case(name, [operand(shape, dtype)], lambda x: function(x, dim=axes, keepdim=keep), axes=axes, keep=keep)
    if name in ("sum", "logSumExp", "any", "all", "mean"):
        case(name, [operand([0, 3])], lambda x: function(x, dim=[0], keepdim=False), axes=[0], keep=False)
for name in ("sum", "any", "all"):
    case(name, [operand([2, 3], random.choice(INTS))], lambda x: REDUCE[name](x), axes=[], keep=False)
for dtype in INTS:
    case("sum", [operand([2, 5], dtype)], lambda x: x.sum(-1), axes=[-1], keep=False)
    case("max", [operand([2, 5], dtype)], lambda x: x.amax(0), axes=[0], keep=False)
case("sum", [Operand(value([1, 3]), [["expand", [4, 3]]])], lambda x: x.sum(0), axes=[0], keep=False)
case("max", [special], lambda x: x.amax(0), axes=[0], keep=False)
case("logSumExp", [Operand(torch.tensor([[-float("inf"), -float("inf")], [1.0, float("inf")]]))],
     lambda x: x.logsumexp(1), axes=[1], keep=False)
for shape, axis in [([3, 4], 0), ([3, 4], -1), ([2, 3, 2], 1)]:
    case("prod", [operand(shape)], lambda x: x.prod(axis), axes=[axis], keep=False)
    case("argmax", [operand(shape)], lambda x: x.argmax(axis), axis=axis)
    case("argmin", [operand(shape, torch.float16)], lambda x: x.argmin(axis), axis=axis)
    case("cumulativeSum", [operand(shape)], lambda x: x.cumsum(axis), axis=axis)
    case("cumulativeSum", [operand(shape, torch.int8)], lambda x: x.cumsum(axis), axis=axis)
    case("cumulativeProduct", [operand(shape)], lambda x: x.cumprod(axis), axis=axis)
    case("softmax", [operand(shape)], lambda x: x.softmax(axis), axis=axis)
    case("logSoftmax", [operand(shape)], lambda x: x.log_softmax(axis), axis=axis)
    for descending in (False, True):
        case("sort", [operand(shape)], lambda x: x.sort(dim=axis, descending=descending, stable=True), axis=axis,
             descending=descending)
        case("topK", [Operand(torch.randperm(math.prod(shape)).reshape(shape).float())],
             lambda x: x.topk(2, axis, largest=descending), axis=axis, k=2, largest=descending)
case("topK", [Operand(torch.randperm(60).reshape(2, 30))], lambda x: x.topk(3), axis=-1, k=3, largest=True)
case("sort", [special], lambda x: x.sort(dim=0, stable=True), axis=0, descending=False)
for p in (0.0, 1.0, 2.0, 3.0, float("inf"), -float("inf")):
    case("norm", [operand([3, 4])], lambda x: torch.linalg.vector_norm(x, p, dim=(1,)), axes=[1], p=number(p))

MATMUL = [([3, 4], [4, 2]), ([4], [4]), ([2, 3, 4], [4, 5]), ([2, 3, 4], [2, 4, 2]), ([3], [2, 3, 2]),
          ([2, 1, 2, 3], [4, 3, 2]), ([2, 3], [3]), ([0, 3], [3, 2]), ([2, 0], [0, 3]), ([2, 2, 3, 4], [2, 1, 4, 2])]
for a, b in MATMUL:
    for strided in (False, True):
        case("matmul", [operand(a, strided=strided), operand(b, strided=strided)], torch.matmul)
    case("matmul", [operand(a, torch.float64), operand(b, torch.float64)], torch.matmul)
case("matmul", [operand([3, 4], torch.int32), operand([4, 2], torch.int32)], torch.matmul)
case("matmul", [operand([3, 4], torch.bfloat16), operand([4, 2], torch.bfloat16)], torch.matmul)
case("outer", [operand([3]), operand([4])], torch.outer)
EINSUM = [("ij,jk->ik", [3, 4], [4, 2]), ("bij,bjk->bik", [2, 3, 4], [2, 4, 2]), ("ij->ji", [3, 4]), ("ii->i", [3, 3]),
          ("ii", [3, 3]), ("ij,ij->", [2, 3], [2, 3]), ("i,j->ij", [3], [2]), ("bhqd,bhkd->bhqk", [2, 2, 3, 4], [2, 2, 2, 4]),
          ("...ij,...jk->...ik", [2, 3, 4], [4, 2]), ("...i,i", [2, 3], [3]), ("ijk->k", [2, 3, 2]), ("ij,jk", [2, 3], [3, 2]),
          ("ij,jk,kl->il", [2, 3], [3, 2], [2, 4]), ("bn,anm,bm->ba", [2, 3], [4, 3, 2], [2, 2]), ("ab,cd->dbac", [2, 3], [1, 2]),
          ("iij->j", [2, 2, 3]), ("i->", [4]), ("...->...", [2, 3]), ("...ii->...", [2, 3, 3]), ("ij,kj->kij", [2, 3], [4, 3]),
          ("ij,j->i", [2, 1], [3]), ("...,...", [2, 3], [3])]
for equation, *shapes in EINSUM:
    case("einsum", [operand(s) for s in shapes], lambda *x: torch.einsum(equation, *x), equation=equation)

for shape, axis in [([3, 4], 0), ([3, 4], 1), ([2, 3, 4], -2)]:
    x = operand(shape)
    size = list(x.tensor.shape)
    size[axis] = 2
    index = Operand(torch.randint(0, shape[axis], size))
    distinct = Operand(torch.stack([torch.randperm(shape[axis])[:2] for _ in range(math.prod(size) // 2)])
                       .reshape([s for i, s in enumerate(size) if i != axis % len(size)] + [2]).movedim(-1, axis)
                       .contiguous())
    source = operand(size)
    case("gather", [x, index], lambda x, i: x.gather(axis, i), axis=axis)
    case("scatter", [x, distinct, source], lambda x, i, s: x.scatter(axis, i, s), axis=axis)
    case("scatterAdd", [x, index, source], lambda x, i, s: x.scatter_add(axis, i, s), axis=axis)
    rows = Operand(torch.randint(0, shape[axis], [5]))
    case("indexSelect", [x, rows], lambda x, i: x.index_select(axis, i), axis=axis)
    grown = list(shape)
    grown[axis] = 5
    case("indexAdd", [x, rows, operand(grown)], lambda x, i, s: x.index_add(axis, i, s), axis=axis)
case("take", [operand([4, 2]), Operand(torch.tensor([[0, -1, 2], [3, 3, 1]]))], lambda x, i: x[i])
mask = operand([3, 1], torch.bool, False)
case("maskedFill", [operand([3, 4]), mask], lambda x, m: x.masked_fill(m, 7), value=7)
case("maskedSelect", [operand([3, 4]), mask], lambda x, m: x.masked_select(m))
case("where", [mask, operand([1, 4]), operand([3, 4])], torch.where)
case("where", [mask, operand([1, 4], torch.int32), operand([3, 4], torch.float16)], torch.where)
case("nonzero", [operand([2, 3, 2], torch.bool)], torch.nonzero)
case("unique", [Operand(torch.tensor([[3, 1, 1], [2, 3, 3]]))],
     lambda x: torch.unique(x, return_inverse=True, return_counts=True))
case("oneHot", [Operand(torch.tensor([[0, 2], [1, 1]]))], lambda x: torch.nn.functional.one_hot(x, 4), classes=4)
for diagonal in (-1, 0, 2):
    case("tril", [operand([2, 3, 4])], lambda x: x.tril(diagonal), diagonal=diagonal)
    case("triu", [operand([4, 3])], lambda x: x.triu(diagonal), diagonal=diagonal)
case("clamp", [operand([3, 4])], lambda x: x.clamp(-1, 1.5), min=-1, max=1.5)

case("reshape", [operand([2, 6], strided=True)], lambda x: x.reshape(3, -1), shape=[3, -1])
case("reshape", [operand([0, 6])], lambda x: x.reshape(2, 0, 3), shape=[2, 0, 3])
case("reshape", [operand([2, 3, 4], strided=True)], lambda x: x.reshape(2, 12), shape=[2, 12])
case("permute", [operand([2, 3, 4])], lambda x: x.permute(2, 0, -2), order=[2, 0, -2])
case("squeeze", [operand([1, 3, 1], strided=False)], lambda x: x.squeeze())
case("unsqueeze", [operand([2, 3])], lambda x: x.unsqueeze(-1), axis=-1)
case("expand", [operand([3, 1])], lambda x: x.expand(2, -1, 4), shape=[2, -1, 4])
case("flatten", [operand([2, 3, 4], strided=True)], lambda x: x.flatten(1), axis=1)
case("split", [operand([5, 2])], lambda x: x.split(2), size=2, axis=0)
case("chunk", [operand([2, 7])], lambda x: x.chunk(3, -1), size=3, axis=-1)
case("concatenate", [operand([2, 3]), operand([1, 3], torch.float64), operand([0, 3])], lambda *x: torch.cat(x), axis=0)
case("concatenate", [operand([2, 3]), operand([2, 1], torch.int32)], lambda *x: torch.cat(x, -1), axis=-1)
case("stack", [operand([2, 3]), operand([2, 3])], lambda *x: torch.stack(x, 1), axis=1)
case("stack", [operand([2, 3]), operand([2, 3])], lambda *x: torch.stack(x, -1), axis=-1)
case("tile", [operand([2, 3])], lambda x: x.repeat(2, 1, 2), counts=[2, 1, 2])
case("repeatInterleave", [operand([2, 3])], lambda x: x.repeat_interleave(2, 1), count=2, axis=1)
case("flip", [operand([2, 3])], lambda x: x.flip(0, -1), axes=[0, -1])
case("roll", [operand([2, 5])], lambda x: x.roll(-2, 1), shift=-2, axis=1)
case("unfold", [operand([2, 7])], lambda x: x.unfold(1, 3, 2), axis=1, size=3, step=2)
case("diagonal", [operand([2, 3, 4])], lambda x: x.diagonal(0, 0, 2), a=0, b=2)
case("moveAxis", [operand([2, 3, 4])], lambda x: x.movedim(0, -1), axis=0, to=-1)
case("linspace", [], lambda: torch.linspace(-1, 2, 7), start=-1, end=2, count=7)
case("arange", [], lambda: torch.arange(2, 17, 4), start=2, end=17, step=4)
case("arange", [], lambda: torch.arange(5, -4, -3), start=5, end=-4, step=-3)
case("eye", [], lambda: torch.eye(2, 3), rows=2, columns=3)

with open("tensor_operations.json", "w") as file:
    file.write("[\n" + ",\n".join(json.dumps(c, separators=(",", ":")) for c in cases) + "\n]\n")
print(len(cases), "cases")
