"""Which losses of a phase can be differentiated apart: those that share no value through which a gradient passes.

The gradient of a sum is the sum of the gradients, so a phase may differentiate one group of losses after another, and
what one group computed is gone from memory before the next one begins. CycleGAN's generators then hold two passes of
a generator at a time in place of six.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set

import attrs
from torch import nn

from toonforge.train.graph import Arguments, Compiled


def changes(network: nn.Module) -> bool:
    """Whether calls may change a network, so that their order matters: whatever has buffers while it is trained.

    Running statistics and power iterations are such. Others stay as they are, but who knows of a plugin's.
    """
    return any(
        module.training and next(module.buffers(recurse=False), None) is not None for module in network.modules()
    )


@attrs.frozen
class Group:
    """Losses of a phase that one backward pass differentiates.

    Attributes:
        losses: their names, in the order written.
        complete: the networks whose gradient is complete after this group's backward pass.
        later: the texts of what later groups of the phase look at; all else may be forgotten.
    """

    losses: tuple[str, ...]
    complete: tuple[str, ...]
    later: frozenset[str] = frozenset()


@attrs.frozen
class Reach:
    """What evaluating one loss touches.

    Attributes:
        texts: of all expressions, those inside of signals too.
        carrying: what a gradient that the phase wants passes through.
        trained: networks of the phase whose parameters get a gradient by being called in its expressions.
        lent: networks that it is given as modules.
        called: all networks that it calls, in whatever way.
        forms: how it calls networks: (network, the numbers among the arguments).
    """

    texts: frozenset[str]
    carrying: frozenset[str]
    trained: frozenset[str]
    lent: frozenset[str]
    called: frozenset[str]
    forms: frozenset[tuple[str, str]]


def in_one(losses: Iterable[str], updates: Sequence[str]) -> tuple[Group, ...]:
    """All losses of a phase as one group."""
    return (Group(tuple(losses), tuple(updates)),)


def groups(
    losses: Mapping[str, Arguments],
    updates: Sequence[str],
    signals: Mapping[str, Compiled],
    *,
    changing: Set[str] = frozenset(),
    together: Iterable[frozenset[str]] = (),
    processes: int = 1,
) -> tuple[Group, ...]:
    """The smallest groups of a phase's losses, the first written first.

    Args:
        losses: name -> what it takes, in the order written.
        updates: the networks that the phase trains.
        signals: name -> its expression.
        changing: networks that change when they are called (running statistics, power iterations): the order of their
            calls stays as written.
        together: texts of calls that are made at once.
        processes: how many train together. A network's gradients are averaged in its last backward pass, which must
            then reach all of its parameters.
    """
    wanted = frozenset(updates)
    reaches = {name: reach(arguments, wanted, signals) for name, arguments in losses.items()}
    links = [*_shared(reaches, together), *(_whole(reaches, wanted) if processes > 1 else ())]
    parts = _joined(list(reaches), links)
    if not _in_order(parts, reaches, changing):
        parts = _without_gaps(parts, list(reaches))
    return tuple(_described(parts, updates, reaches))


def reach(arguments: Arguments, updates: Set[str], signals: Mapping[str, Compiled]) -> Reach:
    """What evaluating one loss touches, where the phase trains `updates`."""
    roots = arguments.nodes.values()
    nodes = walk(roots, signals)
    calls = [node for node in nodes.values() if node.kind == "network"]
    carrying = frozenset(text for text, node in nodes.items() if node.below & updates)
    attached = walk(roots, signals, detached=False).keys()
    lent = frozenset(arguments.networks.values())
    return Reach(
        texts=frozenset(nodes),
        carrying=carrying,
        trained=frozenset(node.name for node in calls if node.name in updates and node.text in attached),
        lent=lent & updates,
        called=lent | {node.name for node in calls},
        forms=frozenset((node.name, numbers(node)) for node in calls if node.name in updates),
    )


def walk(roots: Iterable[Compiled], signals: Mapping[str, Compiled], *, detached: bool = True) -> dict[str, Compiled]:
    """Expressions and all below them by text, each once, through those signals that are given; nothing behind ops that
    detach where not `detached`."""
    waiting, found = list(roots), dict[str, Compiled]()
    while waiting:
        node = waiting.pop()
        if node.text not in found:
            found[node.text] = node
            if detached or not node.stateful:
                waiting += (signals[node.name],) if node.name in signals else node.arguments
    return found


def numbers(call: Compiled) -> str:
    """The numbers among a call's arguments: a network may use other parameters for another one."""
    return ",".join(argument.text if argument.kind == "number" else "_" for argument in call.arguments)


def _shared(reaches: Mapping[str, Reach], together: Iterable[frozenset[str]]) -> Iterator[list[str]]:
    for text in frozenset().union(*(r.carrying for r in reaches.values())):
        yield [name for name, r in reaches.items() if text in r.carrying]
    for texts in together:
        yield [name for name, r in reaches.items() if texts & r.texts]


def _whole(reaches: Mapping[str, Reach], updates: Set[str]) -> Iterator[list[str]]:
    """So that the last group that trains a network reaches all of it.

    A loss that is lent a network may leave parameters out: no gradient's gradient reaches the last layer's bias. One
    that passes no gradient on to it reaches none.
    """
    for network in updates:
        calling = [name for name, r in reaches.items() if network in r.trained]
        lending = [name for name, r in reaches.items() if network in r.lent | (r.called - r.trained)]
        yield [*lending, *calling[-1:]]
        if len({form for r in reaches.values() for form in r.forms if form[0] == network}) > 1:
            yield calling


def _joined(names: Sequence[str], links: Iterable[Sequence[str]]) -> list[list[str]]:
    """The names in groups, so that no link leads from one to another; the order is that of `names`."""
    of = {name: {name} for name in names}
    for link in links:
        whole = set().union(*(of[name] for name in link))
        for name in whole:
            of[name] = whole
    parts = {id(of[name]): of[name] for name in names}
    return [[name for name in names if name in part] for part in parts.values()]


def _in_order(parts: Sequence[Sequence[str]], reaches: Mapping[str, Reach], changing: Set[str]) -> bool:
    now = [name for part in parts for name in part]
    return all(
        [name for name in now if network in reaches[name].called]
        == [name for name in reaches if network in reaches[name].called]
        for network in changing
    )


def _without_gaps(parts: Sequence[Sequence[str]], names: Sequence[str]) -> list[list[str]]:
    """Groups joined until all of them one after another are the order of `names`."""
    at = {name: index for index, name in enumerate(names)}
    found: list[list[str]] = []
    end = -1
    for part in parts:
        if at[part[0]] < end:
            found[-1] = sorted([*found[-1], *part], key=at.__getitem__)
        else:
            found.append(list(part))
        end = max(end, at[part[-1]])
    return found


def _described(parts: Sequence[Sequence[str]], updates: Sequence[str], reaches: Mapping[str, Reach]) -> Iterator[Group]:
    last: dict[str, int] = {}
    for network in updates:
        # Calls that pass no gradient on count too: the network may be updated as soon as it is complete.
        using = (i for i, part in enumerate(parts) if any(network in reaches[name].called for name in part))
        last[network] = max(using, default=len(parts) - 1)
    for index, part in enumerate(parts):
        complete = tuple(network for network in updates if last[network] == index)
        later = frozenset().union(*(reaches[name].texts for other in parts[index + 1 :] for name in other))
        yield Group(tuple(part), complete, later)
