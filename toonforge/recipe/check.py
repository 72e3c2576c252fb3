"""Everything about a recipe that can be known before torch is imported."""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs

from toonforge.components import Count, Shape, expressions, network_names
from toonforge.errors import Problem, RecipeError, ShapeError
from toonforge.events import FILTER, UNTRANSLATED
from toonforge.names import did_you_mean
from toonforge.recipe.graph import Graph, averaged
from toonforge.recipe.initial import is_reserved
from toonforge.recipe.limits import MAX_BATCH, refuse_absurd
from toonforge.recipe.model import Phase, Recipe
from toonforge.recipe.report import Report, written
from toonforge.recipe.scope import NETWORK_TABLES, RESERVED, check_expressions, check_names, data_fields, signal_order
from toonforge.recipe.shapes import Shapes
from toonforge.recipe.structure import ordered
from toonforge.recipe.tree import Node

RUN_NAME = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}"
"""What the name of a recipe looks like; `name_problem` says what else is asked of it."""


def check(recipe: Recipe, root: Node | None = None) -> Recipe:
    """The recipe with its networks completed; raises `RecipeError` with every problem found.

    Args:
        recipe: structured, with no name resolved yet.
        root: the composed tree it came from, for the places of problems.
    """
    report = Report(root)
    if (problem := name_problem(recipe.name)) is not None:
        report.add(("name",), problem.message, found=problem.found, expected=problem.expected)
    fields = data_fields(recipe, report)
    check_names(recipe, fields or {}, report)
    _check_train(recipe, report)
    _check_initial(recipe, report)
    wrong = check_expressions(recipe, fields, report)
    order = signal_order(recipe.signals, report)
    acyclic = {name: recipe.signals[name] for name in order}
    graph = Graph(recipe.modules, acyclic)
    # Where a signal is broken, what it reaches is unknown: only then are the reach checks left out.
    broken = len(order) < len(recipe.signals) or any(expr.text in wrong for expr in recipe.signals.values())
    for name, phase in recipe.phases.items():
        _check_phase(name, phase, recipe, None if broken else graph, wrong, report)
    if not recipe.phases:
        report.add(("phases",), "the recipe has no phase", expected="[phases.NAME] with `updates` and `losses`")
    if not broken and not wrong:
        _check_unused(recipe, graph, report)
        _check_translations(recipe, graph, report)
        if fields is not None:
            _check_metrics(recipe, graph, report)
    if fields is not None:
        _check_batch(recipe, fields, report)
        shapes = Shapes(recipe, fields, order, wrong, report)
        shapes.infer()
        completed = {table: {name: shapes.modules[name] for name in getattr(recipe, table)} for table in NETWORK_TABLES}
        recipe = attrs.evolve(recipe, **completed)  # type: ignore[arg-type]
    if report.problems:
        raise RecipeError(*ordered(report.problems))
    return recipe


def name_problem(name: str) -> Problem | None:
    """What is wrong with the name of a recipe or a run, which names a folder; None where nothing is."""
    if re.fullmatch(RUN_NAME, name) and not name.endswith(".") and name.split(".")[0].upper() not in RESERVED:
        return None
    expected = "up to 100 of a-z, A-Z, 0-9, . _ -, of which . and - do not come first, nor . last; no device of Windows"
    return Problem(message="not a name for a folder", found=repr(name[:101]), expected=expected)


def _check_train(recipe: Recipe, report: Report) -> None:
    train = recipe.train
    if (train.steps is None) == (train.epochs is None):
        found = "neither" if train.steps is None else "both"
        report.add(("train",), "how long to train", found=found, expected="either `steps` or `epochs`")
    parts = train.processes * train.accumulate
    if train.batch_size % parts:
        key = "accumulate" if train.accumulate > 1 else "processes"
        report.add(
            ("train", "batch_size"),
            "the batch cannot be cut evenly",
            found=f"batch_size {train.batch_size}, processes {train.processes}, accumulate {train.accumulate}",
            expected=f"a multiple of {parts}",
            hint=f"set batch_size to {-(-train.batch_size // parts) * parts}, or `{key}` to a divisor",
        )
    for index, name in enumerate(train.recompute):
        if name not in recipe.modules:
            hint = did_you_mean(name, recipe.modules) or _networks(recipe)
            report.add(("train", "recompute", index), f"unknown network {name!r}", hint=hint)
    if train.ema is not None and not averaged(recipe):
        report.add(("train", "ema"), "there is no generator to average", hint="leave `ema` out")
    if train.metrics.best is not None:
        _check_best(train.metrics.best, recipe, report)
        if train.metrics.every is None:
            why = "measured at the end alone, the last checkpoint would be the best"
            hint = "add train.metrics.every, such as { epochs = 1 }, or leave `best` out"
            report.add(("train", "metrics", "best"), f"needs `every`: {why}", hint=hint)
    if train.metrics.patience is not None:
        for key in ("best", "every") if train.metrics.best is None else ():
            if getattr(train.metrics, key) is None:
                why = "which metric is to improve" if key == "best" else "when the metrics are measured on the way"
                report.add(("train", "metrics", "patience"), f"needs `{key}`: {why}", hint=f"add train.metrics.{key}")


def _networks(recipe: Recipe) -> str:
    return f"the networks are {', '.join(recipe.modules)}" if recipe.modules else "the recipe declares no networks"


def _check_initial(recipe: Recipe, report: Report) -> None:
    """First weights are of networks that there are; a recipe made in Python may say otherwise."""
    for name in recipe.initial:
        if name not in recipe.modules:
            hint = did_you_mean(name, recipe.modules)
            report.add(("initial", name), f"weights of an unknown network {name!r}", hint=hint)
        elif not is_reserved(type(recipe.modules[name])):
            message = f"{name!r} reads weights of its own"
            report.add(("initial", name), message, hint="its component has a field `weights`: set that")


def _check_batch(recipe: Recipe, fields: Mapping[str, Shape], report: Report) -> None:
    size = recipe.train.batch_size // recipe.train.processes
    for name, shape in fields.items():
        try:
            refuse_absurd((size, *shape), MAX_BATCH)
        except ShapeError as error:
            report.add(("train", "batch_size"), f"a batch of {name}, {error}", hint="a smaller batch")
            return


_NOT_THE_MODELS = ("std", UNTRANSLATED, f"{UNTRANSLATED}_std", FILTER, f"{FILTER}_std")
"""Parts of any metric that say nothing of the translated pictures."""


def _check_best(best: str, recipe: Recipe, report: Report) -> None:
    """The metric by which the best checkpoint is chosen is there, and judges."""
    path, (name, _, part) = ("train", "metrics", "best"), best.partition(".")
    judging = [known for known, metric in recipe.metrics.items() if metric.lower_is_better is not None]
    expected = " or ".join(judging) or None
    if not recipe.metrics:
        report.add(path, f"unknown metric {name!r}: the recipe has none", hint=f"add a table [metrics.{name}]")
    elif name not in recipe.metrics:
        hint = did_you_mean(name, judging)
        report.add(path, f"unknown metric {name!r}", found=best, expected=expected, hint=hint)
    elif name not in judging:
        message = f"{name} describes the pictures and does not judge them: none of its numbers is the best"
        report.add(path, message, found=best, expected=expected)
    elif part in _NOT_THE_MODELS or best.endswith("."):
        report.add(path, f"is no number to be improved: {best}", expected=f"{name}, or a part of it that it measures")


def amount(count: Count) -> float:
    """The number of a count, whatever its unit."""
    return count.steps if count.steps is not None else count.epochs or 0


def _same_unit(one: Count, other: Count) -> bool:
    return amount(one) == 0 or (one.steps is None) == (other.steps is None)


def _check_phase(name: str, phase: Phase, recipe: Recipe, graph: Graph | None, wrong: set[str], report: Report) -> None:
    path = ("phases", name)
    modules = recipe.modules
    if not phase.updates:
        report.add((*path, "updates"), "the phase updates nothing", hint=f"name some of {', '.join(modules) or 'none'}")
    for index, network in enumerate(phase.updates):
        at = (*path, "updates", index)
        if network not in modules:
            hint = did_you_mean(network, modules) or _networks(recipe)
            report.add(at, f"unknown network {network!r}", hint=hint)
        elif network in phase.updates[:index]:
            report.add(at, f"{network!r} is named twice")
    if not phase.losses:
        report.add((*path, "losses"), "the phase has no loss")
    elif all(term.weight == 0 for term in phase.losses.values()):
        report.add((*path, "losses"), "every loss has weight 0")
    elif graph is not None and not any(expr.text in wrong for expr in graph.expressions_of(phase)):
        reached = graph.reached_by(phase)
        for network in dict.fromkeys(phase.updates):
            if network in modules and network not in reached:
                report.add(
                    (*path, "updates"),
                    f"no loss of the phase reaches {network!r}",
                    found=f"losses that reach {', '.join(sorted(reached)) or 'no network'}",
                    expected=f"a loss with a weight other than 0 that calls {network}",
                    hint=f"take {network!r} out of `updates`, or add a loss",
                )
    if phase.until is not None and _same_unit(phase.from_, phase.until) and amount(phase.from_) >= amount(phase.until):
        report.add(
            (*path, "until"),
            "the phase is never active",
            found=f"from {phase.from_} until {phase.until}",
            expected="`until` after `from`",
        )
    length = Count(steps=recipe.train.steps, epochs=recipe.train.epochs)
    begins = amount(phase.from_)
    one_length = (length.steps is None) != (length.epochs is None)
    if one_length and begins > 0 and _same_unit(phase.from_, length) and begins >= amount(length):
        report.add(
            (*path, "from"),
            "the phase is never active",
            found=f"from {phase.from_}, in a training of {length}",
            hint="train longer, or begin the phase earlier",
        )


def _check_unused(recipe: Recipe, graph: Graph, report: Report) -> None:
    used: set[str] = set()
    for path, expr in written(recipe):
        if path[0] != "signals":
            used |= graph.networks_below(expr)
    for phase in recipe.phases.values():
        used |= {network for term in phase.losses.values() for network in network_names(term.loss).values()}
    for metric in recipe.metrics.values():
        used |= set(network_names(metric).values())
    for table in NETWORK_TABLES:
        for name in getattr(recipe, table):
            if name not in used:
                hint = "call it in a loss, a translation or a metric, or remove it"
                report.add((table, name), f"the network {name!r} is never used", hint=hint)


def _check_metrics(recipe: Recipe, graph: Graph, report: Report) -> None:
    """What a metric compares picture by picture must come from one data group: other groups are drawn independently."""
    group_of = {field: group for group, fields in recipe.data.groups().items() for field in fields}
    for name, metric in recipe.metrics.items():
        exprs = {key: expr for key, expr in expressions(metric).items() if key in metric.together}
        needs = {key: sorted(graph.fields_of(expr)) for key, expr in exprs.items()}
        if len({frozenset(group_of[field] for field in fields) for fields in needs.values()}) > 1:
            report.add(
                ("metrics", name),
                "compares pictures that do not belong together",
                found=", ".join(f"{key} of {' and '.join(fields) or 'no field'}" for key, fields in needs.items()),
                expected=f"{' and '.join(needs)} of one data group, drawn together, as the two pictures of a pair are",
            )


def _check_translations(recipe: Recipe, graph: Graph, report: Report) -> None:
    for name, expr in recipe.translations.items():
        fields = graph.fields_of(expr)
        if len(fields) != 1:
            found = f"{expr} needs {', '.join(sorted(fields)) or 'none'}"
            expected = "an expression of exactly one data field"
            report.add(("translations", name), "cannot translate one picture", found=found, expected=expected)
