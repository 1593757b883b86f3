"""Layers and losses of torch.nn with outputs and gradients: what LayerGoldenTests and LossTests compare with.

    python make_layer_goldens.py      writes layers.safetensors and losses.safetensors beside itself

A case NAME holds NAME.in, NAME.p.PARAMETER for each parameter by PyTorch's name, NAME.out, NAME.gradient (of the
output, random), NAME.gradient.in and NAME.gradient.PARAMETER.
"""
import pathlib

import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import save_file

torch.manual_seed(5)
HERE = pathlib.Path(__file__).parent


def layers():
    out = {}

    def case(name, module, x, call=lambda m, x: m(x)):
        module = module.float()
        x = x.clone().requires_grad_()
        result = call(module, x)
        gradient = torch.randn(result.shape)
        result.backward(gradient)
        out[f"{name}.in"], out[f"{name}.out"] = x.detach(), result.detach()
        out[f"{name}.gradient"], out[f"{name}.gradient.in"] = gradient, x.grad
        for key, p in module.named_parameters():
            out[f"{name}.p.{key}"], out[f"{name}.gradient.{key}"] = p.detach(), p.grad

    def norm(module):
        nn.init.normal_(module.weight)
        if getattr(module, "bias", None) is not None:
            nn.init.normal_(module.bias)
        return module

    case("linear", nn.Linear(5, 7), torch.randn(4, 5))
    case("linear-plain", nn.Linear(5, 7, bias=False), torch.randn(4, 5))
    case("layer-norm", norm(nn.LayerNorm(9)), torch.randn(4, 9))
    case("rms-norm", norm(nn.RMSNorm(9, eps=1e-5)), torch.randn(4, 9))

    def recurrent(m, x):
        # Output and every last state, one after the other.
        y, state = m(x)
        state = state if isinstance(state, tuple) else (state,)
        return torch.cat([y.reshape(-1)] + [s.reshape(-1) for s in state])

    case("rnn", nn.RNN(3, 4, batch_first=True), torch.randn(2, 5, 3), recurrent)
    case("rnn-relu", nn.RNN(3, 4, nonlinearity="relu", bias=False, batch_first=True), torch.randn(2, 5, 3), recurrent)
    case("lstm", nn.LSTM(3, 4, batch_first=True), torch.randn(2, 5, 3), recurrent)
    case("lstm-deep", nn.LSTM(3, 4, num_layers=2, bidirectional=True, batch_first=True), torch.randn(2, 4, 3), recurrent)
    case("gru", nn.GRU(3, 4, batch_first=True), torch.randn(2, 5, 3), recurrent)
    case("gru-deep", nn.GRU(3, 4, num_layers=2, bidirectional=True, batch_first=True), torch.randn(2, 4, 3), recurrent)

    case("conv1", nn.Conv1d(3, 4, 3, padding=1), torch.randn(2, 3, 8))
    case("conv1-strided", nn.Conv1d(4, 6, 3, stride=2, dilation=2, groups=2), torch.randn(2, 4, 11))
    case("conv2", nn.Conv2d(3, 4, 3, padding=1), torch.randn(2, 3, 5, 6))
    case("conv2-strided", nn.Conv2d(2, 3, (3, 2), stride=(2, 1), padding=(1, 0), bias=False), torch.randn(1, 2, 6, 5))
    case("conv2-depthwise", nn.Conv2d(4, 4, 3, groups=4, padding=1), torch.randn(1, 4, 4, 4))
    case("max1", nn.MaxPool1d(3, 2), torch.randn(2, 3, 8))
    case("max2", nn.MaxPool2d(3, 2, padding=1), torch.relu(torch.randn(2, 3, 6, 5)))
    case("average1", nn.AvgPool1d(2), torch.randn(2, 3, 8))
    case("average2", nn.AvgPool2d(3, 2, padding=1), torch.randn(2, 2, 6, 5))
    case("average2-inside", nn.AvgPool2d(3, 2, padding=1, count_include_pad=False), torch.randn(2, 2, 6, 5))
    save_file({k: v.clone().contiguous() for k, v in out.items()}, HERE / "layers.safetensors")


def losses():
    out = {}

    def case(name, x, y, function):
        x = x.clone().requires_grad_()
        result = function(x, y)
        result.backward()
        out[f"{name}.in"], out[f"{name}.out"], out[f"{name}.gradient"] = x.detach(), result.detach(), x.grad
        if y is not None:
            out[f"{name}.targets"] = y

    targets = torch.tensor([2, -100, 0, 6, 3])
    weights = torch.linspace(0.5, 2, 7)
    logits = torch.randn(5, 7) * 2
    case("cross-entropy", logits, None, lambda x, _: F.cross_entropy(x, targets))
    case("cross-entropy-sum", logits, None, lambda x, _: F.cross_entropy(x, targets, reduction="sum"))
    case("cross-entropy-smoothed", logits, None, lambda x, _: F.cross_entropy(x, targets, label_smoothing=0.1))
    case("cross-entropy-weighted", logits, None,
         lambda x, _: F.cross_entropy(x, targets, weight=weights, label_smoothing=0.2))
    case("cross-entropy-z", logits, None, lambda x, _: F.cross_entropy(x, targets) + 0.01 * torch.logsumexp(
        x, 1)[targets >= 0].square().mean())
    probabilities = torch.rand(4, 6)
    case("binary", torch.randn(4, 6) * 4, probabilities, F.binary_cross_entropy_with_logits)
    case("binary-positive", torch.randn(4, 6) * 4, probabilities,
         lambda x, y: F.binary_cross_entropy_with_logits(x, y, pos_weight=torch.tensor(3.0), reduction="sum"))
    case("squared", torch.randn(4, 6), torch.randn(4, 6), F.mse_loss)
    p = torch.softmax(torch.randn(4, 6), -1)
    p[0] = torch.tensor([0, 0.5, 0, 0.5, 0, 0])
    case("divergence", torch.randn(4, 6), p, lambda x, y: F.kl_div(x.log_softmax(-1), y, reduction="batchmean"))
    case("divergence-sum", torch.randn(4, 6), p, lambda x, y: F.kl_div(x.log_softmax(-1), y, reduction="sum"))
    save_file({k: v.clone().contiguous() for k, v in out.items()}, HERE / "losses.safetensors")


if __name__ == "__main__":
    layers()
    losses()
