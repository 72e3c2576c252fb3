"""What the names in expressions mean: batch fields, signals, networks, ops. One name means one thing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from toonforge.components import Shape, network_names
from toonforge.errors import ShapeError, ToonforgeError
from toonforge.names import did_you_mean, is_identifier
from toonforge.recipe.expr import Call, Expr, Name, Node, Number, walk
from toonforge.recipe.limits import refuse_absurd
from toonforge.recipe.model import Recipe
from toonforge.recipe.report import Report, written
from toonforge.recipe.scanner import Path
from toonforge.registries import ops, plugins

MAX_NAME = 64
MAX_NESTING = 100
"""Levels of calls and names in an expression whose signals are written out: what evaluates it goes down with them."""
RESERVED = frozenset({"CON", "PRN", "AUX", "NUL"} | {f"{port}{n}" for port in ("COM", "LPT") for n in range(10)})
"""Devices of Windows, whatever the ending of a file."""
NETWORK_TABLES = ("generators", "discriminators", "networks")


def data_fields(recipe: Recipe, report: Report) -> dict[str, Shape] | None:
    """field -> shape of one sample, as the data set says; None where it cannot say."""
    try:
        groups = recipe.data.groups()
    except ToonforgeError as error:
        for problem in error.problems:
            report.add(("data",), problem.message, found=problem.found, expected=problem.expected, hint=problem.hint)
        return None
    except Exception as error:  # a data set's own code: whatever it refuses is a mistake in its config
        report.add(("data",), f"the data set cannot say what it yields: {error or type(error).__name__}")
        return None
    fields: dict[str, Shape] = {}
    for group in groups.values():
        for name, shape in group.items():
            if name in fields:
                report.add(("data",), f"the data set yields {name!r} twice")
            fields[name] = tuple(shape)
            try:
                refuse_absurd(fields[name])
            except ShapeError as error:
                report.add(("data",), f"{name}: {error}")
    return fields


def check_names(recipe: Recipe, fields: Mapping[str, Shape], report: Report) -> None:
    """Names are identifiers, and no two things that expressions can name share one."""
    owners: dict[str, str] = {}
    for name in fields:
        _legal(name, ("data", "fields", name), report)
        owners[name] = "a field of the data set"
    for path, name, noun in _declared(recipe):
        _legal(name, path, report)
        taken = owners.get(name) or ("an op" if name in ops else None)
        if taken is not None:
            report.add(
                path, f"the name {name!r} is already taken", found=f"{noun} and {taken}", hint="rename one of them"
            )
        owners.setdefault(name, noun)
    _check_files({name: table for table in NETWORK_TABLES for name in getattr(recipe, table)}, "weights", report)
    for table, what in (("phases", "optimizers"), ("translations", "pictures"), ("metrics", "pictures")):
        _check_files(dict.fromkeys(getattr(recipe, table), table), what, report)
    for phase_name, phase in recipe.phases.items():
        _legal(phase_name, ("phases", phase_name), report)
        for loss in phase.losses:
            _legal(loss, ("phases", phase_name, "losses", loss), report)
    for table in ("translations", "metrics"):
        for name in getattr(recipe, table):
            _legal(name, (table, name), report)


def _check_files(names: Mapping[str, str], what: str, report: Report) -> None:
    """Files are called by these names (-> their tables), on any file system."""
    known: dict[str, str] = {}
    for name, table in names.items():
        other = known.setdefault(name.lower(), name)
        if other != name:
            hint = f"the files of their {what} would too"
            report.add((table, name), f"{name!r} and {other!r} differ only in case", hint=hint)
        if name.upper() in RESERVED:
            report.add((table, name), f"{name!r} cannot name a file on Windows", hint="call it otherwise")


def _declared(recipe: Recipe) -> Iterator[tuple[Path, str, str]]:
    for table in NETWORK_TABLES:
        for name in getattr(recipe, table):
            yield (table, name), name, "a network"
    for name in recipe.signals:
        yield ("signals", name), name, "a signal"


def _legal(name: str, path: Path, report: Report) -> None:
    if not is_identifier(name) or len(name) > MAX_NAME:
        expected = f"letters, digits and underscores, at most {MAX_NAME}, not beginning with a digit"
        report.add(path, "not a name", found=repr(name[: MAX_NAME + 1]), expected=expected)


def check_expressions(recipe: Recipe, fields: Mapping[str, Shape] | None, report: Report) -> set[str]:
    """Every name in every expression is known and used as what it is. Returns the texts that are wrong."""
    wrong: set[str] = set()
    modules = recipe.modules
    for path, expr in written(recipe):
        before = len(report.problems)
        for node in walk(expr.root):
            if isinstance(node, Name) and node.name not in recipe.signals:
                if fields is None or node.name not in fields:
                    _unknown_value(node.name, path, recipe, fields, report)
            elif isinstance(node, Call):
                _check_call(node, path, recipe, fields, report)
        if len(report.problems) > before:
            wrong.add(expr.text)
    for phase_name, phase in recipe.phases.items():
        for loss_name, term in phase.losses.items():
            for key, network in network_names(term.loss).items():
                if network not in modules:
                    path = ("phases", phase_name, "losses", loss_name, key)
                    report.add(
                        path, f"unknown network {network!r}", hint=did_you_mean(network, modules) or _have(modules)
                    )
    for metric_name, metric in recipe.metrics.items():
        for key, network in network_names(metric).items():
            if network not in modules:
                hint = did_you_mean(network, modules) or _have(modules)
                report.add(("metrics", metric_name, key), f"unknown network {network!r}", hint=hint)
    return wrong


def _unknown_value(name: str, path: Path, recipe: Recipe, fields: Mapping[str, Shape] | None, report: Report) -> None:
    if name in recipe.modules or name in ops:
        noun = "a network" if name in recipe.modules else "an op"
        report.add(path, f"{name!r} is {noun}, not a tensor", hint=f"call it: {name}(...)")
    elif fields is not None:
        values = [*fields, *recipe.signals]
        hint = did_you_mean(name, values)
        expected = f"a field of the data set ({', '.join(fields) or 'none'})"
        expected += f" or a signal ({', '.join(recipe.signals)})" if recipe.signals else ""
        report.add(path, f"unknown name {name!r}", found=name, expected=expected, hint=hint)


def _check_call(call: Call, path: Path, recipe: Recipe, fields: Mapping[str, Shape] | None, report: Report) -> None:
    name, modules = call.function, recipe.modules
    if name in modules:
        numbers = [isinstance(argument, Number) for argument in call.arguments]
        if not numbers or numbers[0]:
            report.add(path, f"{name} takes a tensor first", found=str(call), expected=f"{name}(picture)")
        elif numbers != sorted(numbers):
            report.add(path, "numbers come after the tensors", found=str(call))
    elif name in ops:
        least, most = ops[name].arguments
        if not least <= len(call.arguments) <= (len(call.arguments) if most is None else most):
            wanted = f"{least}" if most == least else f"{least} or more" if most is None else f"{least} to {most}"
            plural = "" if wanted == "1" else "s"
            message = f"{name} takes {wanted} argument{plural}, not {len(call.arguments)}"
            report.add(path, message, found=str(call))
    elif name in recipe.signals or (fields is not None and name in fields):
        noun = "a signal" if name in recipe.signals else "a field of the data set"
        report.add(path, f"{name!r} is {noun}, not a network or an op", found=str(call), hint=f"write {name}")
    elif (refusal := plugins.refusal(name)) is not None:
        report.add(path, refusal.message, found=str(call), hint=refusal.hint)
    else:
        hint = did_you_mean(name, modules) or _op_hint(name, modules)
        expected = f"a network ({', '.join(modules)}) or an op" if modules else "a network or an op"
        report.add(path, f"unknown function {name!r}", found=str(call), expected=expected, hint=hint)


def _op_hint(name: str, modules: Mapping[str, object]) -> str | None:
    near = did_you_mean(name, [*modules, *ops])
    if near is not None:
        return near
    return None if name in ops else plugins.explain(name, "ops") or "see: toonforge list ops"


def _have(names: Mapping[str, object]) -> str:
    return f"there are {', '.join(names)}" if names else "the recipe has none"


def signal_order(signals: Mapping[str, Expr], report: Report) -> list[str]:
    """Signals, each after those it needs; those of a cycle are reported and left out, with what needs them.

    So are those that are nested too deeply.
    """
    order: list[str] = []
    state: dict[str, str] = {}
    depths: dict[str, int] = {}
    for start in signals:
        if start in state:
            continue
        state[start] = "open"
        stack = [(start, iter(dict.fromkeys(n for n in signals[start].names() if n in signals)))]
        while stack:
            name, needs = stack[-1]
            need = next(needs, None)
            if need is None:
                stack.pop()
                broken = any(state.get(n) == "broken" for n in signals[name].names() if n in signals)
                if state[name] == "open":
                    state[name] = "broken" if broken else "done"
                    depths[name] = 0 if broken else _depth(signals[name].root, depths)
                if depths.get(name, 0) > MAX_NESTING:
                    state[name] = "broken"
                    deep = f"{depths[name]} levels of calls and signals"
                    report.add(("signals", name), "nested too deeply", found=deep, expected=f"at most {MAX_NESTING}")
                if state[name] == "done":
                    order.append(name)
            elif need not in state:
                state[need] = "open"
                stack.append((need, iter(dict.fromkeys(n for n in signals[need].names() if n in signals))))
            elif need in [open_name for open_name, _ in stack]:
                circle = [open_name for open_name, _ in stack]
                circle = [*circle[circle.index(need) :], need]
                report.add(("signals", name), "signals in a circle", found=" -> ".join(circle))
                for member in circle:
                    state[member] = "broken"
    return order


def _depth(node: Node, depths: Mapping[str, int]) -> int:
    """How many levels of calls and names the node has, signals written out."""
    below = [_depth(argument, depths) for argument in node.arguments] if isinstance(node, Call) else []
    return 1 + max(below, default=depths.get(node.name, 0) if isinstance(node, Name) else 0)
