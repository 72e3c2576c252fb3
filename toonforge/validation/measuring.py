"""Metrics over a part of a data set, each beside what it has to beat: what training and `toonforge evaluate` share.

One pass over the pictures of a group serves all metrics and their variants: a picture is read once, each expression
evaluated once, the filter applied once. What no training changes is measured once and remembered: variants without
trained networks whole, and of the other measurements what metrics keep (`toonforge.components.Keeps`), references most
of all. A later measurement yields, bit by bit, what measuring everything anew would.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence, Set

import attrs
import torch
from PIL import Image
from torch import Tensor

from toonforge.components import BuiltMetric, DrawsPicture, ImageSource, Keeps, Metric, Shape, expressions
from toonforge.events import About
from toonforge.inference import Inference
from toonforge.recipe.expr import Expr
from toonforge.recipe.graph import Graph
from toonforge.validation.baselines import FILTER, filter_missing, filtered, filtered_name, variants
from toonforge.validation.items import Items
from toonforge.validation.protocol import Setting, protocol

HEADLINE = ""


@attrs.frozen(kw_only=True)
class Results:
    """What was measured.

    Attributes:
        values: metric -> its results; see `toonforge.events.Measured`.
        about: metric -> how its numbers were made.
        drawings: metric -> the picture it drew, for those that draw one.
        seconds: how long it took.
    """

    values: Mapping[str, Mapping[str, float]]
    about: Mapping[str, About]
    drawings: Mapping[str, Image.Image]
    seconds: float


class Measuring:
    """Measures the same metrics over the same pictures, once or again and again while networks train.

    Args:
        metrics: by name; their names in expressions are of `groups` and `graph`.
        source: the pictures.
        groups: the data set's, group -> batch field -> shape of one sample.
        graph: of the expressions.
        device, dtype: where and as what networks and metrics compute.
        skipped: told (path, reason) of each picture that cannot be read.
        part: of the data set, as a protocol calls it: "validation", "test".
        weights: of the networks, as a protocol calls them: "moving average (decay 0.99)", "as trained"; "none" where
            there are no networks.
        preparation: how the pictures were prepared (`toonforge.components.Dataset.preparation`).
        trained: networks that change from one measurement to the next; all when left out.

    Raises:
        ToonforgeError: a metric's weights or packages are missing.
    """

    def __init__(
        self,
        metrics: Mapping[str, Metric],
        source: ImageSource,
        groups: Mapping[str, Mapping[str, Shape]],
        graph: Graph,
        device: torch.device,
        dtype: torch.dtype,
        skipped: Callable[[str, str], None],
        *,
        part: str,
        weights: str,
        preparation: str = "",
        trained: Collection[str] | None = None,
    ) -> None:
        self.metrics, self.graph = metrics, graph
        self.setting = Setting(part=part, weights=weights, preparation=preparation)
        self._items = Items(source=source, groups=groups, device=device, dtype=dtype, skipped=skipped)
        self._filtered = {filtered_name(field): field for fields in groups.values() for field in fields}
        changing = graph.networks if trained is None else frozenset(trained)
        shapes = {field: shape for fields in groups.values() for field, shape in fields.items()}
        self._subjects: list[_Subject] = []
        for name, config in metrics.items():
            # Now, so that weights or packages that are missing are missed before the first step of a training.
            built = config.build(device)
            for part_, exprs in {HEADLINE: expressions(config), **variants(config, graph, shapes)}.items():
                fixed = frozenset(key for key, expr in exprs.items() if not graph.networks_below(expr) & changing)
                self._subjects.append(_Subject(name=name, part=part_, config=config, exprs=exprs, fixed=fixed))
                if part_ == HEADLINE:
                    self._subjects[-1].state = _State(built)
        self._readable: dict[frozenset[str], list[int]] = {}

    def __call__(self, inference: Inference, progress: Callable[[int, int], None] | None = None) -> Results:
        """Measure everything.

        Args:
            inference: evaluates expressions over the networks as they are now.
            progress: told (pictures done, pictures there are) after each batch.
        """
        began = time.perf_counter()
        due = {subject.key: subject.begin(self._items.device) for subject in self._subjects if not subject.outcome}
        passes = self._passes(due)
        steps = _Steps(progress, [self._count(groups, wanted) for groups, wanted in passes.items()])
        for groups, wanted in passes.items():
            self._pass(groups, wanted, due, inference, steps)
        outcomes = {
            subject.key: subject.outcome or subject.end(due[subject.key])
            for subject in self._subjects
            if subject.outcome or subject.key in due
        }
        return self._results(outcomes, time.perf_counter() - began)

    # -- a pass over the pictures of some groups --------------------------------------------------------------------

    def _passes(self, due: Mapping[_Key, _State]) -> dict[frozenset[str], list[_Wanted]]:
        """Groups whose pictures are read together -> whose fields of which metrics are made of them."""
        passes: dict[frozenset[str], list[_Wanted]] = {}
        for subject in self._subjects:
            if subject.key in due:
                by_groups: dict[frozenset[str], dict[str, Expr]] = {}
                for key, expr in subject.exprs.items():
                    if key not in due[subject.key].kept:
                        by_groups.setdefault(self._groups_of(expr), {})[key] = expr
                for groups, exprs in by_groups.items():
                    passes.setdefault(groups, []).append(_Wanted(subject, exprs))
        return passes

    def _groups_of(self, expr: Expr) -> frozenset[str]:
        return frozenset(map(self._items.group_of, self._fields_of(expr)))

    def _fields_of(self, expr: Expr) -> frozenset[str]:
        """The data set's fields below an expression; of filtered pictures the field that was filtered."""
        fields = self.graph.fields_of(expr)
        return frozenset(self._filtered.get(field, field) for field in fields)

    def _used(self, wanted: Sequence[_Wanted]) -> frozenset[str]:
        return frozenset().union(*(self._fields_of(expr) for each in wanted for expr in each.exprs.values()))

    def _count(self, groups: frozenset[str], wanted: Sequence[_Wanted]) -> int:
        known = self._readable.get(groups)
        return self._items.count(self._used(wanted)) if known is None else len(known)

    def _pass(
        self,
        groups: frozenset[str],
        wanted: list[_Wanted],
        due: dict[_Key, _State],
        inference: Inference,
        steps: _Steps,
    ) -> None:
        wanted = [each for each in wanted if each.subject.key in due]
        exprs = {expr.text: expr for each in wanted for expr in each.exprs.values()}
        named = {field for expr in exprs.values() for field in self.graph.fields_of(expr)}
        # Later passes may need fewer fields, and so would miss that a picture's other half cannot be read.
        known = self._readable.get(groups)
        read: list[int] = []
        for batch in self._items.batches(self._used(wanted), indices=known):
            read.extend(batch.indices)
            fields = dict(batch.fields)
            fields |= {name: filtered(fields[of]) for name, of in self._filtered.items() if name in named}
            values = dict(zip(exprs, inference.values(exprs.values(), fields), strict=True))
            if len(read) == len(batch.indices):
                for misfit in _misfits(wanted, values):
                    self._subjects.remove(misfit)
                    del due[misfit.key]
                wanted = [each for each in wanted if each.subject.key in due]
            for each in wanted:
                due[each.subject.key].update({key: values[expr.text] for key, expr in each.exprs.items()})
            steps.done(len(batch.indices))
        self._readable.setdefault(groups, read)

    # -- what came of it ------------------------------------------------------------------------------------------

    def _results(self, outcomes: Mapping[_Key, _Outcome], seconds: float) -> Results:
        values: dict[str, dict[str, float]] = {}
        about: dict[str, About] = {}
        for name, config in self.metrics.items():
            outcome = outcomes[name, HEADLINE]
            values[name] = dict(outcome.values)
            about[name] = self._about(config, outcome, variants={part for of, part in outcomes if of == name})
        for (name, part), outcome in outcomes.items():
            if part != HEADLINE and HEADLINE in outcome.values:
                values[name][part] = outcome.values[HEADLINE]
                if "std" in outcome.values:
                    values[name][f"{part}_std"] = outcome.values["std"]
        drawings = {name: o.drawing for (name, part), o in outcomes.items() if o.drawing is not None and not part}
        return Results(values=values, about=about, drawings=drawings, seconds=seconds)

    def _about(self, config: Metric, outcome: _Outcome, variants: Set[str]) -> About:
        better = {True: "lower", False: "higher", None: None}[config.lower_is_better]
        trained = any(map(self.graph.networks_below, expressions(config).values()))
        cautions = [*config.cautions(outcome.pictures)]
        if not cautions and math.isnan(outcome.values.get(HEADLINE, 0.0)):
            cautions.append(_why_not_a_number(outcome))
        missing = filter_missing()
        if missing is not None and variants - {HEADLINE} and FILTER not in variants:
            cautions.append(missing)
        return About(
            better=better,
            protocol=protocol(config, outcome.pictures, self.setting, networks=trained),
            pictures=outcome.pictures,
            cautions=tuple(cautions),
        )


_Key = tuple[str, str]
"""Metric and part: "" for the metric as written, or a variant."""


@attrs.define
class _State:
    """A measurement under way.

    Attributes:
        built: takes the tensors.
        pictures: `Expr` field -> how many have arrived.
        kept: fields that need not arrive again.
        finite: whether every value that arrived is.
    """

    built: BuiltMetric
    pictures: dict[str, int] = attrs.field(factory=dict)
    kept: frozenset[str] = frozenset()
    finite: bool = True

    def update(self, tensors: Mapping[str, Tensor]) -> None:
        """Take fields of one batch."""
        for key, value in tensors.items():
            self.pictures[key] = self.pictures.get(key, 0) + len(value)
            self.finite = self.finite and bool(torch.isfinite(value).all())
        self.built.update(**tensors)


@attrs.frozen(kw_only=True)
class _Outcome:
    """A measurement that is done."""

    values: Mapping[str, float]
    pictures: Mapping[str, int]
    drawing: Image.Image | None
    finite: bool


@attrs.define(kw_only=True, eq=False)
class _Subject:
    """A metric as written, or a variant of it.

    Attributes:
        exprs: `Expr` field -> what it holds here.
        fixed: fields that no training changes.
        state: what the next measurement begins with, if not with nothing.
        outcome: what came of it, where no training can change that.
    """

    name: str
    part: str
    config: Metric
    exprs: Mapping[str, Expr]
    fixed: frozenset[str]
    state: _State | None = None
    outcome: _Outcome | None = None

    @property
    def key(self) -> _Key:
        """Names it among the subjects."""
        return self.name, self.part

    def begin(self, device: torch.device) -> _State:
        """A measurement that has what is kept of the one before, and nothing else."""
        state, self.state = self.state, None
        return state or _State(self.config.build(device))

    def end(self, state: _State) -> _Outcome:
        """Compute, and keep what no training changes."""
        built = state.built
        values = dict(built.compute())
        drawing = built.draw() if self.part == HEADLINE and isinstance(built, DrawsPicture) else None
        pictures = {key: state.pictures.get(key, 0) for key in self.exprs}
        outcome = _Outcome(values=values, pictures=pictures, drawing=drawing, finite=state.finite)
        if self.fixed == frozenset(self.exprs):
            self.outcome = outcome
        elif isinstance(built, Keeps):
            kept = {key: count for key, count in pictures.items() if key in self.fixed}
            self.state = _State(built.again(self.fixed), kept, self.fixed)
        return outcome


@attrs.frozen
class _Wanted:
    """Fields of a subject that are made of the pictures of one pass."""

    subject: _Subject
    exprs: Mapping[str, Expr]


class _Steps:
    """Tells how far a measurement is."""

    def __init__(self, told: Callable[[int, int], None] | None, counts: Sequence[int]) -> None:
        self.told, self.total, self.count = told, sum(counts), 0

    def done(self, count: int) -> None:
        """So many more pictures are done."""
        self.count += count
        if self.told is not None:
            self.told(self.count, self.total)


def _misfits(wanted: Sequence[_Wanted], values: Mapping[str, Tensor]) -> list[_Subject]:
    """Variants whose pictures are of another shape than the translation that they stand in for."""
    found = []
    for each in wanted:
        key = each.subject.config.translated or ""
        written = expressions(each.subject.config).get(key)
        if key not in each.exprs or written is None or written.text not in values:
            continue
        if values[each.exprs[key].text].shape != values[written.text].shape:
            found.append(each.subject)
    return found


def _why_not_a_number(outcome: _Outcome) -> str:
    if not min(outcome.pictures.values(), default=0):
        return "nan: no picture could be read"
    if not outcome.finite:
        return "nan: the networks yield values that are infinite or not numbers"
    return "nan: it is not defined for these pictures"
