"""Whether a weights file holds the network that it names: known before any memory is taken for it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from toonforge.components import NetworkComponent
from toonforge.errors import Problem, RunError
from toonforge.weights.described import Weights

if TYPE_CHECKING:
    import torch


def does_not_fit(weights: Weights, found: str) -> RunError:
    """The error for a file whose tensors are not those of its network."""
    return RunError(
        Problem(
            message=f"{weights.path} does not fit {weights.component.get('type')!r}",
            found=found,
            hint="another version of its plugin may have made it: see lock.json in the run's folder",
        )
    )


SPARE_NUMBERS, SPARE_PARTS = 200_000_000, 2_000
"""How many parameters' numbers, and parameters, a network may build besides those in its file."""


class _TooLarge(Exception):
    """A network that is far larger than its file."""


def refuse_other_shapes(config: NetworkComponent, weights: Weights) -> None:
    """Raise `RunError` where the network is not the one in the file, before any memory is taken for it.

    A few bytes in a file can ask for a network of any size. So it is built without memory first, and no further than
    the file could fill it. Networks that cannot be built so are left to what follows.
    """
    import torch
    from safetensors import safe_open
    from torch.nn.modules.module import register_module_parameter_registration_hook
    from torch.overrides import TorchFunctionMode

    with safe_open(weights.path, framework="pt") as file:
        names = [name for name in file.keys() if name.startswith(weights.prefix)]  # noqa: SIM118 -- no mapping
        held = {name.removeprefix(weights.prefix): tuple(file.get_slice(name).get_shape()) for name in names}
    # Some build more than they keep, such as all of a network whose first layers are wanted.
    numbers, parts = 2 * sum(map(math.prod, held.values())) + SPARE_NUMBERS, 2 * len(held) + SPARE_PARTS

    def count(module: object, name: str, parameter: torch.nn.Parameter | None) -> None:
        nonlocal numbers, parts
        numbers, parts = numbers - (parameter.numel() if parameter is not None else 0), parts - 1
        if min(numbers, parts) < 0:
            raise _TooLarge

    class Quick(TorchFunctionMode):
        """Draws no numbers: without memory there are none, and torch would import a second's worth of code for it."""

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return args[0] if func is torch.Tensor.normal_ else func(*args, **(kwargs or {}))

    hook = register_module_parameter_registration_hook(count)
    try:
        with torch.device("meta"), Quick():
            wanted = {name: tuple(value.shape) for name, value in config.build().state_dict().items()}
    except _TooLarge:
        raise does_not_fit(weights, "a network that is far larger than the file") from None
    except (RuntimeError, TypeError, NotImplementedError):  # its code wants the values of what it builds
        return
    finally:
        hook.remove()
    for name in wanted:
        if held.get(name) != wanted[name]:
            found = f"{list(held[name])} in the file" if name in held else "not in the file"
            raise does_not_fit(weights, f"{name}: {list(wanted[name])} in the network, {found}")
