"""Writes conv.json: convolutions and pools with their gradients, in float64 and channels-last layout.

Run: python tests/golden/gen_conv.py
Made with Python 3.11, NumPy 2.4.6, PyTorch 2.15.0.
"""

import json
import pathlib

import numpy as np
import torch
import torch.nn.functional as F

rng = np.random.default_rng(0)


def pads(case):
    """Padding in front of and behind each axis."""
    out = []
    for axis, n in enumerate(case["input"][1:-1]):
        k, s, d = case["kernel"][axis], case["strides"][axis], case["dilation"][axis]
        span = (k - 1) * d + 1
        match case["padding"]:
            case "valid":
                out.append((0, 0))
            case "causal":
                out.append((span - 1, 0))
            case "same":  # the formula in the documentation of tf.nn.convolution
                total = max((-(-n // s) - 1) * s + span - n, 0)
                out.append((total // 2, total - total // 2))
            case [before, after]:
                out.append((before[axis], after[axis]))
    return out


def numbers(*shape):
    return torch.tensor(rng.integers(-999, 1000, shape) / 500.0, dtype=torch.float64)


def listed(x):
    return [float(f"{v:.15g}") for v in x.detach().reshape(-1).tolist()]


def channels_first(x):
    return x.movedim(-1, 1)


def padded(x, case, value=0.0):
    flat = [p for before, after in reversed(pads(case)) for p in (before, after)]
    return F.pad(channels_first(x), flat, value=value)


def conv(case):
    rank, groups = len(case["kernel"]), case["groups"]
    x = numbers(*case["input"]).requires_grad_()
    w = numbers(*case["kernel"], case["input"][-1] // groups, case["out_channels"]).requires_grad_()
    f = F.conv1d if rank == 1 else F.conv2d
    weight = w.movedim(-1, 0).movedim(-1, 1)
    out = f(padded(x, case), weight, stride=case["strides"], dilation=case["dilation"], groups=groups)
    return finish(case, out, {"x": x, "weights": w})


def pool(case):
    """Maxima and means over unfolded windows: torch's own pools know symmetric padding only."""
    rank = len(case["kernel"])
    x = numbers(*case["input"]).requires_grad_()

    def windows(image, value):
        y = image if rank == 2 else image.unsqueeze(2)
        flat = [p for before, after in reversed(pads(case)) for p in (before, after)]
        y = F.pad(y, flat, value=value)
        one = [1] if rank == 1 else []
        for axis, (k, s, d) in enumerate(zip(one + case["kernel"], one + case["strides"], one + case["dilation"])):
            span = (k - 1) * d + 1
            y = y.unfold(2 + axis, span, s)[..., ::d]
        return y.flatten(4)

    image = channels_first(x)
    if case["op"] == "max":
        out = windows(image, -torch.inf).max(-1).values
    else:
        out = windows(image, 0.0).sum(-1) / windows(torch.ones_like(image), 0.0).sum(-1)
    return finish(case, out if rank == 2 else out.squeeze(2), {"x": x})


def finish(case, out, inputs):
    out = out.movedim(1, -1)
    g = numbers(*out.shape)
    out.backward(g)
    gradients = {f"grad_{name}": listed(value.grad) for name, value in inputs.items()}
    values = {name: listed(value) for name, value in inputs.items()}
    return case | {"output": list(out.shape), "out": listed(out), "grad_out": listed(g)} | values | gradients


def case(op, input, kernel, strides=None, dilation=None, groups=1, padding="valid", out_channels=None):
    ones = [1] * len(kernel)
    return {
        "op": op, "input": input, "kernel": kernel, "strides": strides or ones, "dilation": dilation or ones,
        "groups": groups, "padding": padding, "out_channels": out_channels or input[-1],
    }


CONVS = [
    case("conv", [2, 5, 7, 3], [3, 2], out_channels=4),
    case("conv", [2, 6, 5, 2], [3, 3], padding="same", out_channels=3),
    case("conv", [1, 7, 6, 3], [5, 4], strides=[2, 3], padding="same", out_channels=2),
    case("conv", [1, 8, 9, 2], [3, 2], strides=[3, 2], dilation=[2, 3], padding="same", out_channels=2),
    case("conv", [1, 5, 6, 2], [2, 3], strides=[2, 1], padding=[[0, 3], [2, 1]], out_channels=3),
    case("conv", [1, 9, 4, 1], [1, 2], strides=[4, 3], out_channels=2),
    case("conv", [2, 4, 5, 4], [3, 2], groups=2, strides=[1, 2], padding="same", out_channels=6),
    case("conv", [1, 5, 5, 3], [3, 3], groups=3, strides=[2, 1], padding="same", out_channels=3),
    case("conv", [1, 4, 6, 2], [2, 3], groups=2, dilation=[1, 2], padding=[[1, 2], [1, 0]], out_channels=6),
    case("conv", [2, 9, 3], [4], out_channels=2),
    case("conv", [2, 8, 2], [3], strides=[2], padding="same", out_channels=3),
    case("conv", [1, 9, 2], [3], dilation=[2], padding="causal", out_channels=2),
    case("conv", [1, 10, 4], [3], strides=[3], dilation=[2], groups=2, padding=[[3], [2]], out_channels=4),
]
POOLS = [
    case(op, input, kernel, **more)
    for op in ("max", "mean")
    for input, kernel, more in [
        ([2, 5, 6, 3], [2, 3], {"strides": [2, 3]}),
        ([1, 7, 5, 2], [3, 2], {"strides": [2, 1], "padding": "same"}),
        ([1, 6, 7, 2], [2, 2], {"strides": [1, 2], "dilation": [2, 3], "padding": [[1, 0], [0, 2]]}),
        ([2, 9, 2], [4], {"strides": [3], "padding": "same"}),
        ([1, 6, 3], [3], {"padding": "causal"}),
    ]
]

if __name__ == "__main__":
    golden = [conv(c) for c in CONVS] + [pool(c) for c in POOLS]
    text = "[\n" + ",\n".join(json.dumps(c) for c in golden) + "\n]\n"
    pathlib.Path(__file__).with_name("conv.json").write_text(text)
