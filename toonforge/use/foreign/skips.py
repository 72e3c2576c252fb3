"""The U-Net generator of junyanz' CycleGAN and pix2pix: each level is a module inside the one around it."""

from __future__ import annotations

from toonforge.use.foreign.layout import Layout, Shapes
from toonforge.use.foreign.norms import normed, options
from toonforge.use.foreign.residual import PROGRAM

RANDOM = (
    "dropout is not in the file: 0.5 in training, the original's default; in use it is off, where the original's "
    "test.py leaves it on and its outputs are random"
)


def skips(shapes: Shapes) -> Layout | None:
    """The layout of a U-Net generator; None for anything else."""
    outermost = shapes.get("0.weight", ())
    if len(outermost) != 4 or outermost[2:] != (4, 4) or "1.model.1.weight" not in shapes:
        return None
    around = ["", "1.model."]  # what the names of each level begin with
    while any(name.startswith(f"{around[-1]}3.model.") for name in shapes):
        around.append(f"{around[-1]}3.model.")
    levels = len(around)
    innermost = around[-1]
    between = around[1:-1]
    if not between:
        return None  # the original has five levels at least
    found = normed(shapes, f"{between[0]}1", f"{between[0]}2")
    modules = ["0"]
    for level in between:
        modules += [f"{level}1", f"{level}2"]
    modules += [f"{innermost}1", f"{innermost}3", f"{innermost}4"]
    for level in reversed(between):
        modules += [f"{level}5", f"{level}6"]
    modules.append("3")
    norms = {f"{level}{at}" for level in between for at in (2, 6)} | {f"{innermost}4"}
    last = shapes.get("3.weight", (0, 3))
    settings: dict[str, object] = {"levels": levels, "width": outermost[0], **options(found)}
    settings.update(in_channels=outermost[1], out_channels=last[1])
    paired = found.norm != "instance"  # pix2pix trains with batch norm and dropout, CycleGAN with neither
    if paired:
        settings["dropout"] = 0.5
    if found.norm == "batch":
        settings["statistics"] = "picture"
    return Layout(
        origin=f"{PROGRAM}: unet_{2**levels}, {found.words}",
        component="pix2pix/unet" if paired else "cyclegan/unet",
        kind="generators",
        options=settings,
        modules=modules,
        norms=frozenset(norms),
        image_size=2**levels,
        said=(*found.said, RANDOM if paired else "dropout is not in the file: none, CycleGAN's default"),
    )
