"""Exports a model: writes one file, runs it, compares it with the model, and only then gives it its name."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from toonforge.errors import Problem, RunError
from toonforge.files import beside
from toonforge.use.export.card import card_of_run
from toonforge.use.export.comparing import LIMIT, Comparison, compare, sizes
from toonforge.use.export.formats import Format, Target, refuse_targets, target_of

if TYPE_CHECKING:
    from torch import Tensor

    from toonforge.use.model import Model

Progress = Callable[[str, int, int], None]
"""Is told what is being done, and how many of how many steps are done."""


@attrs.frozen(kw_only=True)
class Exported:
    """One file that was written.

    Attributes:
        path, format: of the file.
        translations: the domains that it translates to.
        size: in bytes.
        comparisons: with the model, one of each size (and translation) that the model takes.
        decided: where, in which file and line, a network's code decided by a number while it was written down. The
            decision holds for every picture now; sizes that were not compared may come out wrong.
    """

    path: Path
    format: Format
    translations: tuple[str, ...]
    size: int
    comparisons: tuple[Comparison, ...]
    decided: tuple[str, ...] = ()

    @property
    def difference(self) -> float:
        """The largest, of numbers in [-1, 1]."""
        return max((each.difference for each in self.comparisons if each.difference is not None), default=0.0)


def export(
    model: Model | str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    to: str | None = None,
    format: Format | None = None,
    checkpoint: str | int | None = None,
    half: bool = False,
    limit: float = LIMIT,
    card: Mapping[str, str] | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Exported:
    """Write a trained model as one file that stands alone, and check that it does what the model does.

    Args:
        model: from `toonforge.load`, or what that takes.
        path: where to; its ending says the format: .safetensors, .onnx or .pt2.
        to: the domain to translate to. ONNX files and programs hold one translation, the first by default; a
            .safetensors file holds all when it is left out.
        format: "safetensors", "onnx" or "torch", where the ending does not say it.
        checkpoint: see `toonforge.load`.
        half: keep the weights of a .safetensors file in 16 bits.
        limit: how large a difference passes that `half` makes, of numbers in [-1, 1]; any other difference is a fault.
        card: what is to be said of the model: title, description, license, credit, … None of what it says already is
            lost; an empty text takes it away.
        force: replace a file that is there.
        progress: is told how far it is.

    Returns:
        What was written, with the largest differences.

    Raises:
        RunError: for a file that is there or cannot be written; for a model that is none or cannot be exported in this
            format; where what was exported differs from the model by more than 1e-3, or `limit`.
        ToonforgeError: for a package that is not installed.

    Examples:
        >>> import toonforge
        >>> written: toonforge.Exported = toonforge.export("runs/small", "small.safetensors")
        >>> written.format, written.translations, written.difference
        ('safetensors', ('drawing',), 0.0)
    """
    target = target_of(Path(path), format)
    refuse_targets([target], force, half, limit)
    from toonforge.use.model import Model, load

    loaded = model if isinstance(model, Model) else load(Path(model), checkpoint=checkpoint, cpu=True)
    return export_to(loaded, target, to, half=half, limit=limit, card=card or {}, progress=progress)


def export_to(
    model: Model,
    target: Target,
    to: str | None,
    *,
    half: bool = False,
    limit: float = LIMIT,
    card: Mapping[str, str] = {},
    progress: Progress | None = None,
) -> Exported:
    """As `export`, of a model that is loaded, to a target that nothing speaks against."""
    model.choose(to)
    domains = _domains(model, target.format, to)
    said = {name: text for name, text in {**card_of_run(model), **model.card, **card}.items() if text}
    side = model.image_size or 64
    done, total = 0, 1 + len(domains) * len(sizes(side))

    def step(what: str) -> None:
        nonlocal done
        if progress is not None:
            progress(what, done, total)
        done += 1

    comparisons: list[Comparison] = []
    try:
        with beside(target.path, flush=True) as partial:
            step(f"write {target.path.name}")
            readers, asked = _write(model, target, partial, domains, said, half)
            for domain, run in readers.items():
                step(f"compare {target.path.name} with the model")
                found = compare(lambda batch, to=domain: model.compute(batch, to), run, side, str(target.path), limit)  # type: ignore[misc]
                for comparison in _explained(found, asked):
                    comparisons.append(comparison)
                    step(f"compare {target.path.name} with the model")
            size = partial.stat().st_size
    except OSError as error:
        raise RunError(Problem(message=f"cannot write {target.path}", found=error.strerror or str(error))) from error
    return Exported(
        path=target.path,
        format=target.format,
        translations=tuple(domains),
        size=size,
        comparisons=tuple(comparisons),
        decided=tuple(asked),
    )


def _domains(model: Model, format: Format, to: str | None) -> Sequence[str]:
    """Which translations the file holds."""
    if to is not None:
        return [to]
    domains = list(model.translations)
    return domains if format == "safetensors" else domains[:1]


def _write(
    model: Model, target: Target, partial: Path, domains: Sequence[str], card: Mapping[str, str], half: bool
) -> tuple[Mapping[str, Callable[[Tensor], Tensor]], Sequence[str]]:
    """Write the file; returns what reads it, by domain, and what was asked of it while it was traced."""
    if target.format == "safetensors":
        return _write_model_file(model, partial, domains, card, half), ()
    from toonforge.use.export import onnx_file, program
    from toonforge.use.export.translator import Translator

    (to,) = domains
    try:
        translator = Translator(model, to)
    except Exception as error:  # of a component's own code
        kind = "ONNX" if target.format == "onnx" else "a torch.export program"
        raise onnx_file.cannot(kind, model.choose(to), error) from error
    about = _about(model, translator.source, to, card)
    if target.format == "onnx":
        asked = onnx_file.write(translator, partial, to, about)
        return {to: onnx_file.reader(partial, translator)}, asked
    program.write(translator, partial, about)
    return {to: program.reader(partial, translator)}, ()


def _write_model_file(
    model: Model, partial: Path, domains: Sequence[str], card: Mapping[str, str], half: bool
) -> Mapping[str, Callable[[Tensor], Tensor]]:
    from toonforge.use.export.model_file import write
    from toonforge.use.model import load

    write(model, partial, domains, card, half)
    written = load(partial, cpu=True)
    return {domain: lambda pictures, to=domain: written.compute(pictures, to) for domain in domains}  # type: ignore[misc]


def _about(model: Model, source: str, to: str, card: Mapping[str, str]) -> dict[str, str]:
    """What an ONNX file or a program says of itself: texts by name."""
    from toonforge import __version__

    about = {
        "kind": "translator",
        "from": source,
        "to": to,
        "translation": model.choose(to).text,
        "recipe": model.recipe,
        "step": model.step,
        "image_size": model.image_size,
        "value_range": [-1, 1],
        "layout": "N,3,H,W, RGB",
        "toonforge": __version__,
        "card": dict(card),
    }
    return {
        **{name: card[name] for name in ("title", "description", "license") if name in card},
        "toonforge": json.dumps(about),
    }


def _explained(found: Iterator[Comparison], asked: Sequence[str]) -> Iterator[Comparison]:
    """The comparisons; a failure names the code that decided by what was traced, which is the likely reason."""
    try:
        yield from found
    except RunError as error:
        if asked:
            where = "; ".join(asked[:3])
            hint = f"code that decides by its input is written down for one input alone: {where}"
            raise RunError(*(attrs.evolve(problem, hint=hint) for problem in error.problems)) from error
        raise
