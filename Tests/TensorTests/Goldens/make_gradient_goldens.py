"""Gradients of every differentiable operation: what GradientGoldenTests compares with.

    python make_gradient_goldens.py       writes gradients.safetensors beside itself

For a case NAME the file holds NAME.in0, NAME.in1, ... (float32), NAME.out, NAME.gradient (of the output, random) and
NAME.gradient0, ... of the inputs. Whatever else a case needs (indices, axes) is written out on both sides.
"""
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

generator = torch.Generator().manual_seed(11)
CASES = {}


def case(name, shapes, function, low=-1.0, high=1.0):
    inputs = [torch.rand(s, generator=generator) * (high - low) + low for s in shapes]
    CASES[name] = (inputs, function)


def rotate(x, interleaved):
    # Two heads of 6, of which 4 turn; positions 0, 3, 1.
    x = x.reshape(3, 2, 6)
    positions = torch.tensor([0.0, 3.0, 1.0])
    angles = positions[:, None] / torch.tensor([1.0, 4.0])
    c, s = angles.cos()[:, None], angles.sin()[:, None]
    turned, rest = x[..., :4], x[..., 4:]
    if interleaved:
        a, b = turned[..., 0::2], turned[..., 1::2]
        both = torch.stack([a * c - b * s, b * c + a * s], -1).reshape(3, 2, 4)
    else:
        a, b = turned[..., :2], turned[..., 2:]
        both = torch.cat([a * c - b * s, b * c + a * s], -1)
    return torch.cat([both, rest], -1).reshape(3, 12)


def attention(q, k, v):
    # 7 tokens in segments of 4 and 3, four heads of 8 over two key/value heads, causal.
    q, k, v = q.reshape(7, 4, 8), k.reshape(7, 2, 8), v.reshape(7, 2, 8)
    parts = []
    for a, b in ((0, 4), (4, 7)):
        one = [t[a:b].transpose(0, 1)[None] for t in (q, k, v)]
        parts.append(F.scaled_dot_product_attention(*one, is_causal=True, enable_gqa=True)[0].transpose(0, 1))
    return torch.cat(parts).reshape(7, 32)


def loss(x, w, smoothing=0.0, z=0.0):
    targets = torch.tensor([2, -100, 0, 8, 3])
    logits = x @ w.T
    total = F.cross_entropy(logits, targets, ignore_index=-100, label_smoothing=smoothing, reduction="sum")
    partition = torch.logsumexp(logits, 1)[targets >= 0]
    return (total + z * partition.square().sum()) / 4


def in_sequences(function, *inputs):
    # Sequences of 4 and 3 tokens.
    return torch.cat([function(*[x[a:b] for x in inputs]) for a, b in ((0, 4), (4, 7))])


def convolution(x, w, b):
    return in_sequences(lambda x: F.conv1d(x.T[None], w, b, padding=2, groups=6)[0, :, :len(x)].T, x)


def selective_scan(x, step, a, b, c, d):
    def one(x, step, b, c):
        h, out = torch.zeros(6, 3), []
        for t in range(len(x)):
            h = torch.exp(step[t][:, None] * a.T) * h + (step[t] * x[t])[:, None] * b[t]
            out.append(h @ c[t] + d * x[t])
        return torch.stack(out)
    step, a = F.softplus(step), -a.exp()
    return in_sequences(one, x, step, b, c)


def by_head(x, size):
    # Two groups, each of which serves two heads.
    return x.reshape(2, size).repeat_interleave(2, 0)


def state_space(x, step, a, b, c, d):
    def one(x, step, b, c):
        h, out = torch.zeros(4, 5, 3), []
        for t in range(len(x)):
            own, write, read = x[t].reshape(4, 5), by_head(b[t], 3), by_head(c[t], 3)
            h = torch.exp(step[t] * a)[:, None, None] * h + step[t][:, None, None] * own[:, :, None] * write[:, None]
            out.append(((h * read[:, None]).sum(-1) + d[:, None] * own).reshape(20))
        return torch.stack(out)
    step, a = F.softplus(step), -a.exp()
    return in_sequences(one, x, step, b, c)


def gated_delta(q, k, v, decay, beta):
    def one(q, k, v, decay, beta):
        s, out = torch.zeros(4, 3, 5), []
        for t in range(len(q)):
            own, key, query = v[t].reshape(4, 5), by_head(k[t], 3), by_head(q[t], 3)
            s = decay[t].exp()[:, None, None] * s
            written = beta[t][:, None] * (own - torch.einsum("hkv,hk->hv", s, key))
            s = s + key[:, :, None] * written[:, None]
            out.append(torch.einsum("hkv,hk->hv", s, query).reshape(20))
        return torch.stack(out)
    return in_sequences(one, q, k, v, -F.softplus(decay), beta.sigmoid())


def log_probabilities(x, w):
    targets = torch.tensor([2, -100, 0, 8, 3])
    return -F.cross_entropy(x @ w.T, targets, ignore_index=-100, reduction="none")


def dropout(x):
    # What is dropped is this library's own choice: the golden fixes how the rest is scaled.
    return x * 0 + x * 2


INDEX = torch.tensor([[0, 2, 1], [2, 0, 0]])
MASK = torch.tensor([[True, False, True, False], [False, False, True, True], [True, True, False, False]])
M, N = (3, 4), (4,)

case("add", [M, N], lambda a, b: a + b)
case("subtract", [(2, 1, 3), (4, 1)], lambda a, b: a - b)
case("multiply", [M, (3, 1)], lambda a, b: a * b)
case("divide", [M, N], lambda a, b: a / b, 0.5, 2)
case("floorDivide", [M, N], lambda a, b: torch.floor(a / b).detach() + 0 * (a + b), 0.5, 4)
case("remainder", [M, N], lambda a, b: torch.remainder(a, b), 0.5, 4)
case("power", [M, N], lambda a, b: a**b, 0.5, 2)
case("minimum", [M, N], torch.minimum)
case("maximum", [M, N], torch.maximum)
case("maximum-tie", [M], lambda a: torch.maximum(a.round(), torch.zeros_like(a)) + torch.maximum(a, a))
for name in ["sign", "square", "exp", "expm1", "sin", "cos", "tan", "tanh", "erf", "sigmoid", "floor", "ceil", "round"]:
    case(name, [M], getattr(torch, name))
case("negative", [M], torch.neg)
case("absolute", [M], torch.abs)
case("silu", [M], F.silu, -3, 3)
case("gelu", [M], F.gelu, -3, 3)
case("geluTanh", [M], lambda x: F.gelu(x, approximate="tanh"), -3, 3)
case("truncate", [M], torch.trunc, -3, 3)
for name in ["log", "log1p", "log2", "sqrt", "rsqrt", "reciprocal"]:
    case(name, [M], getattr(torch, name), 0.5, 2)
case("where", [M, N], lambda a, b: torch.where(MASK, a, b))
case("maskedFill", [M], lambda a: a.masked_fill(MASK, 2.0))
case("sum", [(2, 3, 4)], lambda x: x.sum((0, 2)))
case("prod", [(2, 3, 4)], lambda x: x.prod(1))
case("maximum-reduced", [(2, 3, 4)], lambda x: x.amax(1))
case("minimum-reduced", [(2, 3, 4)], lambda x: x.amin((1, 2)))
case("cumulativeSum", [M], lambda x: x.cumsum(0))
case("cumulativeProduct", [M], lambda x: x.cumprod(1))
case("softmax", [M], lambda x: x.softmax(-1))
case("softmax-axis", [M], lambda x: x.softmax(0))
case("logSoftmax", [M], lambda x: x.log_softmax(-1))
case("mean", [M], lambda x: x.mean(1))
case("variance", [M], lambda x: x.var(1))
case("logSumExp", [M], lambda x: x.logsumexp(1))
case("norm", [M], lambda x: x.norm(dim=1))
case("permute", [(2, 3, 4)], lambda x: x.permute(2, 0, 1))
case("transpose", [(2, 3, 4)], lambda x: x.transpose(0, 2))
case("expand", [(3, 1)], lambda x: x.expand(2, 3, 4))
case("select", [(2, 3, 4)], lambda x: x.select(1, 2))
case("slice", [(7, 3)], lambda x: x[1:6:2])
case("diagonal", [(4, 5)], lambda x: x.diagonal())
case("unfold", [(2, 9)], lambda x: x.unfold(1, 4, 2))
case("reshape", [M], lambda x: x.reshape(2, 6))
case("copy", [M], lambda x: x.T.contiguous())
case("to", [M], lambda x: x.to(torch.bfloat16))
case("concatenate", [M, (3, 2)], lambda a, b: torch.cat([a, b], 1))
case("flip", [M], lambda x: x.flip(0, 1))
case("indexSelect", [M], lambda x: x.index_select(1, torch.tensor([2, 0, 2])))
case("gather", [M], lambda x: x.gather(1, INDEX))
case("scatter", [M, (2, 3)], lambda x, y: x.scatter(1, torch.tensor([[0, 2, 1], [2, 0, 3]]), y))
case("scatterAdd", [M, (2, 3)], lambda x, y: x.scatter_add(1, INDEX, y))
case("matmul", [(2, 3, 4), (4, 5)], torch.matmul)
case("matmul-batched", [(2, 1, 3, 4), (5, 4, 2)], torch.matmul)
case("matmul-vector", [M, N], torch.matmul)
case("linear", [(5, 6), (7, 6), (7,)], F.linear)
case("attention", [(7, 32), (7, 16), (7, 16)], attention, -2, 2)
case("rmsNorm", [(5, 8), (8,)], lambda x, w: F.rms_norm(x, (8,), w, 1e-5))
case("layerNorm", [(5, 8), (8,), (8,)], lambda x, w, b: F.layer_norm(x, (8,), w, b, 1e-5))
for name, function in [("silu", F.silu), ("gelu", F.gelu), ("relu", F.relu),
                       ("geluTanh", lambda x: F.gelu(x, approximate="tanh"))]:
    case(f"activate-{name}", [(3, 20)], lambda x, f=function: f(x), -3, 3)
    case(f"gate-{name}", [(3, 20), (3, 20)], lambda x, y, f=function: f(x) * y, -3, 3)
case("add-fused", [(3, 20), (3, 20)], lambda x, y: x + y)
case("softmax-fused", [(3, 20)], lambda x: x.softmax(-1))
case("rotate", [(3, 12)], lambda x: rotate(x, False))
case("rotate-interleaved", [(3, 12)], lambda x: rotate(x, True))
case("embed", [(5, 6)], lambda w: F.embedding(torch.tensor([2, 0, 2, 4]), w) * 3)
case("placeRows", [(2, 6)], lambda x: torch.zeros(4, 6).index_copy(0, torch.tensor([3, 1]), x))
case("crossEntropy", [(5, 6), (9, 6)], loss)
case("crossEntropy-smoothed", [(5, 6), (9, 6)], lambda x, w: loss(x, w, 0.1, 0.01))
case("logProbabilities", [(5, 6), (9, 6)], log_probabilities)
case("dropout", [(6, 6)], dropout)
case("causalConvolution", [(7, 6), (6, 1, 3), (6,)], convolution)
case("selectiveScan", [(7, 6), (7, 6), (3, 6), (7, 3), (7, 3), (6,)], selective_scan)
case("stateSpace", [(7, 20), (7, 4), (4,), (7, 6), (7, 6), (4,)], state_space)
case("gatedDelta", [(7, 6), (7, 6), (7, 20), (7, 4), (7, 4)], gated_delta)


def main():
    out = {}
    for name, (inputs, function) in CASES.items():
        inputs = [x.requires_grad_() for x in inputs]
        result = function(*inputs)
        gradient = torch.randn(result.shape, generator=generator)
        if result.requires_grad:
            result.backward(gradient.to(result.dtype))
        out[f"{name}.out"] = result.detach().float()
        out[f"{name}.gradient"] = gradient.to(result.dtype).float()
        for i, x in enumerate(inputs):
            out[f"{name}.in{i}"] = x.detach()
            out[f"{name}.gradient{i}"] = torch.zeros_like(x) if x.grad is None else x.grad
    save_file({k: v.clone().contiguous() for k, v in out.items()},
              pathlib.Path(__file__).with_name("gradients.safetensors"))


if __name__ == "__main__":
    main()
