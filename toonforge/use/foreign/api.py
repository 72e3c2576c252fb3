"""`toonforge import` from Python."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from toonforge.components import fields_of
from toonforge.errors import Problem, RunError
from toonforge.names import did_you_mean
from toonforge.use.foreign.imported import Imported
from toonforge.use.foreign.naming import network_name
from toonforge.use.foreign.networks import networks, recognised
from toonforge.use.foreign.reading import Foreign, read_foreign
from toonforge.use.foreign.written import write


def import_weights(
    files: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    *,
    architecture: str | None = None,
    options: Mapping[str, Any] | None = None,
    translations: Sequence[str] = (),
    parts: Sequence[str] = (),
    image_size: int | None = None,
    card: Mapping[str, str] | None = None,
    force: bool = False,
) -> tuple[Imported, ...]:
    """Make one model file of networks that other programs trained.

    Args:
        files: of weights: .pth, .pt, .pkl or .ckpt as torch saves them, or .safetensors.
        out: the .safetensors file to write, whole or not at all.
        architecture: a component ("cyclegan/resnet") for a state dict that is not recognised; with `options`, its own.
        options: of the components, in the place of what the tensors tell.
        translations: what the generators translate to, in the order of the generators; "B" for a G_A when left out.
        parts: of a checkpoint that holds several networks, those that are wanted; all when left out.
        image_size: the side of the pictures that they were trained on, in pixels, where it is known.
        card: what else the file is to say of itself: title, license, …
        force: replace what is there.

    Raises:
        RunError: files that cannot be read safely, are not recognised, or lack tensors; `out` is there already.
        RecipeError: options that the component does not have.

    Examples:
        >>> import toonforge, torch
        >>> network = toonforge.generators["cyclegan/unet"](width=8, levels=5).build()
        >>> torch.save(network.state_dict(), "elsewhere.pth")  # what another program has left
        >>> imported: toonforge.Imported
        >>> (imported,) = toonforge.import_weights(
        ...     "elsewhere.pth", "imported.safetensors", architecture="cyclegan/unet", options={"width": 8, "levels": 5}
        ... )
        >>> imported.component
        'cyclegan/unet'
    """
    several = [files] if isinstance(files, str | os.PathLike) else files
    target = Path(out)
    if os.path.lexists(target) and not force:
        raise RunError(Problem(message=f"{target} is there already", hint="overwrite it with --force, or give another"))
    found: list[Imported] = []
    for path in several:
        for each in networks(read_foreign(Path(path)), architecture, dict(options or {}), frozenset(parts)):
            name = network_name(each.path, each.part, type(each.config).kind, [other.name for other in found])
            found.append(attrs.evolve(each, name=name))
    _refuse_unused(options or {}, found)
    write(target, found, translations=translations, image_size=image_size, card=card or {})
    return tuple(found)


def look_into(path: str | os.PathLike[str]) -> tuple[Foreign, Mapping[str, str]]:
    """What a file holds, and what each of its state dicts is taken for."""
    foreign = read_foreign(Path(path))
    guesses: dict[str, str] = {}
    for at, tensors in foreign.parts.items():
        for part, _, layout in recognised(at, tensors):
            guesses[part] = layout.origin if layout else "not recognised"
    return foreign, guesses


def _refuse_unused(options: Mapping[str, Any], found: Sequence[Imported]) -> None:
    """Raise `RunError` for an option that none of the networks has."""
    keys = {key: each.component for each in found for key in fields_of(type(each.config))}
    for option in options:
        if option not in keys:
            components = dict.fromkeys(each.component for each in found)
            raise RunError(
                Problem(
                    message=f"{' and '.join(components) or 'no network'} has no option {option!r}",
                    expected=f"one of {', '.join(sorted(keys))}",
                    hint=did_you_mean(option, keys),
                )
            )
