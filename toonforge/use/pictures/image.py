"""Pillow's images through a model, with all that they keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from toonforge.errors import Problem, RunError
from toonforge.use.look import Look
from toonforge.use.pictures.computing import compute
from toonforge.use.pictures.original import original_of

if TYPE_CHECKING:
    from PIL import Image

    from toonforge.use.model import Model


def translate_image(model: Model, image: Image.Image, to: str | None, look: Look) -> Image.Image:
    """The translation of an image of any mode: upright, RGB or RGBA, with its RGB profile and what is true of its EXIF.

    Raises:
        RunError: for an image of no pixels, or with values of no known range; as `Model.compute`.
    """
    from PIL import Image

    if 0 in image.size:
        raise RunError(Problem(message="the picture has no pixels", found=f"{image.width}x{image.height}"))
    try:
        original = original_of(image)
    except (ValueError, OSError) as error:
        raise RunError(Problem(message="the picture cannot be used", found=str(error))) from error
    model.choose(to)
    (made,) = compute(model, [original], to, look)
    if isinstance(made, Exception):
        raise made
    translated = Image.fromarray(made)
    if original.alpha is not None:
        translated.putalpha(Image.fromarray(original.alpha))
    for key, value in (("icc_profile", original.profile), ("exif", original.exif)):
        if value is not None:
            translated.info[key] = value
    return translated
