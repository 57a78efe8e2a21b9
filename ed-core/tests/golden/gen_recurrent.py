"""Writes recurrent.json: LSTM and GRU sequences with all gradients from PyTorch, in double precision.

Weights are transposed to [features, gates · units]; PyTorch's GRU order r, z, n becomes z, r, n.
The loss is Σ cos(0.3 + 0.7 i) y_i over the numbers of the outputs, then of the last states.

Run: python tests/golden/gen_recurrent.py
Made with Python 3.11, PyTorch 2.15.0.
"""

import json
import pathlib

import torch

BATCH, STEPS, INPUTS, UNITS = 3, 4, 2, 5


def columns(weight, order):
    """[gates · units, …] as […, gates · units] with the gates in another order."""
    blocks = weight.detach().reshape(len(order), UNITS, -1)[order].reshape(len(order) * UNITS, -1)
    return blocks.t().squeeze(0)


def weighted(x):
    return (x.flatten() * torch.cos(0.3 + 0.7 * torch.arange(x.numel()))).sum()


def case(kind, order, num_states):
    torch.manual_seed(7)
    net = kind(INPUTS, UNITS, batch_first=True)
    x = torch.randn(BATCH, STEPS, INPUTS, requires_grad=True)
    state = [torch.randn(1, BATCH, UNITS, requires_grad=True) for _ in range(num_states)]
    hidden, last = net(x, tuple(state) if num_states > 1 else state[0])
    last = list(last) if num_states > 1 else [last]
    (weighted(hidden) + weighted(torch.cat(last))).backward()
    weights = [net.weight_ih_l0, net.weight_hh_l0, net.bias_ih_l0, net.bias_hh_l0]
    flat = lambda tensors: [t.detach().flatten().tolist() for t in tensors]
    return {
        "x": x.detach().flatten().tolist(),
        "initial": flat(state),
        "weights": flat(columns(w, order) for w in weights),
        "hidden": hidden.detach().flatten().tolist(),
        "last": flat(last),
        "d_x": x.grad.flatten().tolist(),
        "d_initial": flat(s.grad for s in state),
        "d_weights": flat(columns(w.grad, order) for w in weights),
    }


if __name__ == "__main__":
    torch.set_default_dtype(torch.float64)
    golden = {
        "sizes": [BATCH, STEPS, INPUTS, UNITS],
        "lstm": case(torch.nn.LSTM, [0, 1, 2, 3], 2),
        "gru": case(torch.nn.GRU, [1, 0, 2], 1),
    }
    pathlib.Path(__file__).with_name("recurrent.json").write_text(json.dumps(golden) + "\n")
