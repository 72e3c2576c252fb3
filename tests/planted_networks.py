"""The modules of `tests.planted`, which need torch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import nn


class Network(nn.Module):
    """Two convolutions, and a fault."""

    def __init__(self, width: int, fault: str) -> None:
        super().__init__()
        if fault == "seeds":
            torch.manual_seed(0)
        self.fault = fault
        self.first = nn.Conv2d(3, width, 3, padding=1)
        self.last = nn.Conv2d(width, 3, 3, padding=1)
        if fault == "numpy":
            self.last.bias = nn.Parameter(torch.from_numpy(np.random.rand(3).astype(np.float32) - 0.5))
        if fault == "unused":
            self.idle = nn.Linear(2, 2)
        if fault == "attribute":
            self.scale = torch.rand(1)
        if fault == "no-gradient":
            self.first.bias.requires_grad_(False)
        self.mean, self.calls = 0.0, 0
        self.any_layout = fault in ("views", "views-weights", "strides")
        if fault == "unbounded-from-zero":
            nn.init.zeros_(self.last.weight)
            nn.init.zeros_(self.last.bias)
        if fault == "tied":
            self.second_name = nn.Parameter(self.first.weight.data)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.fault == "changes-input":
            x.clamp_(-0.5, 0.5)
        if self.fault == "changes-input-in-eval" and not self.training:
            x.mul_(0.5)
        y: torch.Tensor = self.last(self.first(x).relu())
        if self.fault == "views":
            y = y.view(len(y) * 3, 1, *y.shape[2:]).view(y.shape)
        if self.fault == "views-weights":
            y = y + 0 * self.last.weight.view(-1).sum()
        if self.fault == "strides":
            y = y * (1 + y.stride(1) % 2)
        if self.fault == "attribute":
            y = y * self.scale
        if self.fault == "tied":
            y = y + self.second_name.sum() * 0
        if self.fault == "draws":
            y = y + 0 * torch.rand_like(y)
        if self.fault == "batch":
            y = y - y.mean(0, keepdim=True)
        if self.fault == "bfloat16":
            y = y * 0.001 / (y * 0 + 1.001 - 1)  # 1.001 is 1 with 8 bits
        if self.fault == "item":
            y = y * (1.0 if float(y.detach().mean()) < 1e9 else 2.0)
        if self.fault == "item-in-training" and self.training:
            y = y * (1.0 if float(y.detach().mean()) < 1e9 else 2.0)
        if self.fault == "running":
            if self.training:
                self.mean = 0.9 * self.mean + 0.1 * (1 + float(y.detach().mean()))
            y = y - self.mean
        if self.fault == "infinite":
            y = y + (0 * self.first.bias).sqrt().sum()
        if self.fault == "counts-calls" and not self.training:
            self.calls += 1
            y = y / self.calls
        if self.fault == "nan-in-eval" and not self.training:
            y = y * float("nan")
        if self.fault == "smaller":
            y = y[..., :-1]
        if self.fault == "by-size":
            y = y * 2 if x.shape[-1] > 70 else y
        if self.fault.startswith("unbounded"):
            return y
        return y * 9 if self.fault == "range" else y.clamp(-1, 1)


class Descent(torch.optim.Optimizer):
    """Gradient descent with momentum, written out."""

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, fault: str) -> None:
        super().__init__([*parameters][:1] if fault == "leaves-out" else parameters, {"lr": lr})
        self.fault, self.rate = fault, lr
        self.outside: dict[int, torch.Tensor] = {}

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            rate = self.rate if self.fault == "own-rate" else group["lr"]
            for number, p in enumerate(group["params"]):
                if p.grad is None:
                    p.mul_(0.9 if self.fault == "moves-all" else 1)
                    continue
                kept = self.outside if self.fault == "outside" else self.state[p]
                key: Any = number if self.fault == "outside" else "momentum"
                kept[key] = 0.5 * kept.get(key, torch.zeros_like(p)) + p.grad
                p.add_(kept[key], alpha=rate if self.fault == "climbs-up" else -rate)
                if self.fault == "draws":
                    p.add_(torch.rand_like(p), alpha=1e-12 * rate)
