"""One measurement of one metric, as written or with something else in the translation's place, from begin to end."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import attrs
import torch
from PIL import Image
from torch import Tensor

from toonforge.components import BuiltMetric, DrawsPicture, Keeps, KnowsProtocol, Metric, expressions
from toonforge.data.seeds import seed_all
from toonforge.errors import ToonforgeError
from toonforge.memory import is_out_of_memory
from toonforge.recipe.expr import Expr

HEADLINE = ""
LONGEST = 300
"""Characters of an error that are said."""

Key = tuple[str, str]
"""Metric and part: "" for the metric as written, or a variant."""


@attrs.define
class State:
    """A measurement under way.

    Attributes:
        built: takes the tensors; None where it could not be built.
        pictures: `Expr` field -> how many have arrived.
        kept: fields that need not arrive again.
        finite: whether every value that arrived is.
        failed: the error that the metric failed with, in a line.
    """

    built: BuiltMetric | None = None
    pictures: dict[str, int] = attrs.field(factory=dict)
    kept: frozenset[str] = frozenset()
    finite: bool = True
    failed: str | None = None

    def update(self, tensors: Mapping[str, Tensor]) -> None:
        """Take fields of one batch."""
        for key, value in tensors.items():
            self.pictures[key] = self.pictures.get(key, 0) + len(value)
            self.finite = self.finite and bool(torch.isfinite(value).all())
        if self.built is not None and self.failed is None:
            with self.may_fail():
                self.built.update(**tensors)

    @contextmanager
    def may_fail(self) -> Iterator[None]:
        """A metric that fails is a number less, and no reason to end a training; to be out of memory is one."""
        try:
            yield
        except Exception as error:
            if is_out_of_memory(error):
                raise
            self.failed = " ".join(f"{type(error).__name__}: {error}".split())[:LONGEST]


@attrs.frozen(kw_only=True)
class Outcome:
    """A measurement that is done.

    Attributes:
        values: its results, nan where the metric failed.
        pictures: `Expr` field -> how many arrived.
        drawing: the picture that the metric drew, if it draws one.
        finite: whether every value that arrived is.
        failed: the error that the metric failed with, in a line.
        undrawn: the error that its drawing failed with.
        protocol: how the numbers were made, where what was built knows better than the metric's config.
    """

    values: Mapping[str, float]
    pictures: Mapping[str, int]
    drawing: Image.Image | None
    finite: bool
    failed: str | None = None
    undrawn: str | None = None
    protocol: str = ""


@attrs.define(kw_only=True, eq=False)
class Subject:
    """A metric as written, or a variant of it.

    Attributes:
        exprs: `Expr` field -> what it holds here.
        fixed: fields that no training changes.
        state: what the next measurement begins with, if not with nothing.
        outcome: what came of it, where no training can change that.
        parts: names of its newest results: a failure leaves none of them out.
    """

    name: str
    part: str
    config: Metric
    exprs: Mapping[str, Expr]
    fixed: frozenset[str]
    state: State | None = None
    outcome: Outcome | None = None
    parts: Sequence[str] = (HEADLINE,)

    @property
    def key(self) -> Key:
        """Names it among the subjects."""
        return self.name, self.part

    def begin(self, device: torch.device) -> State:
        """A measurement that has what is kept of the one before, and nothing else."""
        state, self.state = self.state, None
        if state is None:
            state = State()
            seed_all(0, "build", self.name, device=device)
            with state.may_fail():
                state.built = self.config.build(device)
        return state

    def end(self, state: State, device: torch.device) -> Outcome:
        """Compute, and keep what no training changes; nothing of a metric that failed."""
        values, own, drawing, undrawn = dict.fromkeys(self.parts, math.nan), "", None, None
        pictures = {key: state.pictures.get(key, 0) for key in self.exprs}
        seed_all(0, "compute", *self.key, device=device)
        if state.built is not None and state.failed is None:
            with state.may_fail():
                values = _numbers(state.built.compute())
                self.parts = tuple(values)
                own = state.built.protocol() if isinstance(state.built, KnowsProtocol) else ""
        if state.failed is None:
            drawing, undrawn = self._drawn(state)
        outcome = Outcome(
            values=values,
            pictures=pictures,
            drawing=drawing,
            finite=state.finite,
            failed=state.failed,
            undrawn=undrawn,
            protocol=own,
        )
        if state.failed is None:
            self._keep(state, outcome)
        return outcome

    def forget(self) -> None:
        """Begin with nothing the next time."""
        self.state = self.outcome = None

    def _drawn(self, state: State) -> tuple[Image.Image | None, str | None]:
        """The picture that the metric as written draws, or why it could not."""
        drawn, drawing, built = State(), None, state.built
        if self.part == HEADLINE and built is not None and isinstance(built, DrawsPicture):
            with drawn.may_fail():
                drawing = built.draw()
        return drawing, drawn.failed

    def _keep(self, state: State, outcome: Outcome) -> None:
        built = state.built
        if self.fixed == frozenset(self.exprs):
            self.outcome = outcome
        elif built is not None and isinstance(built, Keeps):
            kept = {key: count for key, count in outcome.pictures.items() if key in self.fixed}
            with state.may_fail():
                self.state = State(built.again(self.fixed), kept, self.fixed)


@attrs.frozen
class Wanted:
    """Fields of a subject that are made of the pictures of one pass."""

    subject: Subject
    exprs: Mapping[str, Expr]


def misfits(wanted: Sequence[Wanted], values: Mapping[str, Tensor]) -> list[Subject]:
    """Variants whose pictures are of another shape than the translation that they stand in for.

    Sets of pictures may be of any size: only where a metric compares picture by picture does it matter.
    """
    found = []
    for each in wanted:
        config = each.subject.config
        key = config.translated or ""
        written = expressions(config).get(key)
        if key not in each.exprs or written is None or written.text not in values:
            continue
        mine, theirs = values[each.exprs[key].text].shape, values[written.text].shape
        if mine[1] != theirs[1] or (key in config.together and mine != theirs):
            found.append(each.subject)
    return found


@contextmanager
def of_metric(name: str) -> Iterator[None]:
    """Problems with a field of the metric's component name the whole key in the recipe."""
    try:
        yield
    except ToonforgeError as error:
        raise type(error)(
            *(attrs.evolve(p, key=".".join(filter(None, ("metrics", name, p.key)))) for p in error.problems)
        ) from error


def why_not_a_number(outcome: Outcome) -> str:
    """A caution for a metric that has none of its own."""
    if not min(outcome.pictures.values(), default=0):
        return "nan: no picture could be read"
    if not outcome.finite:
        return "nan: the networks yield values that are infinite or not numbers"
    return "nan: it is not defined for these pictures"


def _numbers(computed: object) -> dict[str, float]:
    if not isinstance(computed, Mapping):
        raise TypeError(f'compute() returned {type(computed).__name__}, expected a mapping such as {{"": 0.5}}')
    return {key: float(value) for key, value in computed.items()}
