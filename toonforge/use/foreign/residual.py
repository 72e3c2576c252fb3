"""The ResNet generator of junyanz' CycleGAN and pix2pix, and of the many programs that number its layers alike.

A sequence: pad, conv, norm, relu; twice conv, norm, relu; residual blocks; twice transposed conv, norm, relu; pad,
conv, tanh. Pads, activations and dropout have no tensors and count all the same.
"""

from __future__ import annotations

from toonforge.errors import Problem, RunError
from toonforge.use.foreign.layout import Layout, Shapes
from toonforge.use.foreign.names import numbered
from toonforge.use.foreign.norms import normed, options

PROGRAM = "pytorch-CycleGAN-and-pix2pix"


def residual(shapes: Shapes) -> Layout | None:
    """The layout of a ResNet generator; None for anything else, an error for CUT's anti-aliased one."""
    if not numbered(shapes):
        return None
    convolutions = sorted(
        int(name.split(".")[0])
        for name in shapes
        if name.endswith(".weight") and name.count(".") == 1 and len(shapes[name]) == 4
    )
    blocks = sorted({int(name.split(".")[0]) for name in shapes if name.count(".") == 3})
    if len(convolutions) < 2 or convolutions[0] > 1:
        return None
    first, second = convolutions[:2]
    stem = shapes[f"{first}.weight"]
    if stem[2:] != (7, 7):
        return None
    _refuse_antialiased(shapes)
    step = second - first  # 3 with a norm between them, 2 without
    start = first + 3 * step
    count = blocks[-1] - start + 1 if blocks else 0
    if step not in (2, 3) or (blocks and blocks[0] < start) or not 0 <= count <= len(shapes):
        return None
    found = normed(shapes, str(first), str(first + 1), is_there=step == 3)
    inner, block_pad, dropout = _inside(shapes, blocks, step)
    end = start + count
    head = end + 2 * step + first
    gap = block_pad + step + int(dropout)  # from a block's first convolution to its second

    def pair(at: int | str) -> list[str]:
        place = int(str(at).rpartition(".")[2])
        before = str(at).removesuffix(str(place))
        return [str(at), f"{before}{place + 1}"]

    modules = [name for at in (first, first + step, first + 2 * step) for name in pair(at)]
    for block in range(start, end):
        for at in (block_pad, block_pad + gap):
            modules += pair(f"{block}.{inner}.{at}")
    modules += [*pair(end), *pair(end + step)]
    norms = frozenset(modules[1::2])
    channels = shapes.get(f"{head}.weight", (3,))[0]
    said = list(found.said)
    settings: dict[str, object] = {"blocks": count, "width": stem[0], **options(found)}
    settings.update(in_channels=stem[1], out_channels=channels)
    if dropout:
        settings["dropout"] = 0.5
        said.append("dropout is inside the blocks; its probability is not in the file: 0.5, the original's")
    if found.norm == "batch":
        settings["statistics"] = "picture"
    if not first:
        settings["padding"] = "zero"
    padding = "reflect" if block_pad else "zero"
    if blocks and padding != settings.get("padding", "reflect"):
        settings["block_padding"] = padding
    return Layout(
        origin=f"{PROGRAM}: resnet_{count}blocks, {found.words}{', dropout' if dropout else ''}",
        component="cyclegan/resnet",
        kind="generators",
        options=settings,
        modules=[*modules, str(head)],
        norms=norms,
        said=tuple(said),
    )


def _inside(shapes: Shapes, blocks: list[int], step: int) -> tuple[str, int, bool]:
    """Of a block: what it calls its layers, how many pads stand before a convolution, whether it has dropout."""
    if not blocks:
        return "conv_block", 1, False
    names = [name.split(".") for name in shapes if name.startswith(f"{blocks[0]}.")]
    inner = names[0][1]
    places = sorted({int(words[2]) for words in names if words[2].isdigit() and words[1] == inner})
    convolutions = [at for at in places if len(shapes.get(f"{blocks[0]}.{inner}.{at}.weight", ())) == 4]
    if len(convolutions) != 2:
        return inner, 1, False
    pad = min(convolutions[0], 1)
    return inner, pad, convolutions[1] - convolutions[0] > pad + step


def _refuse_antialiased(shapes: Shapes) -> None:
    filters = [name for name in shapes if name.endswith(".filt")]
    if filters:
        raise RunError(
            Problem(
                message="a ResNet generator of CUT, which blurs where it changes the size (anti-aliasing)",
                found=f"{filters[0]} and {len(filters) - 1} more",
                expected="a network that CUT trained with --no_antialias --no_antialias_up, or one of CycleGAN's",
                hint="no component here blurs so; without the blur its outputs would be others",
            )
        )
