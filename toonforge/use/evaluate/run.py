"""What is measured of a trained run: the metrics of its recipe, or others, over the pictures that it held out."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence, Set
from pathlib import Path

import attrs

from toonforge.components import Dataset, Metric, expressions
from toonforge.data.picture_set import PictureSet
from toonforge.data.reading.picture import shown
from toonforge.data.split import SPLITS
from toonforge.errors import Problem, RecipeError, RunError
from toonforge.names import did_you_mean
from toonforge.recipe.check import check
from toonforge.recipe.expr import Expr, Name
from toonforge.recipe.loading import load
from toonforge.recipe.model import Recipe
from toonforge.runs.described import refuse_damaged
from toonforge.use.evaluate import seen
from toonforge.use.evaluate.metrics import Asked, Roles, check_features, choose, verify, with_features
from toonforge.use.evaluate.plan import Plan, Subject, Trained
from toonforge.weights.chosen import find_weights


def open_run(folder: Path, checkpoint: str | int | None = None) -> Trained:
    """A run and one of its checkpoints.

    Raises:
        RunError: for a run without checkpoints, or without this one; resolved.toml is missing or damaged.
        RecipeError: its recipe cannot be used.
    """
    chosen, _ = find_weights(folder, checkpoint)
    refuse_damaged(folder)
    return Trained(folder=folder, recipe=load(folder / "resolved.toml"), checkpoint=chosen)


def plan_run(
    trained: Trained, asked: Sequence[Asked], *, part: str | None, domain: str | None, features: str | None
) -> Plan:
    """What to measure of a run's held-out pictures.

    Args:
        asked: metrics, of the recipe or beside it; the recipe's own where none is named.
        part: of the data set; "test" where it has one, else "validation", when left out.
        domain: what metrics beside the recipe take for the translation; the recipe's first when left out.
        features: of all metrics over features whose table does not say so itself.

    Raises:
        RunError: for an unknown part or domain, and a recipe without metrics where none is named.
        RecipeError: for metrics that are unknown, or do not fit the recipe.
        DataError: for pictures that are not there.
    """
    recipe = trained.recipe
    part = choose_part(recipe, part)
    beside = [one for one in asked if one.table or one.name not in recipe.metrics]
    if domain is not None and not beside:
        raise RunError(
            Problem(
                message="the recipe's own metrics say themselves what they measure",
                key="--to",
                hint="name metrics to measure of this translation: --metric kid",
            )
        )
    if not asked and not recipe.metrics:
        raise RunError(
            Problem(
                message=f"the recipe of {shown(trained.folder)} has no metrics",
                hint=f"name some: toonforge evaluate {shlex.quote(shown(trained.folder))} --metric kid; "
                "or write [metrics] into the recipe",
            )
        )
    target: str | None = None
    named = {one.name: recipe.metrics[one.name] for one in asked if one not in beside} if asked else recipe.metrics
    metrics = own = with_features(named, features)
    if beside:
        target, expr = translation(recipe, domain)
        metrics = choose(asked, _roles(trained, target, expr), features, own).metrics
        _check(recipe, {name: metric for name, metric in metrics.items() if own.get(name) is not metric})
    check_features(metrics, features)
    verify(metrics)
    exprs = [expr for metric in metrics.values() for expr in expressions(metric).values()]
    data = narrowed(recipe, frozenset().union(*map(trained.graph.fields_of, exprs)))
    return Plan(
        subject=Subject(run=trained.folder, checkpoint=trained.checkpoint, part=part, target=target),
        metrics=metrics,
        source=data.build(part),
        groups=data.groups(),
        part=part,
        graph=trained.graph,
        preparation=recipe.data.preparation(part),
        trained=trained,
        notes=seen.notes_on(part, trained.checkpoint),
    )


def narrowed(recipe: Recipe, fields: Set[str]) -> Dataset:
    """The recipe's data without what only its training needs: its filters may need what this machine lacks."""
    return recipe.data.only(fields) if isinstance(recipe.data, PictureSet) else recipe.data


def choose_part(recipe: Recipe, asked: str | None) -> str:
    """The part asked for, else "test" where the data set has one, else "validation"; `RunError` for one it lacks."""
    parts = recipe.data.splits
    if asked is None:
        return "test" if "test" in parts else "validation"
    if asked in parts:
        return asked
    hint = "measure the validation part; or train a run with a share held out (data.test)" if asked in SPLITS else None
    raise RunError(
        Problem(
            message=f"the run's data set has no {asked} part",
            key="--part",
            expected=f"one of {', '.join(parts)}",
            hint=hint or did_you_mean(asked, parts),
        )
    )


def translation(recipe: Recipe, domain: str | None) -> tuple[str, Expr]:
    """The domain asked for, or the recipe's first, and its translation; `RunError` for one that is not offered."""
    offered = recipe.translations
    if not offered:
        raise RunError(
            Problem(message=f"{recipe.name} offers no translation", hint="write [translations] into its recipe")
        )
    if domain is None:
        return next(iter(offered.items()))
    if domain not in offered:
        there = f"there are {', '.join(offered)}" if len(offered) > 1 else f"there is only {next(iter(offered))}"
        hint = did_you_mean(domain, offered) or there
        raise RunError(Problem(message=f"{recipe.name} does not translate to {domain!r}", key="--to", hint=hint))
    return domain, offered[domain]


def _roles(trained: Trained, target: str, expr: Expr) -> Roles:
    """A translation, what it translates, and the pictures of the domain it translates to, where the data set has it."""
    fields = {name: group for group, names in trained.recipe.data.groups().items() for name in names}
    (field,) = trained.graph.fields_of(expr)
    return Roles(
        made=expr,
        input=Expr(Name(field)),
        reference=Expr(Name(target)) if target in fields else None,
        paired=fields.get(target) == fields[field],
        no_reference=f"the data set has no pictures called {target}: name a folder of them after the run",
        no_pairs=f"{field} and {target} are no pairs in this data set",
    )


def _check(recipe: Recipe, metrics: Mapping[str, Metric]) -> None:
    """Raise `RecipeError` for what the recipe's own check finds wrong with metrics beside it."""
    names = {name.replace("-", "_").replace("/", "_"): name for name in metrics}  # as a recipe would have them
    beside = {key: metrics[name] for key, name in names.items()}
    try:
        check(attrs.evolve(recipe, metrics={**recipe.metrics, **beside}))
    except RecipeError as error:
        if problems := [problem for item in error.problems if (problem := _of(item, names)) is not None]:
            raise RecipeError(*problems) from None


def _of(problem: Problem, names: Mapping[str, str]) -> Problem | None:
    """A problem of the recipe's check in the words of who named the metric; None for a problem of the recipe."""
    table, _, rest = (problem.key or "").partition(".")
    key, dot, field = rest.partition(".")
    return attrs.evolve(problem, key=f"{names[key]}{dot}{field}") if table == "metrics" and key in names else None
