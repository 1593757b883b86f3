"""Ten steps of every optimiser on two small parameters: what OptimizerGoldenTests compares with.

    python make_optimizer_goldens.py      writes optimizers.safetensors beside itself

The gradient of step t (from 0) is 0.3 w + sin(1.7 i + 0.9 t) for element i, the learning rate 0.02 / (1 + 0.1 t).
Muon's Newton-Schulz steps run in float32 instead of bfloat16, so that both sides compute the same thing. Lion is
written out from the paper (Chen et al. 2023, algorithm 2); so are GaLore (Zhao et al. 2024, algorithm 2), APOLLO (Zhu et
al. 2024, algorithm 1, with a projection that is written down here instead of drawn), and AdamW with 8-bit states (Dettmers
et al. 2022: the dynamic map, one block for these sizes, decay before the step).
"""
import pathlib

import torch
from safetensors.torch import save_file

STEPS = 10


class Lion(torch.optim.Optimizer):
    def __init__(self, params, lr, betas, weight_decay):
        super().__init__(params, dict(lr=lr, betas=betas, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            first, second = group["betas"]
            for p in group["params"]:
                m = self.state[p].setdefault("exp_avg", torch.zeros_like(p))
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.sub_(group["lr"] * torch.sign(first * m + (1 - first) * p.grad))
                m.copy_(second * m + (1 - second) * p.grad)


def dynamic_map(signed):
    numbers = [0.0, 1.0]
    for exponent in range(7):
        bounds = torch.linspace(0.1, 1, 2 ** (exponent if signed else exponent + 1) + 1, dtype=torch.float64)
        means = (bounds[:-1] + bounds[1:]) / 2 * 10.0 ** (exponent - 6)
        numbers += means.tolist() + ((-means).tolist() if signed else [])
    return torch.tensor(sorted(numbers), dtype=torch.float64).float()


class BlockwiseAdamW(torch.optim.Optimizer):
    def __init__(self, params, lr, betas, eps, weight_decay):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                t = state["t"] = state.get("t", 0) + 1
                moments = []
                for index, (signed, gradient) in enumerate([(True, p.grad), (False, p.grad**2)]):
                    numbers, beta = dynamic_map(signed), group["betas"][index]
                    codes, scale = state.get(index, (torch.zeros(p.shape, dtype=torch.long), 0.0))
                    m = beta * numbers[codes] * scale + (1 - beta) * gradient
                    scale = m.abs().max()
                    codes = ((m / scale).unsqueeze(-1) - numbers).abs().argmin(-1)
                    if signed:
                        codes = torch.where((m < 0) & (numbers[codes] >= 0), codes - 1, codes)
                    state[index] = (codes, scale)
                    moments.append(m / (1 - beta**t))
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.sub_(group["lr"] * moments[0] / (moments[1].sqrt() + group["eps"]))


class Projected(torch.optim.Optimizer):
    RANK, GAP = 2, 4

    def __init__(self, params, lr, betas, eps, weight_decay, rank, apollo):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay))
        self.rank, self.apollo = rank, apollo

    def space(self, g, t):
        side, rank = min(g.shape), min(self.rank, *g.shape)
        if self.apollo:
            i = torch.arange(rank * side, dtype=torch.float32)
            return torch.sin(2.3 * i + 0.4 + (t // self.GAP)).reshape(rank, side)
        u, _, vh = torch.linalg.svd(g.double())
        basis = u[:, :rank] if g.shape[0] <= g.shape[1] else vh[:rank].T
        largest = basis.abs().argmax(0)
        return (basis * torch.sign(basis[largest, range(rank)])).T.float()

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                state, g, (b1, b2) = self.state[p], p.grad, group["betas"]
                t = state.get("t", 0)
                state["t"] = t + 1
                wide = g.shape[0] <= g.shape[1]
                if t % self.GAP == 0:
                    state["p"] = self.space(g, t)
                low = state["p"] @ g if wide else g @ state["p"].T
                m = state["m"] = b1 * state.get("m", torch.zeros_like(low)) + (1 - b1) * low
                v = state["v"] = b2 * state.get("v", torch.zeros_like(low)) + (1 - b2) * low**2
                n = m / (1 - b1 ** (t + 1)) / ((v / (1 - b2 ** (t + 1))).sqrt() + group["eps"])
                if self.apollo:
                    axes = (0, 1) if low.shape[0 if wide else 1] == 1 else (0 if wide else 1,)
                    norm = lambda x: (x**2).sum(axes, keepdim=True).sqrt()
                    u = g * norm(n) / (norm(low) + 1e-8) * (128 if len(axes) == 2 else 1) ** 0.5
                    if state.get("norm", 0) > 0 and u.norm() > 1.01 * state["norm"]:
                        u = u * 1.01 * state["norm"] / u.norm()
                    state["norm"] = u.norm()
                else:
                    u = 0.25 * (state["p"].T @ n if wide else n @ state["p"])
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.sub_(group["lr"] * u)


ADAM = dict(lr=1, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1)
CASES = {
    "adamw8bit": lambda p: BlockwiseAdamW(p, **ADAM),
    "galore": lambda p: Projected(p, **ADAM, rank=2, apollo=False),
    "apollo": lambda p: Projected(p, **ADAM, rank=2, apollo=True),
    "apollo-mini": lambda p: Projected(p, **ADAM, rank=1, apollo=True),
    "sgd": lambda p: torch.optim.SGD(p, lr=1, weight_decay=0.1),
    "sgd-momentum": lambda p: torch.optim.SGD(p, lr=1, momentum=0.9, weight_decay=0.1),
    "sgd-nesterov": lambda p: torch.optim.SGD(p, lr=1, momentum=0.9, nesterov=True, weight_decay=0.1),
    "adam": lambda p: torch.optim.Adam(p, lr=1, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1),
    "adamw": lambda p: torch.optim.AdamW(p, lr=1, betas=(0.9, 0.95), eps=1e-8, weight_decay=0.1),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=1, alpha=0.99, eps=1e-8, weight_decay=0.1),
    "rmsprop-momentum": lambda p: torch.optim.RMSprop(p, lr=1, alpha=0.9, eps=1e-8, momentum=0.8, weight_decay=0.1),
    "adafactor": lambda p: torch.optim.Adafactor(p, lr=1, weight_decay=0.1),
    "lion": lambda p: Lion(p, lr=1, betas=(0.9, 0.99), weight_decay=0.1),
    "muon": lambda p: torch.optim.Muon(p, lr=1, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"),
    "muon-original": lambda p: torch.optim.Muon(p, lr=1, weight_decay=0.1, nesterov=False, momentum=0.8),
}
SHAPES = {"matrix": (6, 5), "wide": (3, 20), "vector": (7,)}


def start(shape):
    count = torch.Size(shape).numel()
    return torch.cos(torch.arange(count, dtype=torch.float32) * 0.73).reshape(shape)


def main():
    # Muon asks for bfloat16 by `to(dtype=...)`.
    plain = torch.Tensor.to

    def to(self, *args, **kwargs):
        if kwargs.get("dtype") is torch.bfloat16:
            kwargs["dtype"] = torch.float32
        return plain(self, *args, **kwargs)

    torch.Tensor.to = to
    out = {}
    for name, make in CASES.items():
        shapes = {k: s for k, s in SHAPES.items() if not (name.startswith(("muon", "galore", "apollo")) and len(s) == 1)}
        params = {k: torch.nn.Parameter(start(s)) for k, s in shapes.items()}
        optimizer = make(list(params.values()))
        for t in range(STEPS):
            for group in optimizer.param_groups:
                group["lr"] = 0.02 / (1 + 0.1 * t)
            for p in params.values():
                i = torch.arange(p.numel(), dtype=torch.float32).reshape(p.shape)
                p.grad = 0.3 * p.detach() + torch.sin(1.7 * i + 0.9 * t)
            optimizer.step()
            if t in (0, STEPS - 1):
                for k, p in params.items():
                    out[f"{name}.{k}.{t + 1}"] = p.detach().clone()
    save_file(out, pathlib.Path(__file__).with_name("optimizers.safetensors"))


if __name__ == "__main__":
    main()
