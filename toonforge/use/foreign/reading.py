"""Files of weights that other programs wrote. Nothing in them is ever run."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeGuard

import attrs
from torch import Tensor

from toonforge.errors import Problem, RunError, ToonforgeError, escaped
from toonforge.files import checksum
from toonforge.nn.weights import read_state
from toonforge.use.foreign.kinds import refuse_other_kinds

DEEPEST = 2
"""How many tables down in a checkpoint state dicts are looked for: {"state_dict": {"netG": …}}."""


@attrs.frozen(kw_only=True, eq=False)
class Foreign:
    """What a file holds.

    Attributes:
        parts: state dicts by where they stand in it, "" for the file itself; tensors in the file's order.
        others: what else it holds: where -> in words.
        ordered: whether tensors come in the order in which the network's layers were made, as torch saves them.
    """

    path: Path
    sha256: str
    parts: Mapping[str, Mapping[str, Tensor]]
    others: Mapping[str, str]
    ordered: bool


def read_foreign(path: Path) -> Foreign:
    """Read a file of tensors: what torch saved, of a state dict or a whole checkpoint, or safetensors.

    Raises:
        RunError: no such file; one that asks for code to be run, is damaged, or would unpack to far more than it is
            long; one without tensors.
    """
    refuse_other_kinds(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of pickles that it may not know; then it fails or it knows
            value = read_state(path)
    except ToonforgeError as error:
        raise _unreadable(path, error) from None
    others: dict[str, str] = {}
    parts = dict(_state_dicts(value, "", others))
    if not parts:
        held = ", ".join(f"{escaped(where)} ({what})" for where, what in others.items()) or "nothing"
        raise RunError(Problem(message=f"{path} holds no weights", found=held, expected="a state dict of tensors"))
    _refuse_borrowed(path, parts)
    return Foreign(
        path=path,
        sha256=checksum(path),
        parts=parts,
        others=others,
        ordered=path.suffix != ".safetensors",
    )


def _state_dicts(
    value: Mapping[Any, object], at: str, others: dict[str, str]
) -> Iterator[tuple[str, dict[str, Tensor]]]:
    tensors: dict[str, Tensor] = {}
    for key, held in value.items():
        where = f"{at}.{key}" if at else str(key)
        if isinstance(held, Tensor) and isinstance(key, str):
            tensors[key] = held
        elif _is_table(held) and {"state", "param_groups"} <= set(held):
            others[where] = "an optimizer's state"
        elif _is_table(held) and where.count(".") < DEEPEST and len(where) < 200:
            yield from _state_dicts(held, where, others)
        else:
            others[where] = "a table" if _is_table(held) else type(held).__name__
    if tensors:
        yield at, tensors


def _is_table(value: object) -> TypeGuard[Mapping[Any, object]]:
    return isinstance(value, Mapping)


def _refuse_borrowed(path: Path, parts: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Raise `RunError` where tensors claim more numbers than the file holds, or are of a kind that holds none."""
    import torch

    for at, tensors in parts.items():
        for name, tensor in tensors.items():
            where = escaped(f"{at}.{name}" if at else name)
            plain = tensor.layout == torch.strided and tensor.device.type == "cpu" and not tensor.is_quantized
            if not plain:
                raise RunError(
                    Problem(message=f"{path}: {where} is no plain tensor", found=f"{tensor.layout}, {tensor.dtype}")
                )
            storage = tensor.untyped_storage()
            if tensor.numel() * tensor.element_size() > storage.nbytes():
                raise RunError(
                    Problem(
                        message=f"{path}: {where} claims more numbers than the file holds of it",
                        found=f"{tensor.numel():,} in {storage.nbytes():,} bytes",
                    )
                )


_ASKED = re.compile(r"GLOBAL ([\w.]+)")
_REASON = re.compile(r"WeightsUnpickler error: (?:Unsupported )?(.+)")


def _unreadable(path: Path, error: ToonforgeError) -> RunError:
    cause = str(error.__cause__ or error.problems[0].found or error)
    asked = _ASKED.search(cause)
    if asked:
        return RunError(
            Problem(
                message=f"{path} holds more than plain tensors, and none of it was run",
                found=f"it asks for {escaped(asked[1])}",
                expected="a state dict: what torch.save(network.state_dict(), …) writes",
                hint="where you trust it: load it in a program of its makers' and save its state_dict() alone",
            )
        )
    reason = _REASON.search(cause)
    if reason is None and cause.startswith("Weights only load failed"):  # torch goes on with how to run the file
        found = "a pickle of something else than tensors"
    else:
        found = escaped(reason[1] if reason else cause.strip().split("\n")[0])[:200]
    return RunError(
        Problem(
            message=f"{path} cannot be read as weights",
            found=found or type(error.__cause__).__name__,
            expected="what torch.save(network.state_dict(), …) writes, or .safetensors",
        )
    )
