"""Golden values of attention layers: PyTorch 2's scaled_dot_product_attention with dense masks, and its gradients.

    python gen_attention.py > attention.json

Written with torch 2.15.0 and numpy 2.4.6 in float64.
"""
import json

import numpy as np
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)
rng = np.random.default_rng(0)
N, T, C, H = 2, 11, 6, 2


def mask(kind, block=None):
    q, k = np.arange(T)[:, None], np.arange(T)[None]
    near = np.abs(q // block - k // block) <= 1 if block else np.ones((T, T), bool)
    return near & (k <= q) if kind == "causal" else near


def heads(t):
    return t.reshape(N, T, H, C // H).transpose(1, 2)


def plain(t):
    return t.detach().numpy().ravel().tolist()


cases = []
for kind, block in [("full", None), ("causal", None), ("full", 3), ("causal", 3), ("causal", 4), ("causal", 1)]:
    x, w, o, g = (torch.tensor(rng.normal(size=s), requires_grad=True)
                  for s in [(N, T, C), (C, 3 * C), (C, C), (N, T, C)])
    q, k, v = (heads(t) for t in (x @ w).split(C, dim=-1))
    a = F.scaled_dot_product_attention(q, k, v, attn_mask=torch.from_numpy(mask(kind, block)))
    y = a.transpose(1, 2).reshape(N, T, C) @ o
    (y * g).sum().backward()
    cases.append({"kind": kind, "block": block or 0, "x": plain(x), "qkv": plain(w), "output": plain(o), "g": plain(g),
                  "y": plain(y), "by_x": plain(x.grad), "by_qkv": plain(w.grad), "by_output": plain(o.grad)})
position, i = np.arange(7)[:, None], np.arange(3)[None]
angle = position / 10000.0 ** (2 * i / 6)
waves = np.stack([np.sin(angle), np.cos(angle)], -1).reshape(7, 6)
print(json.dumps({"torch": torch.__version__, "dims": [N, T, C, H], "cases": cases, "positions": waves.ravel().tolist()}))
