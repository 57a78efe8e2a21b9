"""Golden values of the optimisers and learning rate schedules, from PyTorch.

Run: python gen_optimizers.py > optimizers.json
"""
import json
import torch

torch.set_default_dtype(torch.float64)


def five_steps(make, clip=None):
    x = torch.tensor([1.0, -2.0, 0.5], requires_grad=True)
    optimizer = make([x])
    for _ in range(5):
        optimizer.zero_grad()
        (x.cos() + x**2 / 2).sum().backward()
        if clip:
            clip([x])
        optimizer.step()
    return x.tolist()


def rates(make):
    x = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([x], lr=0.1)
    scheduler = make(optimizer)
    out = []
    for _ in range(20):
        out.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return out


schedulers = torch.optim.lr_scheduler
sgd = lambda p: torch.optim.SGD(p, lr=0.1)
print(json.dumps({
    "torch": torch.__version__,
    "adam": five_steps(lambda p: torch.optim.Adam(p, lr=0.1)),
    "adamw": five_steps(lambda p: torch.optim.AdamW(p, lr=0.05, betas=(0.8, 0.95), eps=1e-3, weight_decay=0.1)),
    "sgd": five_steps(sgd),
    "momentum": five_steps(lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9)),
    "clip_norm": five_steps(sgd, lambda p: torch.nn.utils.clip_grad_norm_(p, 0.5)),
    "clip_value": five_steps(sgd, lambda p: torch.nn.utils.clip_grad_value_(p, 0.2)),
    "cosine": rates(lambda o: schedulers.CosineAnnealingLR(o, T_max=20)),
    "exponential": rates(lambda o: schedulers.ExponentialLR(o, gamma=0.5**0.25)),
    "piecewise": rates(lambda o: schedulers.MultiStepLR(o, milestones=[5, 12], gamma=0.1)),
    "one_cycle": rates(lambda o: schedulers.OneCycleLR(o, max_lr=0.1, total_steps=20, cycle_momentum=False)),
}, indent=1))
