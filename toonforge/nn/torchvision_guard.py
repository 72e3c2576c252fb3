"""The only place that imports torchvision, which a torch of another build may refuse to let load.

torchvision's wheel from the package index is compiled against torch's CUDA build. Beside a CPU-only torch its compiled
operators stay away, and importing it fails with "operator torchvision::nms does not exist", although its models and
weights need none of them. Declaring what it misses, without an implementation, is enough for the import to pass.
"""

from __future__ import annotations

import importlib
import logging
import re
import sys
import warnings
from functools import cache
from importlib.util import find_spec
from types import ModuleType

import torch

from toonforge.errors import Problem, ToonforgeError

__all__ = ["torchvision"]

LOG = logging.getLogger(__name__)
MISSING = re.compile(r"operator torchvision::(\w+) does not exist")
SCHEMA = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
OPERATORS = ("nms", "qnms")  # torchvision 0.19 to 0.28 describe these two without asking whether they were loaded

_libraries: list[torch.library.Library] = []  # what a library declares lasts as long as the object


@cache
def torchvision(submodule: str = "models") -> ModuleType:
    """A submodule of torchvision, usable as far as it needs no compiled operator.

    Where torchvision and torch match, this is an ordinary import and declares nothing.

    Raises:
        ToonforgeError: torchvision is not installed, or does not load for another reason.

    Examples:
        >>> from toonforge.nn.torchvision_guard import torchvision
        >>> models = torchvision("models")
        >>> models.vgg19.__name__
        'vgg19'
    """
    declared: list[str] = []
    while True:
        _forget_what_failed()
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Failed to load image Python extension")  # we read no pictures by it
                module = importlib.import_module(f"torchvision.{submodule}")
            break
        except ModuleNotFoundError as error:
            if error.name != "torchvision":
                raise _broken(error) from error
            raise ToonforgeError(
                Problem(message="torchvision is not installed", hint='pip install "toonforge[vision]"')
            ) from error
        except (ImportError, OSError, RuntimeError) as error:
            missing = MISSING.search(str(error))
            if missing is None or missing[1] not in OPERATORS or missing[1] in declared:
                raise _broken(error) from error
            declared.append(missing[1])
            library = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
            library.define(missing[1] + SCHEMA)  # type: ignore[no-untyped-call]
            _libraries.append(library)
    if declared:
        LOG.debug(
            "torchvision's compiled operators do not match torch %s; declared %s so that its models can be used",
            torch.__version__,
            " and ".join(declared),
        )
    return module


def beside_torchvision(module: str) -> ModuleType:
    """A module of a package that imports torchvision itself where it is installed: lpips, torch-fidelity, torchmetrics.

    Raises:
        ToonforgeError: torchvision is installed and does not load.
        ModuleNotFoundError: no such module, or no torchvision, which it cannot do without.
    """
    if find_spec("torchvision") is not None:
        torchvision()
    return importlib.import_module(module)


def _forget_what_failed() -> None:
    """After an import that failed Python drops the package and keeps its modules, which a new one would not find."""
    if "torchvision" not in sys.modules:
        for name in [name for name in sys.modules if name.startswith("torchvision.")]:
            del sys.modules[name]


def _broken(error: Exception) -> ToonforgeError:
    return ToonforgeError(
        Problem(
            message="torchvision does not load",
            found=f"{type(error).__name__}: {error}",
            hint=f"install the torchvision that belongs to torch {torch.__version__}, of the same build (CPU or CUDA)",
        )
    )
