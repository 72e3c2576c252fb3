"""Where the first weights of a recipe's networks come from: found, and held against the recipe, without torch."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import attrs

from toonforge.components import NetworkComponent, fields_of
from toonforge.errors import Problem, RunError, ToonforgeError
from toonforge.files import checksum
from toonforge.names import did_you_mean
from toonforge.recipe.initial import KEY, InitialWeights
from toonforge.recipe.model import Recipe
from toonforge.recipe.resolved import component_data, differences
from toonforge.recipe.scope import NETWORK_TABLES
from toonforge.recipe.words import inline
from toonforge.registry import singular
from toonforge.runs.metadata import IMPORTED
from toonforge.weights.chosen import choose_checkpoint, find_weights, preferred, refuse_damaged
from toonforge.weights.described import SUFFIX, Weights, read_weights
from toonforge.weights.named import find_model
from toonforge.weights.network import network_config


@attrs.frozen(kw_only=True)
class Origin:
    """The weights that a network starts from.

    Attributes:
        source: what the recipe says of it.
        weights: of the network there.
        step: how many steps they were trained; None where nothing says so.
        checkpoint: "best" or "latest" where a run calls it so.
        sha256: of their file.
    """

    source: InitialWeights
    weights: Weights
    step: int | None
    checkpoint: str | None
    sha256: str

    def __str__(self) -> str:
        said = [f"network {self.weights.network}"] if self.source.network is not None else []
        said += [f"{self.checkpoint} checkpoint"] if self.checkpoint is not None else []
        said += [f"step {self.step:,}"] if self.step is not None else []
        said += ["moving average"] if self.weights.averaged else []
        return f"{self.source.from_} ({', '.join([*said, f'sha256 {self.sha256[:12]}…'])})"

    @property
    def data(self) -> dict[str, Any]:
        """As `lock.json` keeps it."""
        return {
            "from": self.source.from_,
            "file": str(self.weights.path.resolve()),
            "network": self.weights.network,
            "step": self.step,
            "averaged": self.weights.averaged,
            "sha256": self.sha256,
        }


def find_origins(recipe: Recipe) -> dict[str, Origin]:
    """Network -> the weights that it starts from, for those of a checked recipe that start from some.

    Raises:
        RunError: with every source that is not there, damaged, or of another network; a problem's `key` is the whole
            key in the recipe.
    """
    found: dict[str, Origin] = {}
    problems: list[Problem] = []
    for name, source in recipe.initial.items():
        table = next(table for table in NETWORK_TABLES if name in getattr(recipe, table))
        try:
            found[name] = find_origin(name, recipe.modules[name], source)
        except ToonforgeError as error:
            problems += [attrs.evolve(problem, key=f"{table}.{name}.{KEY}") for problem in error.problems]
    if problems:
        raise RunError(*problems)
    return found


def find_origin(name: str, config: NetworkComponent, source: InitialWeights) -> Origin:
    """The weights that a network of this name and config starts from; raises `RunError`."""
    path = find_model(Path(source.from_).expanduser())
    if path.is_file() and path.suffix not in (SUFFIX, ".toml"):
        raise RunError(
            Problem(
                message=f"{path} is no weights file of toonforge",
                expected=f"a {SUFFIX} file that a run, an export or an import wrote",
                hint=IMPORTED.format(shlex.quote(str(path))),
            )
        )
    wanted = source.network or name
    if path.is_file():
        chosen, files = find_weights(path, source.checkpoint)
    else:
        chosen = choose_checkpoint(path, source.checkpoint)
        here = preferred(chosen.folder, wanted)
        files = [here] if here.is_file() else find_weights(path, source.checkpoint)[1]
    try:
        refuse_damaged(chosen, files, all_of_run=False)
    except RunError as error:
        hint = (error.problems[0].hint or "").replace("with --checkpoint", "with `checkpoint`")
        raise RunError(attrs.evolve(error.problems[0], hint=hint or None)) from None
    held = {weights.network: weights for file in files for weights in read_weights(file)}
    if wanted not in held:
        which = f'{KEY} = {{ from = …, network = "{next(iter(held))}" }}'
        hint = did_you_mean(wanted, held) or f"say which one is meant: {which}"
        raise RunError(Problem(message=f"{path} has no network {wanted!r}", expected=" or ".join(held), hint=hint))
    weights = held[wanted]
    _refuse_another(name, config, weights)
    try:
        sha256 = checksum(weights.path)
    except OSError as error:
        raise RunError(Problem(message=f"{weights.path} cannot be read", found=error.strerror)) from None
    step = weights.step if chosen.step is None else chosen.step
    return Origin(source=source, weights=weights, step=step, checkpoint=chosen.name, sha256=sha256)


def _refuse_another(name: str, config: NetworkComponent, weights: Weights) -> None:
    """Raise `RunError` where the network in the file is not the recipe's: another component, or other fields."""
    there = network_config(weights)
    message = f"{weights.path} holds another {weights.network} than the recipe's {name}"
    if there.kind != config.kind:
        found, expected = (_with_article(singular(kind)) for kind in (there.kind, config.kind))
        raise RunError(Problem(message=message, found=found, expected=expected))
    theirs, ours = component_data(there), component_data(config)
    if theirs["type"] == ours["type"]:
        wrong = [(change.key, change.old, change.new) for change in differences(theirs, ours)]
    else:
        wrong = [("type", theirs["type"], ours["type"])]
    if wrong:
        raise RunError(
            Problem(
                message=message,
                found=", ".join(f"{key} = {_value(old)}" for key, old, _ in wrong),
                expected=", ".join(f"{key} = {_value(new)}" for key, _, new in wrong),
                hint=f"what is there would be {name} = {as_written(there)}",
            )
        )


def as_written(config: NetworkComponent, **more: str) -> str:
    """A network's table without what is its default, or follows from what the network is called with; and `more`."""
    data = {**component_data(config), **more}
    fields = fields_of(type(config))
    plain = {key for key, (_, a, _) in fields.items() if a.default is None or getattr(config, a.name) == a.default}
    return "{ " + ", ".join(f"{key} = {inline(value)}" for key, value in data.items() if key not in plain) + " }"


def _value(value: Any) -> str:
    return "nothing" if value is None else inline(value)


def _with_article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
