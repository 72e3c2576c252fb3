"""The core's optimizers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from toonforge.components import Optimizer, component, param

if TYPE_CHECKING:
    import torch
    from torch import nn

__all__ = ["Adam", "AdamW", "RMSprop", "SGD"]


@component
class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015)."""

    lr: float = param(2e-4, doc="learning rate", source="CycleGAN, section 4", above=0)
    betas: tuple[float, float] = param(
        (0.5, 0.999), doc="decay of the gradient's and its square's mean", at_least=0, below=1, source="CycleGAN code"
    )
    eps: float = param(1e-8, doc="added to the denominator", above=0)
    weight_decay: float = param(0.0, doc="L2 penalty added to the gradient", at_least=0)

    def build(self, parameters: Iterator[nn.Parameter]) -> torch.optim.Optimizer:
        """`torch.optim.Adam` over the parameters."""
        from torch.optim import Adam as TorchAdam

        return TorchAdam(parameters, lr=self.lr, betas=self.betas, eps=self.eps, weight_decay=self.weight_decay)


@component
class AdamW(Optimizer):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019)."""

    lr: float = param(2e-4, doc="learning rate", above=0)
    betas: tuple[float, float] = param(
        (0.5, 0.999), doc="decay of the gradient's and its square's mean", at_least=0, below=1
    )
    eps: float = param(1e-8, doc="added to the denominator", above=0)
    weight_decay: float = param(1e-2, doc="share of each weight taken away a step, times lr", at_least=0)

    def build(self, parameters: Iterator[nn.Parameter]) -> torch.optim.Optimizer:
        """`torch.optim.AdamW` over the parameters."""
        from torch.optim import AdamW as TorchAdamW

        return TorchAdamW(parameters, lr=self.lr, betas=self.betas, eps=self.eps, weight_decay=self.weight_decay)


@component
class RMSprop(Optimizer):
    """RMSprop, without momentum by default."""

    lr: float = param(2e-4, doc="learning rate", above=0)
    alpha: float = param(0.99, doc="decay of the squared gradient's mean", at_least=0, below=1)
    eps: float = param(1e-8, doc="added to the denominator", above=0)
    weight_decay: float = param(0.0, doc="L2 penalty added to the gradient", at_least=0)
    momentum: float = param(0.0, doc="share of the last update that is repeated", at_least=0, below=1)

    def build(self, parameters: Iterator[nn.Parameter]) -> torch.optim.Optimizer:
        """`torch.optim.RMSprop` over the parameters."""
        from torch.optim import RMSprop as TorchRMSprop

        return TorchRMSprop(
            parameters,
            lr=self.lr,
            alpha=self.alpha,
            eps=self.eps,
            weight_decay=self.weight_decay,
            momentum=self.momentum,
        )


@component
class SGD(Optimizer):
    """Stochastic gradient descent."""

    lr: float = param(1e-2, doc="learning rate", above=0)
    momentum: float = param(0.0, doc="share of the last update that is repeated", at_least=0, below=1)
    weight_decay: float = param(0.0, doc="L2 penalty added to the gradient", at_least=0)

    def build(self, parameters: Iterator[nn.Parameter]) -> torch.optim.Optimizer:
        """`torch.optim.SGD` over the parameters."""
        from torch.optim import SGD as TorchSGD

        return TorchSGD(parameters, lr=self.lr, momentum=self.momentum, weight_decay=self.weight_decay)
