"""In which order a network's values are computed, which are kept whole, and how much memory and work that takes.

A value is kept, or made anew, strip by strip, wherever it is read. Keeping all saves all work that is done twice;
keeping only the smaller ones saves most of the memory, since the largest values, those of the picture's own size, are
those of few channels, which cost the least to compute.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import attrs

from toonforge.use.tiled.network import Steps
from toonforge.use.tiled.step import Range, Step

MOST_WORK = 1.6
"""So many times the work of the whole computation are accepted before values are kept in a file instead."""
LEAST_ROWS = 4
SPARE = 2.0
"""What a convolution's own buffers take, as a factor on a strip's values."""


@attrs.frozen(eq=False)
class Action:
    """A value computed strip by strip (or, where the step has no rows, whole).

    Attributes:
        target: what is computed.
        passing: steps that are computed for each strip on the way, the target last; none where it is kept already.
        sources: kept values that are read.
        kept: whether the target is kept.
        gathers: statistics of the target.
        rows: of a strip.
        ends: kept values that nothing reads after this.
        replaces: a kept value that ends here and whose memory the target takes over row by row.
    """

    target: Step
    passing: tuple[Step, ...]
    sources: tuple[Step, ...]
    kept: bool
    gathers: tuple[Step, ...]
    rows: int
    ends: tuple[Step, ...] = ()
    replaces: Step | None = None


@attrs.frozen(eq=False)
class Plan:
    """Actions in order.

    Attributes:
        memory: bytes that kept values and one strip take at most, the pictures and the output not counted.
        strip: of these, those of a strip: on the device.
        work: as a multiple of the whole computation's.
        spilled: whether kept values go to a file.
    """

    actions: tuple[Action, ...]
    memory: int
    strip: int
    work: float
    spilled: bool = False


def rows_needed(passing: Sequence[Step], first: int, last: int) -> dict[Step, Range]:
    """Of every step that strips come from: the rows for rows [first, last) of the last of `passing`."""
    ranges: dict[Step, Range] = {passing[-1]: (first, last)}
    for step in reversed(passing):
        for source, needed in zip(step.inputs, step.needs(*ranges[step])):
            if source.statistics is not None or len(source.shape) != 4:
                continue
            start, end = needed or (0, source.height)
            before = ranges.get(source, (start, end))
            ranges[source] = (min(start, before[0]), max(end, before[1]))
    return ranges


def strip_bytes(passing: Sequence[Step], ranges: dict[Step, Range]) -> int:
    """The most that a strip's values take at one time."""
    last_read = {source: index for index, step in enumerate(passing) for source in step.inputs}
    live = peak = 0
    for index, step in enumerate(passing):
        live += _bytes(step, ranges[step])
        peak = max(peak, live)
        live -= sum(_bytes(gone, ranges[gone]) for gone in step.inputs if gone in passing and last_read[gone] == index)
    return int(peak * SPARE)


def _bytes(step: Step, rows: Range) -> int:
    return step.bytes * (rows[1] - rows[0]) // step.height


def make_plan(steps: Steps, memory: int, strip: int, rows: int | None = None, spill: bool = True) -> Plan:
    """The plan that fits into memory with the least work; where none does, the one that comes nearest.

    Args:
        memory: bytes for kept values and strips.
        strip: bytes for one strip's values.
        rows: of every strip; as many as `strip` allows when left out.
        spill: whether values may be kept in a file, so that only strips are in memory.
    """
    sizes = sorted({step.bytes for step in steps.all if step.candidate}, reverse=True)
    plans = []
    for most in (*sizes, 0):
        plan = _plan(steps, {step for step in steps.all if step.candidate and step.bytes <= most}, strip, rows)
        if plan.memory <= memory and plan.work <= MOST_WORK:
            return plan
        plans.append(plan)
    if spill:
        return attrs.evolve(min(plans, key=lambda plan: plan.work), spilled=True)
    return min(plans, key=lambda plan: (max(plan.memory, memory), plan.work))


def _plan(steps: Steps, wanted: Collection[Step], strip: int, rows: int | None) -> Plan:
    whole = {step for step in steps.all if step.run is not None}
    read_whole = {source for step in whole for source in step.inputs if source.rows is not None}
    kept = {*wanted, *read_whole, steps.output} & set(steps.all) | whole
    have = {*kept, *steps.pictures}
    gathering: dict[Step, list[Step]] = {}
    for step in steps.all:
        if step.statistics is not None:
            gathering.setdefault(step.inputs[0], []).append(step)
    actions = [
        _action(step, have, kept, tuple(gathering.get(step, ())), strip, rows)
        for step in (*steps.pictures, *steps.all)
        if step.statistics is None and (step in kept or step in gathering)
    ]
    actions = list(_with_ends(actions, kept, steps.output))
    peak, largest = _memory(actions, steps.output)
    return Plan(tuple(actions), peak, largest, _work(actions) / max(1.0, _once(steps)))


def _action(
    step: Step, have: Collection[Step], kept: Collection[Step], gathers: tuple[Step, ...], strip: int, rows: int | None
) -> Action:
    if step.run is not None and not gathers:
        return Action(step, (), tuple(item for item in step.inputs if item.statistics is None), True, (), 0)
    if step.rows is None:  # a picture, or a value computed whole, whose statistics are gathered
        return Action(step, (), (step,), step in kept, gathers, rows or step.height)
    passing: list[Step] = []
    sources: list[Step] = []

    def visit(found: Step) -> None:
        if found in passing or found in sources or found.statistics is not None:
            return
        if found in have and found is not step:
            sources.append(found)
            return
        for source in found.inputs:
            visit(source)
        passing.append(found)

    visit(step)
    if rows is None:
        rows = step.height
        while rows > LEAST_ROWS:
            first = max(0, (step.height - rows) // 2)
            if strip_bytes(passing, rows_needed(passing, first, first + rows)) <= strip:
                break
            rows = -(-rows // 2)
    return Action(step, tuple(passing), tuple(sources), step in kept, gathers, min(rows, step.height))


def _with_ends(actions: Sequence[Action], kept: Collection[Step], output: Step) -> Iterator[Action]:
    last: dict[Step, int] = {}
    for index, action in enumerate(actions):
        for source in (*action.sources, *((action.target,) if action.kept else ())):
            last[source] = index
    for index, action in enumerate(actions):
        ends = tuple(step for step, end in last.items() if end == index and step in kept and step is not output)
        yield attrs.evolve(action, ends=ends, replaces=_replaced(action, ends, output))


def _replaced(action: Action, ends: Sequence[Step], output: Step) -> Step | None:
    """What the target may be written over: a value whose rows are read only to make the same rows."""
    if not action.kept or action.target is output or not all(step.rows and step.rows.local for step in action.passing):
        return None
    target = action.target
    fitting = (step for step in ends if step.shape == target.shape and step.dtype == target.dtype)
    return next((step for step in fitting if step is not target and step.rows is not None), None)


def _memory(actions: Sequence[Action], output: Step) -> tuple[int, int]:
    live = peak = largest = 0
    for action in actions:
        if (
            action.kept
            and action.target is not output
            and action.replaces is None
            and action.target not in action.sources
        ):
            live += action.target.bytes
        strip = 0
        if action.passing:
            first = (action.target.height - action.rows) // 2
            strip = strip_bytes(action.passing, rows_needed(action.passing, first, first + action.rows))
        peak, largest = max(peak, live + strip), max(largest, strip)
        live -= sum(step.bytes for step in action.ends if step is not action.replaces)
    return peak, largest


def _work(actions: Sequence[Action]) -> float:
    total = 0.0
    for action in actions:
        if action.passing:
            height = action.target.height
            first = (height - action.rows) // 2
            ranges = rows_needed(action.passing, first, first + action.rows)
            one = sum(step.work * (ranges[step][1] - ranges[step][0]) for step in action.passing)
            total += one * height / action.rows
    return total


def _once(steps: Steps) -> float:
    return sum(step.work * step.height for step in steps.all if step.rows is not None)
