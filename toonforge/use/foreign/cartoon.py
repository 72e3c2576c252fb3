"""CartoonGAN's networks in PyTorch ports: Yijunmaverick's of the authors' weights, and znxlwm's own."""

from __future__ import annotations

from toonforge.use.foreign.layout import Layout, Shapes
from toonforge.use.foreign.patches import LOGITS

PORTED = "CartoonGAN-Test-Pytorch-Torch (Yijunmaverick)"
OWN = "pytorch-CartoonGAN (znxlwm)"
EPSILON = 1e-9  # of the norms of the authors' Torch code, which the port keeps
PLAIN = "instance norm without weights and zeros beyond the border: the program has no other"


def transformer(shapes: Shapes) -> Layout | None:
    """The layout of the port's `Transformer`: layers by name, norms with `scale` and `shift`, channels BGR."""
    stem = shapes.get("conv01_1.weight", ())
    if len(stem) != 4 or "deconv03_1.weight" not in shapes:
        return None
    blocks = len({name[:6] for name in shapes if name.startswith("conv")}) - 3  # conv01 to conv03 lead to them
    if not 0 <= blocks <= len(shapes):
        return None

    def named(kind: str, number: int, place: int = 1) -> str:
        return f"{kind}{number:02d}_{place}"

    modules = [named("conv", 1), named("in", 1)]
    for stage in (2, 3):
        modules += [named("conv", stage), named("conv", stage, 2), named("in", stage)]
    for block in range(4, 4 + blocks):
        for place in (1, 2):
            modules += [named("conv", block, place), named("in", block, place)]
    for stage in (1, 2):
        modules += [named("deconv", stage), named("deconv", stage, 2), named("in", 3 + blocks + stage)]
    modules.append(named("deconv", 3))
    return Layout(
        origin=f"{PORTED}: Transformer",
        component="cartoongan/resnet",
        kind="generators",
        options={
            "blocks": blocks,
            "width": stem[0],
            "epsilon": EPSILON,
            "in_channels": stem[1],
            "out_channels": shapes["deconv03_1.weight"][0],
        },
        modules=modules,
        norms=frozenset(name for name in modules if name.startswith("in")),
        leaves={"weight": "scale", "bias": "shift"},
        bgr=True,
        said=(
            "the port works on BGR pictures: its first and last convolution are turned round, and RGB goes in and out",
        ),
    )


def port_generator(shapes: Shapes) -> Layout | None:
    """The layout of znxlwm's `generator`."""
    stem = shapes.get("down_convs.0.weight", ())
    if len(stem) != 4 or "up_convs.8.weight" not in shapes:
        return None
    numbers = [
        int(words[1]) for name in shapes if (words := name.split("."))[0] == "resnet_blocks" and words[1].isdigit()
    ]
    blocks = max(numbers, default=-1) + 1
    if blocks > len(shapes):
        return None
    modules = [f"down_convs.{at}" for at in (0, 1, 3, 4, 5, 7, 8, 9)]
    for block in range(blocks):
        modules += [f"resnet_blocks.{block}.{name}" for name in ("conv1", "conv1_norm", "conv2", "conv2_norm")]
    modules += [f"up_convs.{at}" for at in (0, 1, 2, 4, 5, 6, 8)]
    norms = {f"down_convs.{at}" for at in (1, 5, 9)} | {f"up_convs.{at}" for at in (2, 6)}
    return Layout(
        origin=f"{OWN}: generator",
        component="cartoongan/resnet",
        kind="generators",
        options={
            "blocks": blocks,
            "width": stem[0],
            "norm": "instance",
            "padding": "zero",
            "in_channels": stem[1],
            "out_channels": shapes["up_convs.8.weight"][0],
        },
        modules=modules,
        norms=frozenset(norms | {name for name in modules if name.endswith("_norm")}),
        said=(PLAIN,),
    )


def port_discriminator(shapes: Shapes) -> Layout | None:
    """The layout of znxlwm's `discriminator`, numbered as ours."""
    first = shapes.get("0.weight", ())
    if len(first) != 4 or first[2:] != (3, 3) or not {"2.weight", "4.weight", "15.weight"} <= set(shapes):
        return None
    norms = ("5", "10", "13")
    return Layout(
        origin=f"{OWN}: discriminator",
        component="cartoongan/patchgan",
        kind="discriminators",
        options={"width": first[0], "norm": "instance", "in_channels": first[1]},
        modules=[str(at) for at in (0, 2, 4, 5, 7, 9, 10, 12, 13, 15)],
        norms=frozenset(norms),
        said=(LOGITS,),
    )
