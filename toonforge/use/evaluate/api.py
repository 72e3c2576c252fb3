"""Measuring a trained run, or pictures made by anything, in the way and with the words of training."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from toonforge.data.reading.picture import shown
from toonforge.errors import Problem, RunError
from toonforge.names import did_you_mean
from toonforge.runs.described import is_run
from toonforge.use.evaluate.beside import plan_beside
from toonforge.use.evaluate.folders import plan_folders
from toonforge.use.evaluate.metrics import Asked
from toonforge.use.evaluate.plan import Evaluation, Plan, measure
from toonforge.use.evaluate.run import open_run, plan_run


def evaluate(
    generated: str | Path,
    reference: str | Path | None = None,
    *,
    input: str | Path | None = None,
    metrics: Sequence[str] | None = None,
    features: str | None = None,
    pairs: bool | None = None,
    size: int | None = None,
    part: str | None = None,
    to: str | None = None,
    checkpoint: str | int | None = None,
    cpu: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Measure a trained run, or a folder of pictures.

        toonforge.evaluate("runs/anime_unet")                           # its metrics over its held-out pictures
        toonforge.evaluate("runs/anime_unet", "anime", input="photos")  # these photographs, beside these drawings
        toonforge.evaluate("translated", "anime", input="photos", metrics=["kid", "fid={features = 'inception'}"])

    Args:
        generated: a run's folder; or a folder of translated pictures, made by anything.
        reference: a folder of pictures that they should look like. Needed unless a run is measured by its recipe's
            metrics, or `input` is given.
        input: a folder of the untranslated pictures, named as those in `generated`; of a run, the pictures to
            translate.
        metrics: each a name, or "name={field = value}" with a TOML table of the metric's fields; the recipe's own, or
            those that the pictures allow, when left out.
        features: of metrics over features ("inception"), where `metrics` does not say.
        pairs: match translated and reference pictures by name, and measure pairs too; when left out, where every
            file has its partner. Without it, pictures of other names are two sets.
        size: scale the short side to so many pixels and cut a square from the middle. When left out, a run's pictures
            are read as in training, and those of folders at their own size.
        part: of the run's data set: "test", "validation" or "train"; "test" where there is one, when left out.
        to: the domain that a run of several translations translates to; the recipe's first when left out.
        checkpoint: of the run: "best", "latest" or a step; the best where the run keeps one when left out.
        cpu: stay on the CPU even where there is a GPU.
        progress: told (pictures done, pictures there are).

    Returns:
        The numbers, each with how it was made. Nothing is written.

    Raises:
        ToonforgeError: for folders, metrics and options that cannot be used; `problems` says what is wrong.

    Examples:
        >>> import toonforge
        >>> found: toonforge.Evaluation
        >>> found = toonforge.evaluate("photos", "drawings", metrics=["pixel-l1"], pairs=True, size=32)
        >>> list(found.values), found.about["pixel-l1"].better
        (['pixel-l1'], 'lower')
    """
    planned = plan(
        Path(generated),
        None if reference is None else Path(reference),
        input=None if input is None else Path(input),
        metrics=metrics or (),
        features=features,
        pairs=pairs,
        size=size,
        part=part,
        to=to,
        checkpoint=checkpoint,
    )
    return measure(planned, cpu=cpu, progress=progress)


def plan(
    generated: Path,
    reference: Path | None,
    *,
    input: Path | None,
    metrics: Sequence[str],
    features: str | None,
    pairs: bool | None,
    size: int | None,
    part: str | None,
    to: str | None,
    checkpoint: str | int | None,
) -> Plan:
    """What `evaluate` will measure. Everything that can be refused is refused here, before torch is imported."""
    asked = [Asked.parse(text) for text in metrics]
    of_runs = {"--part": part, "--to": to, "--checkpoint": checkpoint}
    _refuse_runs(generated, reference, input)
    if not is_run(generated):
        _refuse(generated)
        _only_for("a run's folder", of_runs)
        return plan_folders(generated, reference, input, asked, pairs=pairs, features=features, size=size)
    if reference is None and input is None:
        _only_for("pictures of folders: a run's own are read and matched as in training", _given(pairs, size))
        trained = open_run(generated, checkpoint)
        return plan_run(trained, asked, part=part, domain=to, features=features)
    if input is not None:
        _only_for("the pictures that a run holds out, not for those of --input", {"--part": part})
    else:
        _only_for("pictures given with --input: a run's own are read as in training", {"--size": size})
    trained = open_run(generated, checkpoint)
    return plan_beside(
        trained, reference, input, asked, part=part, domain=to, pairs=pairs, features=features, size=size
    )


def _refuse_runs(generated: Path, reference: Path | None, input: Path | None) -> None:
    """Raise `RunError` for runs where pictures are wanted: below a run's folder lie grids and strips, not pictures."""
    if reference is not None and is_run(reference):
        if is_run(generated):
            hint = f"to set runs side by side: toonforge compare {_quoted(generated)} {_quoted(reference)}"
            raise RunError(Problem(message=f"{shown(reference)} is a run", expected="a folder of pictures", hint=hint))
        if generated.is_dir():
            hint = f"toonforge evaluate {_quoted(reference)} {_quoted(generated)}"
            raise RunError(Problem(message=f"{shown(reference)} is a run: it comes first", hint=hint))
    if input is not None and is_run(input):
        raise RunError(
            Problem(
                message=f"{shown(input)} is a run",
                key="--input",
                expected="a folder of pictures",
                hint="name a run first, without --input, to measure the pictures that it held out",
            )
        )


def _given(pairs: bool | None, size: int | None) -> dict[str, Any]:
    return {"--pairs": pairs, "--size": size}


def _only_for(what: str, options: dict[str, Any]) -> None:
    problems = [Problem(message=f"only for {what}", key=key) for key, value in options.items() if value is not None]
    if problems:
        raise RunError(*problems)


def _refuse(generated: Path) -> None:
    """Raise `RunError` for what is neither a run nor a folder, and for what looks like another thing."""
    expected = "a run's folder, or a folder of pictures"
    if generated.is_dir():
        home = generated.parent.parent
        if (generated / "checkpoint.json").is_file() and is_run(home):
            step = generated.name.rpartition("-")[2].lstrip("0") or "0"
            hint = f"toonforge evaluate {_quoted(home)} --checkpoint {step}"
            raise RunError(Problem(message=f"{shown(generated)} is one checkpoint of a run", hint=hint))
        return
    if generated.suffix == ".toml":
        hint = f"train it first: toonforge run {_quoted(generated)}; then give the run's folder"
        raise RunError(Problem(message=f"{shown(generated)} is a recipe", expected=expected, hint=hint))
    if generated.exists():
        raise RunError(Problem(message=f"{shown(generated)} is a file", expected=expected))
    near = [str(path) for path in generated.parent.iterdir()] if generated.parent.is_dir() else []
    raise RunError(
        Problem(message=f"{shown(generated)} is not there", expected=expected, hint=did_you_mean(str(generated), near))
    )


def _quoted(path: Path) -> str:
    """A path as a shell takes it in one piece."""
    return shlex.quote(shown(path))
