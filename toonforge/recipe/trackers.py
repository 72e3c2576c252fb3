"""The names that `train.trackers` takes, and what is missing for them; asked without importing Accelerate or torch."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec

import attrs

from toonforge.errors import Problem
from toonforge.names import did_you_mean


@attrs.frozen(kw_only=True)
class Known:
    """A tracker that Accelerate brings.

    Attributes:
        modules: it needs one of them.
        install: what to give to pip.
        since: the first version of Accelerate that knows it.
    """

    modules: tuple[str, ...]
    install: str
    since: tuple[int, int] = (1, 0)


# Own table, because `accelerate.tracking` cannot be imported without torch; a test compares it with Accelerate's.
KNOWN = {
    "aim": Known(modules=("aim",), install="aim"),
    "clearml": Known(modules=("clearml",), install="clearml"),
    "comet_ml": Known(modules=("comet_ml",), install="comet-ml"),
    "dvclive": Known(modules=("dvclive",), install="dvclive"),
    "mlflow": Known(modules=("mlflow",), install="mlflow"),
    "swanlab": Known(modules=("swanlab",), install="swanlab", since=(1, 8)),
    "tensorboard": Known(modules=("tensorboard", "tensorboardX"), install='"toonforge[tensorboard]"'),
    "trackio": Known(modules=("trackio",), install="trackio", since=(1, 9)),
    "wandb": Known(modules=("wandb",), install="wandb"),
}
"""Name -> what it needs, as Accelerate names them."""


def trackers_missing(names: Sequence[str]) -> list[Problem]:
    """What stands against tracking with `names`: unknown ones, ones named twice, packages that are not installed."""
    return list(_missing(names))


def _missing(names: Sequence[str]) -> Iterator[Problem]:
    for index, name in enumerate(names):
        key = f"train.trackers[{index}]"
        known = KNOWN.get(name)
        if name in names[:index]:
            yield Problem(message=f"the tracker {name!r} is named twice", key=key, hint="name it once")
        elif known is None:
            if name not in _registered():
                offered = [*KNOWN, *_registered()]
                yield Problem(
                    message=f"there is no tracker {name!r}",
                    key=key,
                    expected=f"one of {', '.join(dict.fromkeys(offered))}",
                    hint=did_you_mean(name, offered),
                )
        elif not any(_installed(module) for module in known.modules):
            yield Problem(
                message=f"the tracker {name!r} needs a package that is not installed",
                key=key,
                hint=f"pip install {known.install}",
            )
        elif _accelerate() < known.since:
            least = ".".join(map(str, known.since))
            yield Problem(
                message=f"the tracker {name!r} needs a newer Accelerate",
                key=key,
                found=".".join(map(str, _accelerate())),
                expected=f"{least} or newer",
                hint=f'pip install "accelerate>={least}"',
            )


def _installed(module: str) -> bool:
    """Whether it can be imported. A folder of that name, such as the `wandb` that wandb leaves behind, is no module."""
    spec = find_spec(module)
    return spec is not None and spec.origin is not None


def _registered() -> list[str]:
    """Trackers that the user's own code has made known to Accelerate (`accelerate.tracking.register_tracker_class`)."""
    module = sys.modules.get("accelerate.tracking")
    return [name for name in getattr(module, "LOGGER_TYPE_TO_CLASS", ()) if name not in KNOWN]


def _accelerate() -> tuple[int, int]:
    """The version of Accelerate that is installed."""
    match = re.match(r"(\d+)\.(\d+)", importlib.metadata.version("accelerate"))
    return (int(match[1]), int(match[2])) if match else (0, 0)
