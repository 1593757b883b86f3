"""Ten steps of every optimiser on two small parameters: what OptimizerGoldenTests compares with.

    python make_optimizer_goldens.py      writes optimizers.safetensors beside itself

The gradient of step t (from 0) is 0.3 w + sin(1.7 i + 0.9 t) for element i, the learning rate 0.02 / (1 + 0.1 t).
Muon's Newton-Schulz steps run in float32 instead of bfloat16, so that both sides compute the same thing. Lion is
written out from the paper (Chen et al. 2023, algorithm 2).
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


CASES = {
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
        shapes = {k: s for k, s in SHAPES.items() if not (name.startswith("muon") and len(s) == 1)}
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
