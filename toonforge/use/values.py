"""Arrays and tensors as batches for a model, and back: what is no picture in them is told before it is translated."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from toonforge.data.transforms import normalised, to_bytes
from toonforge.errors import Problem, RunError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

EXPECTED = (
    "a Pillow image; an array of H,W,3, N,H,W,3 or H,W (uint8, or floats in [0, 1]); a tensor of 3,H,W or N,3,H,W "
    "(floats in [-1, 1])"
)
_SLACK = 1e-3
"""So far may values lie outside of their range, as rounding leaves them; they are clipped."""


def batch_of_array(array: npt.NDArray[Any]) -> Tensor:
    """N,3,H,W in [-1, 1] of H,W,3, N,H,W,3 or H,W; uint8, or floats in [0, 1]."""
    import numpy as np
    import torch

    grey = array.ndim == 2
    if not (grey or (array.ndim in (3, 4) and array.shape[-1] == 3)) or 0 in array.shape:
        hint = None
        if array.ndim in (3, 4) and array.shape[-1] == 4:
            hint = "a Pillow image keeps its transparency: model(Image.fromarray(array))"
        elif array.ndim in (3, 4) and 3 in (array.shape[0], array.shape[-3]):
            hint = "channels come last in arrays: np.moveaxis(array, -3, -1)"
        raise _refused(f"an array of {_sizes(array.shape)} is no picture", hint=hint)
    rows = np.repeat(array[..., None], 3, -1) if grey else array
    rows = rows if rows.ndim == 4 else rows[None]
    if rows.dtype == np.uint8:  # copied: an image's own memory may not be written to
        return normalised(torch.from_numpy(np.array(rows, order="C")).permute(0, 3, 1, 2))
    if not np.issubdtype(rows.dtype, np.floating):
        raise _refused(f"an array of {array.dtype} is no picture", hint="uint8, or floats in [0, 1]")
    lowest, highest = float(rows.min()), float(rows.max())
    hint = "of -1 to 1, give a tensor" if lowest < 0 else "of 0 to 255, give uint8: array.astype(np.uint8)"
    _refuse_outside(lowest, highest, (0, 1), hint)
    values = torch.from_numpy(np.array(rows, np.float32, order="C")).permute(0, 3, 1, 2)
    return (values * 2 - 1).clamp(-1, 1)


def as_array(batch: Tensor, like: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The batch as an array of the dtype and the shape of `like`; of H,W it is H,W,3."""
    import numpy as np

    rows = batch.permute(0, 2, 3, 1).cpu()
    made: npt.NDArray[np.generic]
    if like.dtype == np.uint8:
        made = to_bytes(rows).numpy()
    else:
        made = ((rows + 1) / 2).numpy().astype(like.dtype)
    return made if like.ndim == 4 else made[0]


def batch_of_tensor(tensor: Tensor) -> Tensor:
    """N,3,H,W of float32 in [-1, 1] of 3,H,W or N,3,H,W; on the same device."""
    if tensor.ndim not in (3, 4) or tensor.shape[-3] != 3 or 0 in tensor.shape:
        last = tensor.ndim in (3, 4) and tensor.shape[-1] == 3
        hint = "channels come first in tensors: tensor.movedim(-1, -3)" if last else None
        raise _refused(f"a tensor of {_sizes(tensor.shape)} is no picture", hint=hint)
    if not tensor.is_floating_point():
        name = str(tensor.dtype).removeprefix("torch.")
        raise _refused(f"a tensor of {name} is no picture", hint="of 0 to 255: tensor / 127.5 - 1")
    tensor = tensor.detach()
    lowest, highest = float(tensor.min()), float(tensor.max())
    _refuse_outside(lowest, highest, (-1, 1), "of 0 to 255: tensor / 127.5 - 1")
    values = tensor if tensor.ndim == 4 else tensor[None]
    return values.float().clamp(-1, 1)


def as_tensor(batch: Tensor, like: Tensor) -> Tensor:
    """The batch as a tensor of the dtype and the shape of `like`."""
    made = batch.to(like.dtype)
    return made if like.ndim == 4 else made[0]


def same_array(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """A copy of what is translated to itself; of H,W it is H,W,3."""
    import numpy as np

    return np.repeat(array[..., None], 3, -1) if array.ndim == 2 else array.copy()


def no_picture(thing: object) -> RunError:
    """The error for a thing of another type."""
    hint = None
    if isinstance(thing, list | tuple):
        hint = "one by one: [model(picture) for picture in pictures]"
    elif isinstance(thing, str) or hasattr(thing, "__fspath__"):
        hint = "open it first: model(Image.open(path))"
    return _refused(f"{type(thing).__name__} is no picture", hint=hint)


def _refuse_outside(lowest: float, highest: float, allowed: tuple[int, int], hint: str) -> None:
    low, high = allowed
    if not (lowest >= low - _SLACK and highest <= high + _SLACK):  # nor where a value is no number
        found = f"from {lowest:.4g} to {highest:.4g}"
        if not (math.isfinite(lowest) and math.isfinite(highest)):  # no other range would make them a picture
            raise RunError(Problem(message="some values are no finite numbers", key="picture", found=found))
        raise RunError(Problem(message=f"values are not in [{low}, {high}]", key="picture", found=found, hint=hint))


def _refused(message: str, hint: str | None = None) -> RunError:
    return RunError(Problem(message=message, key="picture", expected=EXPECTED, hint=hint))


def _sizes(shape: Any) -> str:
    return ", ".join(map(str, shape)) or "no dimensions"
