"""Pictures as users hold them, as batches of tensors, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")


def as_batch(picture: Any) -> Tensor:
    """N,3,H,W in [-1, 1] of a Pillow image, an array or a tensor."""
    import numpy as np
    import torch
    from PIL import Image

    if isinstance(picture, torch.Tensor):
        return picture if picture.ndim == 4 else picture[None]
    if isinstance(picture, Image.Image):
        picture = np.asarray(picture.convert("RGB"))
    values = torch.from_numpy(np.array(picture if picture.ndim == 4 else picture[None])).permute(0, 3, 1, 2)
    return values.float() / 127.5 - 1 if values.dtype == torch.uint8 else values.float() * 2 - 1


def like(picture: T, batch: Tensor) -> T:
    """The batch as the kind of thing that `picture` is."""
    import numpy as np
    import torch
    from PIL import Image

    if isinstance(picture, torch.Tensor):
        return cast(T, batch if picture.ndim == 4 else batch[0])
    rows = batch.permute(0, 2, 3, 1).cpu()
    if isinstance(picture, Image.Image):
        return cast(T, Image.fromarray(((rows[0] + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).numpy()))
    assert isinstance(picture, np.ndarray)
    floats = picture.dtype != np.uint8
    values = (rows + 1) / 2 if floats else ((rows + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
    return cast(T, values.numpy().reshape(picture.shape))
