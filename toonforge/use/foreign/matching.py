"""State dicts of a chosen architecture: by names where they are ours, else by order and shapes where that is sure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from toonforge.components import NetworkComponent
from toonforge.errors import Problem, RunError, escaped
from toonforge.names import shape_text
from toonforge.use.foreign.fitting import COUNT, Fitted, Pair, complain, empty_network
from toonforge.use.foreign.names import STATISTICS, Shape, listed, natural, role, shared_prefix

BY_ORDER = "paired by order and shape: compare an output with the original's before you rely on it"
TRACKED = "running statistics of a norm that keeps none here"


def match(
    config: NetworkComponent, name: str, tensors: Mapping[str, Shape], source: str, *, ordered: bool
) -> tuple[Fitted, str | None]:
    """Pair a network's tensors with a file's.

    Args:
        config: of the network.
        name: of the architecture.
        tensors: shapes of the file's tensors, in its order.
        source: what messages call the file.
        ordered: whether that order is the one in which the network's layers were made.

    Returns:
        The pairs, and what must be said of how they were found; None where the names were ours.

    Raises:
        RunError: tensors that are missing, of another shape or too many, and pairings that are not sure.
    """
    wanted = {key: tuple(value.shape) for key, value in empty_network(config).state_dict().items()}
    mine, theirs = shared_prefix(wanted), shared_prefix(tensors)
    by_name = {theirs + key.removeprefix(mine): key for key in wanted}
    if len(set(tensors) & set(by_name)) > len(wanted) // 2:
        return _by_name(wanted, tensors, by_name, source, name), None
    return _by_order(wanted, tensors, source, name, ordered), BY_ORDER


def _by_name(
    wanted: Mapping[str, Shape], tensors: Mapping[str, Shape], names: Mapping[str, str], source: str, name: str
) -> Fitted:
    missing = [key for key, ours in names.items() if key not in tensors and not ours.endswith(COUNT)]
    wrong = [
        f"{key} is {shape_text(tensors[key])} in the place of {shape_text(wanted[ours])}"
        for key, ours in names.items()
        if key in tensors and tensors[key] != wanted[ours]
    ]
    complain(source, name, wrong, missing, [key for key in tensors if key not in names])
    pairs = [Pair(ours=ours, theirs=key if key in tensors else None, shape=wanted[ours]) for key, ours in names.items()]
    return Fitted(pairs=tuple(pairs), left_out={})


def _by_order(
    wanted: Mapping[str, Shape], tensors: Mapping[str, Shape], source: str, name: str, ordered: bool
) -> Fitted:
    counts = [key for key in wanted if key.endswith(COUNT)]
    ours = [key for key in wanted if key not in counts]
    tracks = any(key.endswith(STATISTICS) for key in ours)
    left_out = {
        key: "a count of batches" if key.endswith(COUNT) else TRACKED
        for key in tensors
        if key.endswith(COUNT) or (not tracks and key.endswith(STATISTICS))
    }
    theirs = [key for key in tensors if key not in left_out]
    if not ordered and all(key.split(".")[-2:-1] and key.split(".")[-2].isdigit() for key in theirs):
        # Numbers all along tell the order that a safetensors file has lost.
        theirs, ordered = sorted(theirs, key=natural), True
    if Counter(wanted[key] for key in ours) != Counter(tensors[key] for key in theirs):
        _refuse_other_shapes(wanted, ours, tensors, theirs, source, name)
    if ordered and all(wanted[a] == tensors[b] for a, b in zip(ours, theirs, strict=True)):
        pairing = dict(zip(ours, theirs, strict=True))
        unsure = [b for a, b in pairing.items() if role(b) != role(a) and _has_twin(b, theirs, tensors)]
        why = "their order tells which is which, and their names do not say weight or bias"
    else:
        pairing, unsure = {}, []
        for shape in dict.fromkeys(wanted[key] for key in ours):
            one = [key for key in ours if wanted[key] == shape]
            other = [key for key in theirs if tensors[key] == shape]
            pairing.update(zip(one, other, strict=True))
            unsure += other if len(one) > 1 else []
        why = "several have one shape, and the file's order is not that of the network's layers"
    if unsure:
        raise RunError(
            Problem(
                message=f"{source}: it is not sure which tensor is which of {name}",
                found=escaped(f"{listed(unsure)}: {why}"),
                expected="tensors in the order of the layers, each named weight or bias, or our own names",
                hint="rename them to the names that toonforge show tells, or save them in the order of the layers",
            )
        )
    pairs = [Pair(ours=a, theirs=pairing[a], shape=wanted[a]) for a in ours]
    pairs += [Pair(ours=key, theirs=None, shape=(), change="0") for key in counts]
    return Fitted(pairs=tuple(pairs), left_out=left_out)


def _has_twin(name: str, names: list[str], tensors: Mapping[str, Shape]) -> bool:
    """Whether the tensor before or after has the same shape, so that order alone could mistake them."""
    at = names.index(name)
    return any(tensors[near] == tensors[name] for near in (*names[max(at - 1, 0) : at], *names[at + 1 : at + 2]))


def _refuse_other_shapes(
    wanted: Mapping[str, Shape],
    ours: list[str],
    tensors: Mapping[str, Shape],
    theirs: list[str],
    source: str,
    name: str,
) -> None:
    lacking = Counter(wanted[key] for key in ours)
    lacking.subtract(tensors[key] for key in theirs)
    fewer = [f"{count} of {shape_text(shape)}" for shape, count in lacking.items() if count > 0]
    more = [f"{key} of {shape_text(tensors[key])}" for key in theirs if lacking[tensors[key]] < 0]
    raise RunError(
        Problem(
            message=f"{source} does not hold the weights of {name} with these options",
            found=escaped(
                f"{len(theirs)} tensors; too many: {listed(more) or 'none'}; too few: {listed(fewer) or 'none'}"
            ),
            expected=f"{len(ours)} tensors",
            hint=f"options that differ are given with --set; toonforge show {name} tells them",
        )
    )
