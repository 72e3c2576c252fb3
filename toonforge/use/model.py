"""Translators loaded from what training left behind. The weights files say themselves how they are to be used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from toonforge import registries
from toonforge.components import NetworkComponent
from toonforge.errors import Problem, RunError
from toonforge.names import did_you_mean
from toonforge.recipe.expr import Expr
from toonforge.recipe.graph import Graph
from toonforge.runs.metadata import read_metadata

if TYPE_CHECKING:
    import torch

    from toonforge.inference import Inference

SUFFIX, AVERAGED = ".safetensors", ".ema.safetensors"


@attrs.frozen(kw_only=True)
class Weights:
    """One network's weights file, and what it says of itself.

    Attributes:
        network: its name in the recipe's expressions.
        kind: the registry of its component.
        component: `type` and every other field of its config.
        translations: domain -> expression, as the recipe offers them.
        signals: the recipe's signals, which expressions may use.
    """

    path: Path
    network: str
    kind: str
    component: Mapping[str, Any]
    translations: Mapping[str, Expr]
    signals: Mapping[str, Expr]
    recipe: str
    image_size: int | None


@attrs.frozen(kw_only=True, eq=False)
class Model:
    """What a trained run offers.

    Attributes:
        recipe: the recipe's name.
        translations: domain -> expression of one picture, in the recipe's order; those that cannot be computed
            from the files at hand are left out.
        image_size: the side that the networks were trained on.
        device: where the networks are.
    """

    recipe: str
    translations: Mapping[str, Expr]
    image_size: int | None
    device: torch.device
    inference: Inference

    def choose(self, target: str | None) -> Expr:
        """The translation to a domain, the first one by default; `RunError` for a domain that is not offered."""
        if target is None:
            return next(iter(self.translations.values()))
        if target in self.translations:
            return self.translations[target]
        offered = ", ".join(self.translations)
        hint = did_you_mean(target, self.translations) or f"there are {offered}"
        raise RunError(Problem(message=f"{self.recipe} does not translate to {target!r}", expected=offered, hint=hint))

    def __call__(self, pictures: torch.Tensor, target: str | None = None) -> torch.Tensor:
        """Translate a batch.

        Args:
            pictures: N,3,H,W in [-1, 1].
            target: the domain to translate to; the recipe's first when left out.

        Returns:
            N,3,H,W in [-1, 1], on the same device as `pictures`.
        """
        expr = self.choose(target)
        (field,) = Graph(self.inference.networks, self.inference.signals).fields_of(expr)
        output = self.inference(expr, {field: pictures.to(self.device)})
        return output.clamp(-1, 1).to(pictures.device)


def load_model(path: str | Path, *, cpu: bool = False) -> Model:
    """Load the translator of a run.

    Args:
        path: a run's folder, a checkpoint's folder, or one network's .safetensors file.
        cpu: stay on the CPU even where there is a GPU.

    Returns:
        Networks in evaluation mode; moving averages are preferred to the weights that were trained.

    Raises:
        RunError: for a path that holds no weights, damaged ones, or ones that offer no translation.
    """
    files = find_weights(Path(path))
    weights = {item.network: item for item in map(read_weights, files)}
    first = next(iter(weights.values()))
    # Which names are networks is known only by what is no op: files of some may be missing.
    graph = Graph((), first.signals)
    needed = {target: graph.calls_of(expr) - set(registries.ops) for target, expr in first.translations.items()}
    usable = {target: first.translations[target] for target, calls in needed.items() if calls <= set(weights)}
    if not usable:
        missing = sorted({call for calls in needed.values() for call in calls} - set(weights))
        raise RunError(
            Problem(
                message=f"{path} offers no translation",
                found=f"weights of {', '.join(weights)}"
                + (f"; those of {', '.join(missing)} are not there" if missing else ""),
                expected="networks that the recipe's [translations] name",
                hint="give the run's folder" if missing else "write [translations] into the recipe",
            )
        )
    return _build(usable, {name: weights[name] for target in usable for name in sorted(needed[target])}, first, cpu)


def _build(translations: Mapping[str, Expr], weights: Mapping[str, Weights], first: Weights, cpu: bool) -> Model:
    import torch

    from toonforge.inference import Inference

    device = torch.device("cuda" if torch.cuda.is_available() and not cpu else "cpu")
    networks = {name: build_network(item).to(device) for name, item in weights.items()}
    return Model(
        recipe=first.recipe,
        translations=translations,
        image_size=first.image_size,
        device=device,
        inference=Inference(networks, first.signals, registries.ops),
    )


def build_network(weights: Weights) -> torch.nn.Module:
    """The network of a weights file, in evaluation mode."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from toonforge.recipe import component_from_data

    config = component_from_data(weights.kind, weights.component)
    if not isinstance(config, NetworkComponent):
        raise RunError(Problem(message=f"{weights.path} holds no network", found=weights.kind))
    network = config.build()
    try:
        network.load_state_dict(load_file(weights.path))
    except (RuntimeError, SafetensorError) as error:
        raise RunError(
            Problem(
                message=f"{weights.path} does not fit {weights.component.get('type')!r}",
                found=str(error).strip().split("\n")[-1].strip(),
                hint="another version of its plugin may have made it: see lock.json in the run's folder",
            )
        ) from error
    return network.eval()


def find_weights(path: Path) -> list[Path]:
    """The networks' files that a user means, moving averages in the place of trained weights."""
    if path.is_file() and path.suffix == ".toml":
        raise RunError(
            Problem(
                message=f"{path} is a recipe, not what training made of it",
                expected="a run's folder, a checkpoint's folder or a .safetensors file",
                hint=f"train it first: toonforge run {path}; then give the run's folder",
            )
        )
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise RunError(
            Problem(
                message=f"{path} is not there",
                expected="a run's folder, a checkpoint's folder or a .safetensors file",
                hint=did_you_mean(path.name, [p.name for p in path.parent.iterdir()]) if path.parent.is_dir() else None,
            )
        )
    folder = _newest(path)
    names = {file.name.removesuffix(SUFFIX) for file in folder.glob(f"*{SUFFIX}") if "." not in file.stem}
    if not names:
        raise RunError(
            Problem(
                message=f"{path} holds no weights",
                expected="a run's folder, a checkpoint's folder or a .safetensors file",
                hint="the run may have no checkpoint yet" if (path / "resolved.toml").is_file() else None,
            )
        )
    averaged = {name: folder / f"{name}{AVERAGED}" for name in names}
    return [file if (file := averaged[name]).is_file() else folder / f"{name}{SUFFIX}" for name in sorted(names)]


def _newest(path: Path) -> Path:
    """The newest checkpoint's folder in a run's folder, or in its `checkpoints`; the folder itself if it is one."""
    for folder in (path / "checkpoints", path):
        latest = folder / "latest"
        if latest.is_file():
            chosen = folder / latest.read_text("utf-8").strip()
            if chosen.is_dir() and chosen.parent == folder:
                return chosen
            raise RunError(
                Problem(message=f"{latest} names no checkpoint", found=latest.read_text("utf-8").strip()[:80])
            )
    return path


def read_weights(path: Path) -> Weights:
    """What a weights file says of itself; no tensor is read."""
    about = read_metadata(path)
    try:
        return Weights(
            path=path,
            network=about["network"],
            kind=about["kind"],
            component=about["component"],
            translations={target: Expr.parse(text) for target, text in about["translations"].items()},
            signals={name: Expr.parse(text) for name, text in about.get("signals", {}).items()},
            recipe=about["recipe"],
            image_size=about.get("image_size"),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(
            Problem(
                message=f"{path} is no weights file of toonforge",
                found=f"{type(error).__name__}: {error}",
                expected="a .safetensors file that a run wrote",
            )
        ) from None
