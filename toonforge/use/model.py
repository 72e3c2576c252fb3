"""Networks and translators loaded from what training left behind. Weights files say themselves how they are used."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import attrs

from toonforge import registries
from toonforge.components import NetworkComponent
from toonforge.errors import ComponentFault, Problem, RunError, ToonforgeError
from toonforge.recipe.expr import Expr
from toonforge.recipe.graph import Graph
from toonforge.speed import choice
from toonforge.speed.tricks import Situation
from toonforge.use.look import AS_IT_IS, Look
from toonforge.use.offered import choose, held, offered
from toonforge.use.sizes import refuse_absurd_values
from toonforge.use.tiled import Tiles, ignore
from toonforge.use.tiled import compute as in_parts
from toonforge.use.values import as_array, as_tensor, batch_of_array, batch_of_tensor, no_picture, same_array
from toonforge.weights.chosen import Chosen, preferred
from toonforge.weights.described import Weights, read_weights
from toonforge.weights.network import build_network, network_config

if TYPE_CHECKING:
    import torch

    from toonforge.inference import Inference

T = TypeVar("T")


@attrs.frozen(kw_only=True, eq=False, repr=False)
class Model:
    """What a trained run offers.

    Attributes:
        recipe: the recipe's name.
        translations: domain -> expression of one picture, in the recipe's order; those that cannot be computed
            from the files at hand are left out.
        image_size: the side that the networks were trained on.
        device: where the networks are.
        checkpoint: which of the run's checkpoints they are of.
        configs: of the networks.
        averaged: the networks whose weights are a moving average.
        card: what its makers say of it, where it is one file: title, description, license, …
    """

    recipe: str
    translations: Mapping[str, Expr]
    image_size: int | None
    device: torch.device
    inference: Inference
    checkpoint: Chosen
    configs: Mapping[str, NetworkComponent]
    averaged: frozenset[str] = frozenset()
    card: Mapping[str, str] = attrs.field(factory=dict)

    @property
    def step(self) -> int | None:
        """How many steps the networks were trained; None where their files lie outside a run."""
        return self.checkpoint.step

    def choose(self, to: str | None) -> Expr:
        """The translation to a domain, the first one by default; `RunError` for a domain that is not offered."""
        return self.translations[choose(self.recipe, self.translations, to)]

    def __call__(
        self, picture: T, to: str | None = None, *, strength: float = 1.0, keep_color: bool = False, smooth: float = 0.0
    ) -> T:
        """Translate a picture, or a batch of pictures of one size.

        Args:
            picture: a Pillow image of any mode; an array of H,W,3, N,H,W,3 or H,W, of uint8 or of floats in [0, 1]; a
                tensor of 3,H,W or N,3,H,W, of floats in [-1, 1], on any device.
            to: the domain to translate to; the recipe's first when left out.
            strength, keep_color, smooth: see `Look`.

        Returns:
            The same kind of thing, of the same size, dtype and device. A Pillow image is upright (its EXIF orientation
            is applied), of mode RGB, or RGBA where it has transparency, and in its own colours where it has an RGB
            profile; an array of H,W becomes H,W,3.

        Raises:
            RunError: for a domain that is not offered, what is no picture, values outside their range, or pictures of
                which it cannot be computed.
        """
        import numpy as np
        import torch
        from PIL import Image

        look = Look(strength=strength, keep_color=keep_color, smooth=smooth)
        made: Any
        if isinstance(picture, Image.Image):
            from toonforge.use.pictures.image import translate_image

            made = translate_image(self, picture, to, look)
        elif isinstance(picture, np.ndarray):
            made = self.translate(batch_of_array(picture), to, look=look)
            # Of strength 0 the input itself: on its way through [-1, 1] it would be rounded.
            made = as_array(made, picture) if look.strength else same_array(picture)
        elif isinstance(picture, torch.Tensor):
            made = self.translate(batch_of_tensor(picture), to, look=look)
            made = as_tensor(made, picture) if look.strength else picture.detach().clone()
        else:
            raise no_picture(picture)
        return cast(T, made)

    def __repr__(self) -> str:
        translations = ", ".join(f"{to}: {expr}" for to, expr in self.translations.items())
        trained = "" if self.image_size is None else f", trained on {self.image_size}x{self.image_size}"
        step = "" if self.step is None else f" ({self.checkpoint})"
        return f"<Model {self.recipe}{step}: {translations}{trained}, on {self.device}>"

    def on(self, device: torch.device | str) -> Model:
        """The same model with networks of its own on a device."""
        import torch

        networks = {name: deepcopy(network).to(device) for name, network in self.inference.networks.items()}
        inference = type(self.inference)(networks, self.inference.signals, self.inference.registry)
        return attrs.evolve(self, device=torch.device(device), inference=inference)

    def translate(
        self,
        pictures: torch.Tensor,
        to: str | None = None,
        *,
        look: Look = AS_IT_IS,
        tiles: Tiles | None = None,
        note: Callable[[str], None] = ignore,
        check: Callable[[], None] | None = None,
        part: Callable[[int, int], None] | None = None,
    ) -> torch.Tensor:
        """Translate a batch of any size, and finish it as `look` says.

        Args:
            pictures: N,3,H,W in [-1, 1].
            to: the domain to translate to; the recipe's first when left out.
            look: what is done after the networks.
            tiles: when and how pictures are computed in parts; where memory asks for it when left out.
            note: told in a sentence when they are, see `toonforge.use.tiled`.
            check: called often while the networks compute; what it raises ends the translation, and is raised here.
            part: called with how many parts are done, and of how many, after each part.

        Returns:
            N,3,H,W in [-1, 1], on the same device as `pictures`.

        Raises:
            RunError: as of `compute`.
        """
        self.choose(to)
        if look.strength == 0:
            return pictures
        return look.apply(pictures, in_parts(self, pictures, to, tiles, note, check, part))

    def compute(self, pictures: torch.Tensor, to: str | None = None) -> torch.Tensor:
        """What the networks make of a batch, computed whole.

        Args:
            pictures: N,3,H,W in [-1, 1].
            to: the domain to translate to; the recipe's first when left out.

        Returns:
            N,3,H,W in [-1, 1], on the same device as `pictures`.

        Raises:
            RunError: for a domain that is not offered, or pictures of which it cannot be computed.
        """
        expr = self.choose(to)
        (field,) = Graph(self.inference.networks, self.inference.signals).fields_of(expr)
        try:
            refuse_absurd_values(expr, self.inference.signals, self.configs, {field: tuple(pictures.shape[1:])})
            output = self.inference(expr, {field: pictures.to(self.device)})
            if output.ndim != 4 or output.shape[1] not in (1, 3):
                raise ValueError(f"it gives {list(output.shape)}, not pictures")
            output = output.expand(-1, 3, -1, -1)
        except Exception as error:  # a component's own code, given what its author did not think of
            raise self._cannot(expr, pictures, error) from error
        return output.clamp(-1, 1).to(pictures.device)

    def _cannot(self, expr: Expr, pictures: torch.Tensor, error: Exception) -> ToonforgeError:
        if isinstance(error, ToonforgeError):
            return error
        height, width = pictures.shape[-2:]
        reason = str(error).strip().split("\n")[-1].strip()
        return RunError(
            Problem(
                message=f"{self.recipe}: {expr} cannot be computed of a picture of {width}x{height} pixels",
                found=reason if isinstance(error, ComponentFault) else f"{type(error).__name__}: {reason}",
                hint=None if self.image_size is None else f"it was trained on {self.image_size}x{self.image_size}",
            )
        )


@attrs.frozen(kw_only=True, eq=False)
class Networks:
    """Networks of one checkpoint.

    Attributes:
        modules: by name, in evaluation mode.
        averaged: those whose weights are a moving average.
        device: where they are.
        checkpoint: which of the run's checkpoints they are of.
    """

    modules: Mapping[str, torch.nn.Module]
    averaged: frozenset[str]
    device: torch.device
    checkpoint: Chosen


def load(model: str | Path, *, checkpoint: str | int | None = None, cpu: bool = False) -> Model:
    """Load a trained model.

    Args:
        model: a run's folder, a checkpoint's folder, a .safetensors file of one network or of a whole model, or the
            name of an installed model ("photo-to-cartoon").
        checkpoint: "best", "latest" or a step; by default the best where the run keeps one (`train.metrics.best`),
            else the latest.
        cpu: stay on the CPU even where there is a GPU.

    Returns:
        Networks in evaluation mode; moving averages are preferred to the weights that were trained.

    Raises:
        RunError: for a path that holds no weights, damaged ones, or ones that offer no translation; for a checkpoint
            that is not there.

    Examples:
        >>> import toonforge
        >>> from PIL import Image
        >>> model: toonforge.Model = toonforge.load("runs/small")
        >>> list(model.translations), model.step
        (['drawing'], 2)
        >>> drawing = model(Image.open("photo.jpg"), "drawing")
        >>> drawing.size == Image.open("photo.jpg").size
        True
    """
    found = offered(model, checkpoint)
    first = next(iter(found.weights.values()))
    from toonforge.inference import Inference

    loaded = _build(found.checkpoint, found.weights, cpu, "auto")
    configs = {name: network_config(found.weights[name]) for name in loaded.modules}
    return Model(
        recipe=found.recipe,
        translations=found.translations,
        image_size=first.image_size,
        device=loaded.device,
        inference=Inference(loaded.modules, first.signals, registries.ops, configs),
        checkpoint=found.checkpoint,
        configs=configs,
        averaged=loaded.averaged,
        card=first.card,
    )


def load_networks(
    path: str | Path,
    checkpoint: str | int | None = None,
    names: Iterable[str] | None = None,
    *,
    averaged: bool = True,
    cpu: bool = False,
    speed: str | Sequence[str] = "safe",
    precision: str = "fp32",
) -> Networks:
    """Load networks of a checkpoint, whether or not a translation uses them.

    Args:
        path: a run's folder or a checkpoint's folder.
        checkpoint: see `load`.
        names: which; all that the checkpoint holds when left out.
        averaged: prefer moving averages to the weights that were trained.
        cpu: stay on the CPU even where there is a GPU.
        speed, precision: they compute as in a training with this `train.speed` and `train.precision`.

    Raises:
        RunError: for a path without weights, a checkpoint or a network that is not there, or weights that do not fit.
    """
    chosen, weights = held(Path(path), checkpoint)
    wanted = list(weights if names is None else dict.fromkeys(names))
    missing = [name for name in wanted if name not in weights]
    if missing:
        raise RunError(
            Problem(
                message=f"{chosen.folder} has no weights of {', '.join(missing)}",
                expected=f"one of {', '.join(weights)}",
            )
        )
    if not averaged:
        weights = {name: read_weights(_as_trained(item))[0] for name, item in weights.items() if name in wanted}
    return _build(chosen, {name: weights[name] for name in wanted}, cpu, speed, precision)


def _as_trained(weights: Weights) -> Path:
    return preferred(weights.path.parent, weights.network, averaged=False) if weights.averaged else weights.path


def _build(
    chosen: Chosen, weights: Mapping[str, Weights], cpu: bool, speed: str | Sequence[str], precision: str = "fp32"
) -> Networks:
    import torch

    from toonforge.nn.winograd import keep_filters
    from toonforge.speed.layout import arranged

    device = torch.device("cuda" if torch.cuda.is_available() and not cpu else "cpu")
    tricks = choice.choose(speed, Situation(device=device.type, precision=precision))
    modules = {name: arranged(build_network(item), tricks, device).to(device) for name, item in weights.items()}
    for module in modules.values():
        keep_filters(module)
    return Networks(
        modules=modules,
        averaged=frozenset(name for name, item in weights.items() if item.averaged),
        device=device,
        checkpoint=chosen,
    )
