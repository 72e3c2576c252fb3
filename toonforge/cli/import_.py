"""`toonforge import`: networks that other programs trained, as one model file."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from toonforge.cli.text import echo, hanging, table
from toonforge.errors import Problem, RunError, escaped
from toonforge.names import shape_text

if TYPE_CHECKING:
    from toonforge.use.foreign import Imported
    from toonforge.use.foreign.reading import Foreign


@click.command()
@click.argument("files", metavar="FILE…", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), help="The .safetensors file to write.")
@click.option(
    "--translation",
    "translations",
    metavar="DOMAIN",
    multiple=True,
    help="What a generator translates to; once for each, in their order.",
)
@click.option(
    "--part",
    "parts",
    metavar="KEY",
    multiple=True,
    help="Of a checkpoint of several networks, take this one; may be repeated.",
)
@click.option(
    "--architecture", metavar="NAME", help="The component that a state dict is of, where it is not recognised."
)
@click.option(
    "--set",
    "settings",
    metavar="KEY=VALUE",
    multiple=True,
    help="An option of the component, in the place of what the tensors tell.",
)
@click.option(
    "--image-size",
    type=click.IntRange(min=1),
    metavar="PIXELS",
    help="The side of the pictures that it was trained on.",
)
@click.option(
    "--card",
    "cards",
    metavar="KEY=TEXT",
    multiple=True,
    help="What the file is to say of itself: license, credit, title, …",
)
@click.option("--pairs", is_flag=True, help="Tell which tensor became which.")
@click.option("--list", "only_list", is_flag=True, help="Tell what is in the files, and write nothing.")
@click.option("--force", is_flag=True, help="Overwrite a file that is there already.")
def command(
    files: tuple[Path, ...],
    out: Path | None,
    translations: tuple[str, ...],
    parts: tuple[str, ...],
    architecture: str | None,
    settings: tuple[str, ...],
    image_size: int | None,
    cards: tuple[str, ...],
    pairs: bool,
    only_list: bool,
    force: bool,
) -> None:
    """Make a model file of weights that other programs trained.

    Known are the generators and discriminators of junyanz' CycleGAN and pix2pix (and programs that number their layers
    alike), and those of two CartoonGAN ports. Architecture and options are told from the tensors; each is used or
    accounted for, and what tensors cannot tell is said. Nothing in a FILE is ever run.

    \b
    Examples:
      toonforge import latest_net_G.pth -o horse2zebra.safetensors --translation zebra
      toonforge import latest_net_G_A.pth latest_net_G_B.pth -o anime.safetensors \\
          --translation anime --translation photo
      toonforge import Hayao_net_G_float.pth -o hayao.safetensors --translation hayao
      toonforge import latest_net_D.pth -o judge.safetensors
      toonforge import checkpoint.ckpt --list
      toonforge import mine.pth -o mine.safetensors --architecture cyclegan/resnet --set blocks=6
    """
    texts = dict(_split(card, "--card", "license=MIT") for card in cards)
    options = {key: _value(key, value) for key, value in (_split(each, "--set", "blocks=6") for each in settings)}
    if only_list:
        from toonforge.use.foreign import look_into

        for path in files:
            _tell(*look_into(path))
        return
    if out is None:
        raise click.UsageError("Missing option '-o' / '--out'.")
    if out.suffix != ".safetensors":
        raise RunError(
            Problem(message=f"{out} is not called .safetensors", hint=f"-o {out.with_suffix('.safetensors')}")
        )

    from toonforge.use.foreign import import_weights

    found = import_weights(
        files,
        out,
        architecture=architecture,
        options=options,
        translations=translations,
        parts=parts,
        image_size=image_size,
        card=texts,
        force=force,
    )
    for each in found:
        _report(each, pairs)
    _offer(out)


def _split(text: str, option: str, example: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key.strip() or not equals:
        raise click.BadParameter(f"{text!r}: write KEY=VALUE, such as {example}", param_hint=option)
    return key.strip(), value


def _value(key: str, text: str) -> Any:
    import tomli

    try:
        held = tomli.loads(f"value = {text}")
    except tomli.TOMLDecodeError:
        held = {}
    if list(held) != ["value"]:
        raise RunError(
            Problem(message="not a TOML value", key=key, found=text, hint=f"quote a string: --set '{key}=\"{text}\"'")
        )
    return held["value"]


def _report(each: Imported, pairs: bool) -> None:
    from toonforge.recipe.resolved import component_data

    shown = [f"{key} {value}" for key, value in component_data(each.config).items() if key in SHOWN]
    echo(hanging(f"{each.name}: {each.component} ({', '.join(shown)})"))
    where = f"{each.path.name}, {each.part}" if each.part else each.path.name
    used = [pair for pair in each.fitted.pairs if pair.theirs is not None]
    counted = f"{len(used)} tensors used"
    echo(hanging(escaped(f"of {where}, {each.origin}: {counted}{_left_out(each.fitted.left_out)}"), "  ", "  "))
    for text in each.said:
        echo(hanging(text, "  - ", "    "))
    if pairs or each.by_order:
        rows = [
            [escaped(pair.theirs or "-"), pair.ours, shape_text(pair.shape), pair.change] for pair in each.fitted.pairs
        ]
        echo(table(rows, 3))


SHOWN = (
    "blocks",
    "levels",
    "layers",
    "width",
    "norm",
    "dropout",
    "statistics",
    "padding",
    "bias",
    "epsilon",
    "in_channels",
)
"""Options that are worth a word."""


def _left_out(names: Mapping[str, str]) -> str:
    reasons: dict[str, list[str]] = {}
    for name, why in names.items():
        reasons.setdefault(why, []).append(name)
    return "".join(f"; {len(held)} left out ({held[0]}, …): {why}" for why, held in reasons.items())


def _offer(out: Path) -> None:
    from toonforge.weights.described import read_weights

    first = read_weights(out)[0]
    offered = ", ".join(f"{domain} = {expr}" for domain, expr in first.translations.items())
    if offered:
        echo(f"{out}: {offered}\nnext: toonforge translate {shlex.quote(str(out))} photo.jpg")
    else:
        echo(f'{out}: no translation; a recipe\'s network begins with it where it says weights = "{out}"')


def _tell(foreign: Foreign, guesses: Mapping[str, str]) -> None:
    echo(f"{foreign.path}: sha256 {foreign.sha256}")
    for part, guess in guesses.items():
        echo(f"  {escaped(part or 'the file')}: {guess}")
    for where, what in foreign.others.items():
        echo(f"  {escaped(where)}: {what}")
    for at, tensors in foreign.parts.items():
        rows = [
            [escaped(f"{at}.{name}" if at else name), shape_text(tensor.shape), str(tensor.dtype).partition(".")[2]]
            for name, tensor in tensors.items()
        ]
        echo(table(rows, 0, 4))
