"""Metrics over a part of a data set, each beside what it has to beat: what training and `toonforge evaluate` share.

One pass over the pictures of a group serves all metrics and their variants: a picture is read once, each expression
evaluated once, the filter applied once. What no training changes is measured once and remembered: variants without
trained networks whole, and of the other measurements what metrics keep (`toonforge.components.Keeps`), references most
of all. A later measurement yields, bit by bit, what measuring everything anew would: where a picture is no longer
there, everything is measured anew, and where one could not be read just now, the next one measures everything anew.
So random streams are seeded by what is measured, whenever that is. A metric that
fails is nan, with a caution that names the error.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import zip_longest

import attrs
import torch
from PIL import Image

from toonforge.blame import of_component
from toonforge.components import ImageSource, Metric, Shape, expressions
from toonforge.data.reading.again import Retried
from toonforge.data.seeds import seed_all
from toonforge.events import FILTER, About
from toonforge.inference import Inference
from toonforge.memory import doing
from toonforge.recipe.expr import Expr
from toonforge.recipe.graph import Graph
from toonforge.validation.baselines import filter_missing, filtered, filtered_name, variants
from toonforge.validation.independence import dependence
from toonforge.validation.items import Batch, Items, go_on, nobody
from toonforge.validation.progress import Steps
from toonforge.validation.protocol import Setting, protocol
from toonforge.validation.subjects import (
    HEADLINE,
    LONGEST,
    Key,
    Outcome,
    State,
    Subject,
    Wanted,
    misfits,
    of_metric,
    why_not_a_number,
)


@attrs.frozen(kw_only=True)
class Results:
    """What was measured.

    Attributes:
        values: metric -> its results; see `toonforge.events.Measured`.
        about: metric -> how its numbers were made.
        drawings: metric -> the picture it drew, for those that draw one.
        seconds: how long it took.
        missed: pictures left out with which nothing is known to be wrong: path -> reason.
    """

    values: Mapping[str, Mapping[str, float]]
    about: Mapping[str, About]
    drawings: Mapping[str, Image.Image]
    seconds: float
    missed: Mapping[str, str] = attrs.field(factory=dict)


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
        weights: network -> its weights, as a protocol calls them (`toonforge.validation.weights.weights_of`).
        preparation: how the pictures were prepared (`toonforge.components.Dataset.preparation`).
        trained: networks that change from one measurement to the next; all when left out.
        check: asked before each picture and each result, and may raise: the measurement is then of no use.
        retried: told (path, how it went) of each picture that was read at a later try.

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
        weights: Mapping[str, str],
        preparation: str = "",
        trained: Collection[str] | None = None,
        check: Callable[[], None] = go_on,
        retried: Callable[[str, Retried], None] = nobody,
    ) -> None:
        self.metrics, self.graph = metrics, graph
        self.setting = Setting(part=part, weights=weights, preparation=preparation)
        self._items = Items(
            source=source, groups=groups, device=device, dtype=dtype, skipped=skipped, check=check, retried=retried
        )
        self._filtered = {filtered_name(field): field for fields in groups.values() for field in fields}
        changing = graph.networks if trained is None else frozenset(trained)
        shapes = {field: shape for fields in groups.values() for field, shape in fields.items()}
        self._subjects: list[Subject] = []
        for name, config in metrics.items():
            # Now, so that weights or packages that are missing are missed before the first step of a training.
            with of_component(config, f"metrics.{name}", "build() failed"), of_metric(name):
                seed_all(0, "build", name, device=device)
                built = config.build(device)
            for part_, exprs in {HEADLINE: expressions(config), **variants(config, graph, shapes)}.items():
                fixed = frozenset(key for key, expr in exprs.items() if not graph.networks_below(expr) & changing)
                self._subjects.append(Subject(name=name, part=part_, config=config, exprs=exprs, fixed=fixed))
                if part_ == HEADLINE:
                    self._subjects[-1].state = State(built)
        self._batches: dict[frozenset[str], list[Sequence[int]]] = {}

    def __call__(self, inference: Inference, progress: Callable[[int, int], None] | None = None) -> Results:
        """Measure everything.

        Args:
            inference: evaluates expressions over the networks as they are now.
            progress: told (pictures done, pictures there are) after each batch.
        """
        began = time.perf_counter()

        def outcomes() -> dict[Key, Outcome]:
            try:
                return self._outcomes(inference, progress)
            except _OtherPictures:
                self._forget()
                return self._outcomes(inference, progress)

        with doing("measuring"):
            found = self._items.in_smaller_batches(outcomes, self._forget)
        if self._items.missed:
            self._forget()  # and with it that these pictures are not there
        return self._results(found, time.perf_counter() - began)

    def _forget(self) -> None:
        """Remember nothing: what is remembered is of pictures that are no longer all there."""
        self._batches.clear()
        for subject in self._subjects:
            subject.forget()

    def _outcomes(self, inference: Inference, progress: Callable[[int, int], None] | None) -> dict[Key, Outcome]:
        """Raises `_OtherPictures` where not all the pictures of the measurements before can be read."""
        self._items.missed.clear()
        due = {subject.key: subject.begin(self._items.device) for subject in self._subjects if not subject.outcome}
        passes = self._passes(due)
        steps = Steps(progress, [self._count(groups, wanted) for groups, wanted in passes.items()])
        for groups, wanted in passes.items():
            self._pass(groups, wanted, due, inference, steps)
        steps.over()
        outcomes: dict[Key, Outcome] = {}
        for subject in self._subjects:
            self._items.check()
            if subject.outcome or subject.key in due:
                outcomes[subject.key] = subject.outcome or subject.end(due[subject.key], self._items.device)
        return outcomes

    # -- a pass over the pictures of some groups --------------------------------------------------------------------

    def _passes(self, due: Mapping[Key, State]) -> dict[frozenset[str], list[Wanted]]:
        """Groups whose pictures are read together -> whose fields of which metrics are made of them."""
        passes: dict[frozenset[str], list[Wanted]] = {}
        for subject in self._subjects:
            if subject.key in due:
                by_groups: dict[frozenset[str], dict[str, Expr]] = {}
                for key, expr in subject.exprs.items():
                    if key not in due[subject.key].kept:
                        by_groups.setdefault(self._groups_of(expr), {})[key] = expr
                for groups, exprs in by_groups.items():
                    passes.setdefault(groups, []).append(Wanted(subject, exprs))
        return passes

    def _groups_of(self, expr: Expr) -> frozenset[str]:
        return frozenset(map(self._items.group_of, self._fields_of(expr)))

    def _fields_of(self, expr: Expr) -> frozenset[str]:
        """The data set's fields below an expression; of filtered pictures the field that was filtered."""
        fields = self.graph.fields_of(expr)
        return frozenset(self._filtered.get(field, field) for field in fields)

    def _used(self, wanted: Sequence[Wanted]) -> frozenset[str]:
        return frozenset().union(*(self._fields_of(expr) for each in wanted for expr in each.exprs.values()))

    def _count(self, groups: frozenset[str], wanted: Sequence[Wanted]) -> int:
        known = self._batches.get(groups)
        return self._items.count(self._used(wanted)) if known is None else sum(map(len, known))

    def _pass(
        self,
        groups: frozenset[str],
        wanted: list[Wanted],
        due: dict[Key, State],
        inference: Inference,
        steps: Steps,
    ) -> None:
        wanted = [each for each in wanted if each.subject.key in due]
        exprs = {expr.text: expr for each in wanted for expr in each.exprs.values()}
        named = {field for expr in exprs.values() for field in self.graph.fields_of(expr)}
        for number, batch in enumerate(self._read(groups, self._used(wanted))):
            fields = dict(batch.fields)
            fields |= {name: filtered(fields[of]) for name, of in self._filtered.items() if name in named}
            values = dict(zip(exprs, inference.values(exprs.values(), fields), strict=True))
            if number == 0:
                for misfit in misfits(wanted, values):
                    self._subjects.remove(misfit)
                    del due[misfit.key]
                wanted = [each for each in wanted if each.subject.key in due]
            for each in wanted:
                seed_all(0, "update", *each.subject.key, *sorted(groups), number, device=self._items.device)
                due[each.subject.key].update({key: values[expr.text] for key, expr in each.exprs.items()})
            steps.done(len(batch.indices))

    def _read(self, groups: frozenset[str], used: frozenset[str]) -> Iterator[Batch]:
        """The pictures of these groups, each time the same in the same batches.

        Later passes may need fewer fields. Batches are the first one's, since with them alone fewer pictures might be
        left out, others come together, and numbers differ in their last digits.

        Raises:
            _OtherPictures: one that was there the first time is not.
        """
        known = self._batches.get(groups)
        if known is None:
            read: list[Sequence[int]] = []
            for batch in self._items.batches(used):
                read.append(batch.indices)
                yield batch
            self._batches[groups] = read
            return
        for indices, again in zip_longest(known, self._items.these(used, known)):
            if again is None or again.indices != indices:
                raise _OtherPictures
            yield again

    # -- what came of it ------------------------------------------------------------------------------------------

    def _results(self, outcomes: Mapping[Key, Outcome], seconds: float) -> Results:
        about: dict[str, About] = {}
        values = {name: dict(outcomes[name, HEADLINE].values) for name in self.metrics}
        for (name, part), outcome in outcomes.items():
            if part != HEADLINE and HEADLINE in outcome.values:
                values[name][part] = outcome.values[HEADLINE]
                if "std" in outcome.values:
                    values[name][f"{part}_std"] = outcome.values["std"]
        for name, config in self.metrics.items():
            subjects = {subject.part: subject for subject in self._subjects if subject.name == name}
            about[name] = self._about(config, outcomes[name, HEADLINE], subjects, values[name])
        for (name, part), outcome in outcomes.items():
            if part != HEADLINE and outcome.failed is not None:
                caution = f"{part} is nan: the metric failed there with {outcome.failed}"
                about[name] = attrs.evolve(about[name], cautions=(*about[name].cautions, caution))
        drawings = {name: o.drawing for (name, part), o in outcomes.items() if o.drawing is not None and not part}
        missed = {**self._items.missed}
        if missed:
            caution = f"left out, since they could not be read just now: {', '.join(missed)}"[:LONGEST]
            about = {name: attrs.evolve(each, cautions=(*each.cautions, caution)) for name, each in about.items()}
        return Results(values=values, about=about, drawings=drawings, seconds=seconds, missed=missed)

    def _about(
        self, config: Metric, outcome: Outcome, subjects: Mapping[str, Subject], values: Mapping[str, float]
    ) -> About:
        better = {True: "lower", False: "higher", None: None}[config.lower_is_better]
        networks = frozenset().union(*map(self.graph.networks_below, expressions(config).values()))
        cautions = [*config.cautions(outcome.pictures)]
        if outcome.failed is not None:
            cautions.insert(0, f"nan: the metric failed with {outcome.failed}")
        if outcome.undrawn is not None:
            cautions.append(f"no picture of it: drawing failed with {outcome.undrawn}")
        if not cautions and math.isnan(outcome.values.get(HEADLINE, 0.0)):
            cautions.append(why_not_a_number(outcome))
        cautions += dependence(config, subjects[HEADLINE].exprs, values, self._groups_of)
        missing = filter_missing()
        if missing is not None and subjects.keys() - {HEADLINE} and FILTER not in subjects:
            cautions.append(missing)
        return About(
            better=better,
            protocol=protocol(
                config,
                outcome.pictures,
                self.setting,
                networks=networks,
                own=outcome.protocol,
                filter=subjects[FILTER].exprs[config.translated or ""].text if FILTER in subjects else None,
            ),
            pictures=outcome.pictures,
            cautions=tuple(cautions),
        )


class _OtherPictures(Exception):
    """Not all the pictures that earlier measurements were made of can be read."""
