"""The model file of imported networks: which translations it offers, and what it says of where it comes from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from toonforge.errors import Problem, RunError
from toonforge.names import is_identifier
from toonforge.recipe.expr import Expr
from toonforge.registries import ops
from toonforge.use.foreign.naming import INPUT, domain_of
from toonforge.weights.described import LARGEST_SIDE
from toonforge.weights.model_file import Part, write_model

if TYPE_CHECKING:
    from toonforge.use.foreign.imported import Imported

RGB = 3


def write(
    path: Path,
    networks: Sequence[Imported],
    *,
    translations: Sequence[str],
    image_size: int | None,
    card: Mapping[str, str],
) -> None:
    """Write the networks into one model file.

    Args:
        translations: what the generators translate to, in their order.
        image_size: the side of the pictures that they were trained on, where it is known.
        card: what else the file is to say of itself.

    Raises:
        RunError: an `image_size` or names that cannot be, more or fewer names than there are generators, and files
            that cannot be written.
    """
    if image_size is not None and not 1 <= image_size <= LARGEST_SIDE:
        raise RunError(
            Problem(
                message="image_size is the side of pictures in pixels",
                found=str(image_size) if abs(image_size) < 10**18 else "far more",
                expected=f"1 to {LARGEST_SIDE:,}",
            )
        )
    sizes = [each.image_size for each in networks if each.image_size is not None]
    about = {
        "source": _each(networks, lambda each: each.path.name + (f", {each.part}" if each.part else "")),
        "sha256": _each(networks, lambda each: each.sha256),
        "origin": _each(networks, lambda each: each.origin),
    }
    try:
        write_model(
            path,
            {each.name: Part(config=each.config, state=each.state) for each in networks},
            translations=expressions(networks, translations),
            recipe=path.stem,
            image_size=image_size or (sizes[0] if sizes else None),
            card={**about, **card},
        )
    except OSError as error:
        raise RunError(Problem(message=f"cannot write {path}", found=error.strerror or str(error))) from None


def _each(networks: Sequence[Imported], text: Callable[[Imported], str]) -> str:
    """One text where it is that of all networks, else one for each."""
    texts = {each.name: text(each) for each in networks}
    if len(set(texts.values())) == 1:
        return next(iter(texts.values()))
    return "; ".join(f"{name}: {value}" for name, value in texts.items())


def expressions(networks: Sequence[Imported], domains: Sequence[str]) -> dict[str, Expr]:
    """Domain -> the generator that translates to it, of those that take pictures of three channels."""
    generators = [each.name for each in networks if each.config.kind == "generators"]
    if domains and len(domains) != len(generators):
        raise RunError(
            Problem(
                message="as many translations are named as there are generators",
                found=f"{', '.join(domains)} for {', '.join(generators) or 'no generator'}",
                hint="--translation is given once for each generator, in their order",
            )
        )
    names = list(domains) or [domain_of(name) for name in generators]
    if len(set(names)) < len(names):
        raise RunError(
            Problem(
                message="two translations would have one name",
                found=", ".join(names),
                hint="name them, in the order of the generators: " + " ".join(f"--translation {n}" for n in "xy"),
            )
        )
    for name in names:
        if not is_identifier(name):
            raise RunError(
                Problem(message=f"a translation cannot be called {name!r}", expected="a word, such as anime")
            )
    two = len(names) == 2 and not {*names} & ({each.name for each in networks} | set(ops))
    sources = list(reversed(names)) if two else [INPUT] * len(names)
    channels = {each.name: getattr(each.config, "in_channels", None) or RGB for each in networks}
    return {
        name: Expr.parse(f"{generator}({source})")
        for name, source, generator in zip(names, sources, generators, strict=True)
        if channels[generator] == RGB
    }
