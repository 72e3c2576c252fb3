"""ONNX: what other programs run. The TorchScript exporter writes it, in every torch from 2.4 on."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from toonforge.errors import Problem, RunError
from toonforge.recipe.expr import Expr
from toonforge.use.export.comparing import first_line

if TYPE_CHECKING:
    from toonforge.use.export.translator import Translator

OPSET = 17
"""Of 2022: onnxruntime 1.12 and newer know it."""
LARGEST = 1_900_000_000
"""Bytes of weights: an ONNX file is a protocol buffer, which ends at 2 GiB."""


def names(source: str, to: str) -> tuple[str, str]:
    """What its input and its output are called: the domains, "photo" and "anime"."""
    return source, to if to != source else f"{to}_out"


def write(translator: Translator, path: Path, to: str, about: Mapping[str, str]) -> list[str]:
    """Write the file; returns what torch took for a constant while it looked on, which may hold for one size alone.

    Args:
        to: the domain.
        about: what the file says of itself: texts by name.

    Raises:
        RunError: for what ONNX cannot hold.
    """
    import onnx

    weights = sum(value.numel() * value.element_size() for value in translator.state_dict().values())
    if weights > LARGEST:
        raise RunError(
            Problem(
                message="the model is too large for an ONNX file, which ends at 2 GiB",
                found=f"{weights / 1e9:.1f} GB of weights",
                hint="export to .safetensors or .pt2",
            )
        )
    source, target = names(translator.source, to)
    axes = {0: "batch", 2: "height", 3: "width"}
    side = translator.side
    # Newer ones have a second exporter, which takes twenty times as long and the package onnxscript.
    options: dict[str, Any] = {"dynamo": False} if _has_two_exporters() else {}
    with warnings.catch_warnings(record=True) as caught, torch.no_grad():
        warnings.simplefilter("always")
        try:
            torch.onnx.export(
                translator,
                (torch.zeros(2, 3, side, 2 * side),),
                str(path),
                input_names=[source],
                output_names=[target],
                dynamic_axes={source: axes, target: axes},
                opset_version=OPSET,
                **options,
            )
        except Exception as error:  # of any module's code, or an operator that ONNX does not know
            refuse_of_system(error)
            raise cannot("ONNX", translator.expr, error) from error
    model = onnx.load(str(path))
    for name, text in about.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = name, text
    model.doc_string = about.get("description", "")
    path.write_bytes(model.SerializeToString())
    places = [(Path(item.filename), item.lineno) for item in caught if item.category.__name__ == "TracerWarning"]
    # torch's own layers look at sizes only to refuse single pixels.
    own = [(file, line) for file, line in places if Path(torch.__file__).parent not in file.parents]
    return [f"{file.name}, line {line}" for file, line in dict.fromkeys(own)]


def _has_two_exporters() -> bool:
    import inspect

    return "dynamo" in inspect.signature(torch.onnx.export).parameters


def refuse_of_system(error: Exception) -> None:
    """Raise an error of the system as it is, such as a full disk: it says nothing of the networks."""
    if isinstance(error, OSError) and error.errno is not None:
        raise error


def cannot(kind: str, expr: Expr, error: Exception) -> RunError:
    """The error for networks that cannot be written down, whatever the reason."""
    return RunError(
        Problem(
            message=f"{expr} cannot be exported to {kind}",
            found=f"{type(error).__name__}: {first_line(error)}",
            hint="export to .safetensors, which toonforge itself loads",
        )
    )


def reader(path: Path, translator: Translator) -> Callable[[torch.Tensor], torch.Tensor]:
    """The file as a function, run by onnxruntime on the CPU; `RunError` where that cannot load it."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what fails is an exception, too
    options.intra_op_num_threads = torch.get_num_threads()
    content = path.read_bytes()
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # of its own kinds, which have no common one
        raise cannot("ONNX", translator.expr, error) from error
    (given,) = session.get_inputs()

    def run(pictures: torch.Tensor) -> torch.Tensor:
        (output,) = session.run(None, {given.name: pictures.float().numpy()})
        return torch.from_numpy(output)

    return run
