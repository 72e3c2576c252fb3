"""A network as an ONNX file: it can be written, and other programs compute the same with it for any size."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from inspect import signature
from pathlib import Path
from typing import Any

from toonforge.extras import need
from toonforge.names import shape_text


def assert_exports(network: Any, batch: Sequence[Any], other: Sequence[Any], path: Path) -> None:
    """Assert that the network, written as ONNX for `batch`, computes what torch does on `other` as well.

    Args:
        network: in eval mode.
        batch: arguments of a call; numbers become part of the file.
        other: arguments of another batch size, height and width.

    Raises:
        ToonforgeError: the packages onnx and onnxruntime are not installed.
    """
    need("onnx", "exporting to ONNX needs")
    need("onnxruntime", "running an ONNX file needs")
    import onnxruntime
    import torch

    from toonforge.use.export.onnx_file import OPSET

    names = [f"x{number}" for number, part in enumerate(batch) if isinstance(part, torch.Tensor)]
    axes = {0: "batch", 2: "height", 3: "width"}
    # Newer ones have a second exporter, which takes twenty times as long and the package onnxscript.
    options: dict[str, Any] = {"dynamo": False} if "dynamo" in signature(torch.onnx.export).parameters else {}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of sizes that tracing takes for constants: what that breaks is seen below
        try:
            torch.onnx.export(
                _of_tensors(network, batch),
                tuple(part for part in batch if isinstance(part, torch.Tensor)),
                str(path),
                input_names=names,
                output_names=["y"],
                dynamic_axes=dict.fromkeys([*names, "y"], axes),
                opset_version=OPSET,
                **options,
            )
        except Exception as error:
            first = str(error).strip().split("\n")[0]
            raise AssertionError(
                f"torch cannot write it as ONNX: {type(error).__name__}: {first}\nuse operators that ONNX has, or do "
                "not claim `exports_onnx = True`"
            ) from error
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    for given in (batch, other):
        arrays = [part.numpy() for part in given if isinstance(part, torch.Tensor)]
        sizes = " and ".join(shape_text(array.shape) for array in arrays)
        try:
            (found,) = session.run(None, dict(zip([entry.name for entry in session.get_inputs()], arrays)))
        except Exception as error:
            raise AssertionError(
                f"the ONNX file cannot take {sizes}: {str(error).strip()[:300]}\nwork with x.shape inside forward(), "
                "not with Python numbers made of it"
            ) from error
        with torch.no_grad():
            expected = network(*given)
        assert found.shape == tuple(expected.shape), (
            f"for {sizes} the ONNX file yields {found.shape}, torch {tuple(expected.shape)}"
        )
        far = (torch.from_numpy(found) - expected).abs().max().item()
        assert far <= 1e-4 * max(1.0, expected.abs().max().item()), (
            f"for {sizes} the ONNX file computes something else (by {far:.1e}): a value was taken for a constant while "
            "torch looked on"
        )


def _of_tensors(network: Any, batch: Sequence[Any]) -> Any:
    """The network with the numbers of a call filled in, of which the exporter would make inputs."""
    import torch

    class OfTensors(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, *tensors: torch.Tensor) -> torch.Tensor:
            left = iter(tensors)
            output: torch.Tensor = self.network(*(next(left) if isinstance(p, torch.Tensor) else p for p in batch))
            return output

    return OfTensors().eval()
