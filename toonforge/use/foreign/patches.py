"""The discriminators of junyanz' CycleGAN and pix2pix: patches ("basic", "n_layers") and single pixels ("pixel")."""

from __future__ import annotations

from toonforge.use.foreign.layout import Layout, Shapes
from toonforge.use.foreign.names import numbered
from toonforge.use.foreign.norms import TEST_TIME, Normed, normed, options
from toonforge.use.foreign.residual import PROGRAM

LOGITS = "it yields logits: a sigmoid that its program may end with has no tensors and is left to the loss"


def patches(shapes: Shapes) -> Layout | None:
    """The layout of a PatchGAN: conv, leaky relu; conv, norm, leaky relu several times; conv."""
    first = shapes.get("0.weight", ())
    if not numbered(shapes) or len(first) != 4 or first[2:] != (4, 4) or any(name.count(".") > 1 for name in shapes):
        return None
    last = max(int(name.split(".")[0]) for name in shapes)
    layers = (last - 2) // 3
    if (last - 2) % 3 or not 1 <= layers <= len(shapes):
        return None
    found = normed(shapes, "2", "3")
    modules = ["0", *(str(2 + 3 * layer + at) for layer in range(layers) for at in (0, 1)), str(last)]
    name = "basic" if layers == 3 else f"n_layers, {layers} layers"
    return _layout(f"netD {name}", "patchgan", found, first, modules, {"layers": layers})


def pixels(shapes: Shapes) -> Layout | None:
    """The layout of the discriminator of single pixels: conv, leaky relu, conv, norm, leaky relu, conv."""
    first = shapes.get("0.weight", ())
    if len(first) != 4 or first[2:] != (1, 1) or not numbered(shapes) or "5.weight" not in shapes:
        return None
    return _layout("netD pixel", "pixelgan", normed(shapes, "2", "3"), first, ["0", "2", "3", "5"], {})


def _layout(
    what: str, component: str, found: Normed, first: tuple[int, ...], modules: list[str], more: dict[str, int]
) -> Layout:
    said = tuple(text for text in found.said if text != TEST_TIME)  # no discriminator is used at test time
    return Layout(
        origin=f"{PROGRAM}: {what}, {found.words}",
        component=f"{'pix2pix' if found.norm == 'batch' else 'cyclegan'}/{component}",
        kind="discriminators",
        options={**more, "width": first[0], **options(found), "in_channels": first[1]},
        modules=modules,
        norms=frozenset(name for name in modules if name not in ("0", modules[-1]) and int(name) % 3 == 0),
        said=(*said, LOGITS),
    )
