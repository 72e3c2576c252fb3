"""A program of `torch.export`: torch alone runs it, without toonforge and without a plugin."""

from __future__ import annotations

import io
import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from toonforge.errors import Problem, RunError
from toonforge.use.export.onnx_file import cannot

if TYPE_CHECKING:
    from toonforge.use.export.translator import Translator

NEEDS = (2, 6)
"""The torch from which on a program's sides may be unknown without a promise about each of them."""
ABOUT = "toonforge.json"
"""The file in the archive that holds what it says of itself."""


def refuse_old_torch() -> None:
    """Raise `RunError` where torch is too old."""
    version = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
    if version < NEEDS:
        raise RunError(
            Problem(
                message="a program of torch.export needs a newer torch",
                found=torch.__version__,
                expected=f"{'.'.join(map(str, NEEDS))} or newer",
                hint="export to .onnx or .safetensors",
            )
        )


def write(translator: Translator, path: Path, about: Mapping[str, str]) -> None:
    """Write the file.

    Raises:
        RunError: for networks whose code torch cannot write down.
    """
    refuse_old_torch()
    unknown = torch.export.Dim.DYNAMIC
    # Two sides that differ, and more than one of everything inside: torch takes a size of 1 for a constant.
    example = torch.zeros(2, 3, 2 * translator.side, 3 * translator.side)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        try:
            program = torch.export.export(
                translator, (example,), dynamic_shapes=({0: unknown, 2: unknown, 3: unknown},), strict=False
            )
        except Exception as error:  # of any module's code
            raise cannot("a torch.export program", translator.expr, error) from error
        _forget(program)
        content = io.BytesIO()  # what the system refuses would come out of torch as an error of its own
        torch.export.save(program, content, extra_files={ABOUT: json.dumps(dict(about))})
    path.write_bytes(content.getbuffer())


def _forget(program: Any) -> None:
    """Drop the example, a pickle (or keep a small one where torch wants one), and what torch noticed of its sizes.

    It notes that no side inside the network was 1, which matters for the order of numbers in memory and for no result,
    and would refuse pictures that are smaller than a U-Net's depth. That both kinds of sizes come out right is what the
    comparison with the model shows.
    """
    try:
        program.example_inputs = None
    except ValueError:  # older versions want one
        program.example_inputs = ((torch.zeros(1, 3, 8, 8),), {})
    if hasattr(program, "_guards_code"):
        program._guards_code = []


def reader(path: Path, translator: Translator) -> Callable[[torch.Tensor], torch.Tensor]:
    """The file as a function; `RunError` where torch cannot load what it wrote."""
    content = io.BytesIO(path.read_bytes())
    try:
        module = torch.export.load(content).module()
    except Exception as error:  # of torch's own kinds
        raise cannot("a torch.export program", translator.expr, error) from error

    def run(pictures: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            output: torch.Tensor = module(pictures)
        return output

    return run
