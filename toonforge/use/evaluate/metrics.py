"""Which metrics are measured of which pictures, where no recipe says so: names and TOML tables become components."""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import tomli

from toonforge.components import Metric, Shape, expressions, fields_of
from toonforge.errors import Problem, RecipeError, ShapeError, ToonforgeError, UnknownNameError
from toonforge.recipe.expr import Expr
from toonforge.recipe.resolved import component_data, component_from_data
from toonforge.registries import metrics as registry

SETS = ("kid", "fid")
"""Measured where nothing is asked for: of two sets of pictures that have nothing to do with each other,"""
CHANGES = ("content-preservation", "weighted-fid", "fourier")
"""where the untranslated pictures are known too,"""
PAIRS = ("pixel-l1", "psnr", "ssim", "cosine-dissimilarity")
"""and where each translated picture has the one that it should be."""


@attrs.frozen(kw_only=True)
class Roles:
    """What stands for the pictures that metrics ask for.

    Attributes:
        made: the translated pictures.
        input: the untranslated ones; None where they are not known.
        reference: the pictures that the translated ones should look like; None where there are none.
        paired: whether each translated picture belongs to one of `reference`.
        no_input, no_reference, no_pairs: what to do where a metric asks for what is not there.
    """

    made: Expr
    input: Expr | None = None
    reference: Expr | None = None
    paired: bool = False
    no_input: str = ""
    no_reference: str = ""
    no_pairs: str = ""

    def of(self, key: str) -> tuple[Expr | None, str, str]:
        """What a metric's field of this name means besides the translation; what it is called; where to get it."""
        if key == "input":
            return self.input, "the untranslated pictures", self.no_input
        return self.reference, "reference pictures", self.no_reference


@attrs.frozen(kw_only=True)
class Chosen:
    """Metrics to measure by name, and what is to be said of those that were left out."""

    metrics: Mapping[str, Metric]
    notes: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Asked:
    """One metric as a user asks for it: the component's name and its fields."""

    name: str
    table: Mapping[str, Any] = attrs.field(factory=dict)

    @classmethod
    def parse(cls, text: str) -> Asked:
        """Of `NAME` or `NAME={key = value, …}`; raises `RecipeError` for a text that is neither."""
        name, equals, rest = text.partition("=")
        name = name.strip()
        if not equals:
            return cls(name=name)
        try:
            table = tomli.loads(f"value = {rest.strip()}")
        except (tomli.TOMLDecodeError, RecursionError) as error:
            table, reason = {}, str(error)
        else:
            reason = "more than one value" if list(table) != ["value"] else "no table"
        value = table.get("value")
        if len(table) != 1 or not isinstance(value, dict):
            raise RecipeError(
                Problem(
                    message=f"not a table of the metric's fields: {reason}",
                    key=name,
                    found=rest.strip() or "nothing",
                    expected=f'NAME={{key = value}}, such as {name or "kid"}={{features = "inception"}}',
                )
            )
        return cls(name=name, table=value)


def choose(
    asked: Sequence[Asked], roles: Roles, features: str | None = None, own: Mapping[str, Metric] | None = None
) -> Chosen:
    """The metrics asked for.

    Args:
        asked: each name may come several times, with different fields; the second is called "kid-2".
        roles: what stands for the pictures.
        features: of every metric over features whose table does not say so itself.
        own: a recipe's metrics, meant by their names where no table is given.

    Raises:
        RecipeError: for unknown names or fields, wrong values, and metrics of pictures that are not there.
    """
    chosen: dict[str, Metric] = {}
    problems: list[Problem] = []
    for one in asked:
        label, number = one.name, 1
        while label in chosen:
            number += 1
            label = f"{one.name}-{number}"
        try:
            mine = None if one.table else (own or {}).get(one.name)
            chosen[label] = _made(one, roles, features) if mine is None else mine
        except (RecipeError, UnknownNameError) as error:
            problems.extend(error.problems)
    if problems:
        raise RecipeError(*problems)
    check_features(chosen, features)
    return Chosen(metrics=chosen)


def with_features(metrics: Mapping[str, Metric], features: str | None) -> Mapping[str, Metric]:
    """A recipe's metrics, on other features where they are over features.

    Raises:
        RecipeError: there are no such features, or a metric's other fields do not go with them.
    """
    if features is None:
        return metrics
    return {
        name: _structured(name, {**component_data(metric), "features": features}, [*fields_of(type(metric))])
        if _over_features(metric)
        else metric
        for name, metric in metrics.items()
    }


def check_features(metrics: Mapping[str, Metric], features: str | None) -> None:
    """Raise `RecipeError` where features are asked for and no metric is over any."""
    if features is not None and not any(map(_over_features, metrics.values())):
        found = ", ".join(metrics)
        raise RecipeError(Problem(message="none of the metrics is over features", key="--features", found=found))


def _over_features(metric: Metric) -> bool:
    return "features" in fields_of(type(metric))


def verify(metrics: Mapping[str, Metric]) -> None:
    """Raise `ToonforgeError` with all that this machine lacks for some metrics."""
    lacking = [problem for name, metric in metrics.items() for problem in _lacking(name, metric)]
    if lacking:
        raise ToonforgeError(*lacking)


def default(roles: Roles, features: str | None = None) -> Chosen:
    """The metrics that these pictures allow; those that this machine lacks something for are noted and left out.

    Raises:
        RecipeError: for features of an unknown name.
        ToonforgeError: nothing can be measured on this machine.
    """
    names = [*(SETS if roles.reference is not None else ())]
    names += [name for name in CHANGES if roles.input is not None and (roles.reference or name != "weighted-fid")]
    names += PAIRS if roles.paired else ()
    made = {name: _made(Asked(name=name), roles, features) for name in names}
    lacking = {name: _lacking(name, metric) for name, metric in made.items()}
    kept = {name: metric for name, metric in made.items() if not lacking[name]}
    if not kept:
        raise ToonforgeError(*dict.fromkeys(problem for problems in lacking.values() for problem in problems))
    return Chosen(metrics=kept, notes=tuple(_left_out(lacking)))


def check_shape(metrics: Mapping[str, Metric], shape: Shape) -> None:
    """Raise `RecipeError` for metrics that do not take pictures of this shape."""
    problems: list[Problem] = []
    for name, metric in metrics.items():
        try:
            metric.check(**dict.fromkeys(expressions(metric), shape))
        except ShapeError as error:
            problems.append(Problem(message=str(error), key=name))
    if problems:
        raise RecipeError(*problems)


def _left_out(lacking: Mapping[str, Sequence[Problem]]) -> list[str]:
    """A line for each reason, with all the metrics that it keeps away."""
    reasons: dict[str, list[str]] = {}
    for name, problems in lacking.items():
        for problem in problems:
            reasons.setdefault(f"{problem.message}: {problem.hint}" if problem.hint else problem.message, []).append(
                name
            )
    return [f"{', '.join(names)} left out: {reason}" for reason, names in reasons.items()]


def _lacking(name: str, metric: Metric) -> list[Problem]:
    try:
        metric.verify()
    except ToonforgeError as error:
        return [attrs.evolve(problem, key=".".join(filter(None, (name, problem.key)))) for problem in error.problems]
    return []


def _made(asked: Asked, roles: Roles, features: str | None) -> Metric:
    """The component, with its `Expr` fields filled in by what they mean."""
    cls = registry[asked.name]
    kinds = {key: kind for key, (kind, _, _) in fields_of(cls).items()}
    if features is not None and "features" in kinds and "features" not in asked.table:
        asked = attrs.evolve(asked, table={**asked.table, "features": features})
    pictures = {key for key, kind in kinds.items() if kind is Expr or Expr in typing.get_args(kind)}
    problems = list(_refused(asked, pictures))
    table = dict(asked.table)
    for key in sorted(pictures - table.keys()):
        if key == cls.translated:
            table[key] = roles.made.text
            continue
        expr, what, hint = roles.of(key)
        if expr is not None:
            table[key] = expr.text
        elif kinds[key] is Expr:
            problems.append(Problem(message=f"{asked.name} needs {what}", hint=hint or None))
    between = {"reference", "target"} & set(cls.together)
    if between and roles.reference is not None and not roles.paired:
        problems.append(Problem(message=f"{asked.name} compares pairs of pictures", hint=roles.no_pairs or None))
    if problems:
        raise RecipeError(*problems)
    return _structured(asked.name, table, [key for key in kinds if key not in pictures])


def _structured(name: str, table: Mapping[str, Any], own: Sequence[str]) -> Metric:
    try:
        return typing.cast(Metric, component_from_data("metrics", {"type": name, **table}))
    except RecipeError as error:
        unknown = {"expected": f"one of {', '.join(own)}" if own else "no keys"}
        raise RecipeError(
            *(
                attrs.evolve(
                    problem,
                    where=None,
                    key=".".join(filter(None, (name, problem.key))),
                    **(unknown if problem.message == "unknown key" else {}),
                )
                for problem in error.problems
            )
        ) from None


def _refused(asked: Asked, pictures: set[str]) -> list[Problem]:
    """One problem for each field of the table that says what is measured: that is known."""
    return [
        Problem(message="what is measured is known already", key=f"{asked.name}.{key}", hint=f"leave out {key}")
        for key in asked.table
        if key in pictures or key == "type"
    ]
