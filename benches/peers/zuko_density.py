"""Held-out log-likelihood of zuko's flows on a table: the twin of `examples/density.rs --data FOLDER`.

    PYTHON benches/peers/zuko_density.py FOLDER [STEPS] [SEED]

The same rows (features and target of the first split, standardised by its training rows), sizes (six layers, networks of
two layers of 64 units), batches of 256, Adam from 3e-3 along a cosine, gradients clipped to a norm of 10; a tenth of
the training rows, looked at every 50 steps, chooses the parameters that are kept. Prints the mean log-likelihood of the
held-out rows in nats and its standard error. Written for zuko 1.6.0 and torch 2.
"""
import copy
import sys
from pathlib import Path

import numpy as np
import torch
import zuko

folder, steps, seed = Path(sys.argv[1]), int((sys.argv[2:] or [2000])[0]), int((sys.argv[3:] or [0])[0])
data = np.loadtxt(folder / "data.txt", ndmin=2)
features = np.loadtxt(folder / "index_features.txt", ndmin=1).astype(int)
target = np.loadtxt(folder / "index_target.txt", ndmin=1).astype(int)
held_out = [int(row) for row in (folder / "test_rows.txt").read_text().splitlines()[0].split()]
rows = data[:, np.concatenate([features, target])]
kept = np.setdiff1d(np.arange(len(rows)), held_out)
mean, sd = rows[kept].mean(0), rows[kept].std(0)
train, test = (torch.tensor((rows[at] - mean) / sd, dtype=torch.float32) for at in (kept, held_out))
order = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))
train, validation = train[order[len(train) // 10:]], train[order[: len(train) // 10]]
width = train.shape[1]

FLOWS = {
    "maf": lambda: zuko.flows.MAF(width, transforms=6, hidden_features=(64, 64)),
    "spline": lambda: zuko.flows.NSF(width, transforms=6, hidden_features=(64, 64), passes=2),
    "autoregressive spline": lambda: zuko.flows.NSF(width, transforms=6, hidden_features=(64, 64)),
}
for name, make in FLOWS.items():
    torch.manual_seed(seed)
    flow = make()
    adam = torch.optim.Adam(flow.parameters(), lr=3e-3)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
    order = torch.randperm(len(train))
    place, best, least = 0, None, float("inf")
    for step in range(1, steps + 1):
        if place + 256 > len(train):
            order, place = torch.randperm(len(train)), 0
        batch = train[order[place:place + 256]]
        place += 256
        loss = -flow().log_prob(batch).mean()
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(flow.parameters(), 10.0)
        adam.step()
        cosine.step()
        if step % 50 == 0 or step == steps:
            with torch.no_grad():
                loss = -flow().log_prob(validation).mean().item()
            if loss < least:
                best, least = copy.deepcopy(flow.state_dict()), loss
    flow.load_state_dict(best)
    with torch.no_grad():
        log_prob = flow().log_prob(test).double()
    error = log_prob.std().item() / len(test) ** 0.5
    count = sum(p.numel() for p in flow.parameters())
    print(f"zuko {name}: {log_prob.mean().item():.4f} +- {error:.4f} nats, {count} parameters", flush=True)
