"""Draws the pictures of the gallery with toonforge itself, and writes its page, docs/gallery.md.

python docs/gallery.py               the page
python docs/gallery.py --draw        every picture of the packaged model, and the page
python docs/gallery.py --draw RUN…   and the last validation grids of these runs of small recipes
python docs/gallery.py --check       exits with 1 where the page is out of date
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from toonforge_samples.credits import Sample, samples

DOCS = Path(__file__).parent
PAGE, FOLDER = DOCS / "gallery.md", DOCS / "images" / "gallery"
MODEL = "photo-to-cartoon"
PAPER, INK = (250, 249, 246), (38, 38, 42)
GAP, HEAD, SIDE, WIDEST = 6, 24, 230, 1100

CAPTIONS = {
    "lincoln-memorial": "Stone loses its grain; the light between the columns becomes areas of one colour. "
    "The sky is bluer than it was.",
    "goat": "Hair is drawn in strands. The clouds have got outlines that an artist would have left out.",
    "fig-on-red-plate": "The best case: large forms, clear edges. The scratches in the stone are gone, the plate is "
    "redder than it was.",
    "two-dogs-at-window": "Outlines where dark meets light; between similar colours, at the lower dog, hardly any.",
    "toucan": "The blurred background stays blurred, and the green of the leaves becomes glaring.",
    "mont-st-michel": "The abbey gets an outline, the grass becomes blotches.",
    "rocket-on-pad": "The rocket is outlined; the thin masts beside it fade into the dark sky.",
    "sunset-over-hills": "Little to draw: brighter, smoother, still a photograph.",
}
"""The samples' held-out photographs, in the page's order, each with what is to be seen in its translation."""

RECIPES = {
    "anime_unet": "CycleGAN from photo-to-cartoon on, and the way back learnt beside it. Translations to anime stay "
    "near the model that it starts from, with stronger outlines; drawings become grey and darker, not photographs.",
    "anime_cartoongan": "CartoonGAN: livelier, flatter colours. Forms stay as they were.",
    "anime_animegan": "AnimeGANv2: warm colours turn cold, brown dogs blue and the red plate carmine; no drawn lines, "
    "and no flat areas.",
    "anime_cyclegan": "CycleGAN alone, from random weights: so short a training changes the tint and no more.",
    "cartoon_toon2real": "Toon2real, drawings to photographs: the palette changes, no drawing becomes a photograph.",
    "cartoon_singlegan": "SingleGAN, one generator for both ways, told the way by a number: the tint changes a little, "
    "and no more.",
    "cartoon_unit": "UNIT: each domain takes on the other's colours, photographs glaring ones; whatever is finer than "
    "four pixels is lost on the way through a noisy code of a sixteenth of the places.",
    "cartoon_pix2pix": "pix2pix, from pictures that a filter drew back to the photographs: the lines go, what was "
    "under them is made up, and is blurred.",
    "cartoon_mha_unet": "The U-Net with attention, photographs to what a filter draws of them.",
}
"""Small recipes whose grids are shown, each with what is to be seen."""

LOOKS: dict[str, dict[str, float | bool]] = {
    "strength 0": {"strength": 0},
    "strength 0.5": {"strength": 0.5},
    "strength 1": {},
    "keep_color": {"keep_color": True},
    "smooth 0.7": {"smooth": 0.7},
}
LOOKS_OF = "lincoln-memorial"


def held_out() -> dict[str, Sample]:
    """The samples' validation photographs by name, in the page's order."""
    found = {each.path.stem: each for each in samples() if each.kind == "photo" and each.split == "validation"}
    return {name: found[name] for name in CAPTIONS}


def beside(cells: Sequence[tuple[str, Image.Image]]) -> Image.Image:
    """Pictures of one size in a row, each under its name."""
    font, (width, height) = ImageFont.load_default(14), cells[0][1].size
    sheet = Image.new("RGB", (len(cells) * (width + GAP) - GAP, height + HEAD), PAPER)
    draw = ImageDraw.Draw(sheet)
    for column, (label, picture) in enumerate(cells):
        draw.text((column * (width + GAP) + 2, 3), label, font=font, fill=INK)
        sheet.paste(picture, (column * (width + GAP), HEAD))
    return sheet


def middle(picture: Image.Image, side: int) -> Image.Image:
    """The square in the middle, pixel by pixel."""
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return picture.crop((left, top, left + side, top + side))


def pictures() -> Iterator[tuple[str, Image.Image]]:
    """What the packaged model draws, by the names of the files, drawn now."""
    import toonforge

    model = toonforge.load(MODEL)
    for name, sample in held_out().items():
        with Image.open(sample.path) as photo:
            photo.load()
        yield name, beside([("photograph", photo), (MODEL, model(photo))])
        if name == LOOKS_OF:
            yield "looks", beside([(label, middle(model(photo, **look), SIDE)) for label, look in LOOKS.items()])


def grid(run: Path) -> Image.Image:
    """The last validation grid of a run, at most `WIDEST` pixels wide."""
    with Image.open(sorted((run / "samples").glob("step-*.jpg"))[-1]) as drawn:
        drawn.load()
    drawn.thumbnail((WIDEST, drawn.height), Image.Resampling.LANCZOS)
    return drawn


def parts() -> Iterator[str]:
    """The page, piece by piece."""
    yield (
        "# Gallery\n\n"
        "Made by toonforge itself, the good and the bad: what the packaged model draws of all eight held-out "
        "photographs of the samples, `python docs/gallery.py --draw`, and validation grids of small trainings. No "
        "network was trained on the pictures that it is shown with.\n\n"
        f"## {MODEL}\n\n"
        "The model that comes along. [How it was made, and what it is worth](explanation/photo-to-cartoon.md).\n\n"
        "```sh\ntoonforge translate photo-to-cartoon photo.jpg\n```\n\n"
    )
    for name, caption in CAPTIONS.items():
        picture = f"![{spoken(name)}: the photograph, and what the model draws of it](images/gallery/{name}.jpg)"
        yield f"{picture}\n\n{caption}\n\n"
    yield (
        "## Its looks\n\n"
        "What `--strength`, `--keep-color` and `--smooth` of [`toonforge translate`](how-to/translate.md) make of one "
        "translation. Strength 0 is the photograph.\n\n"
        f"![{spoken(LOOKS_OF)} in five looks](images/gallery/looks.jpg)\n\n"
        "## Small trainings\n\n"
        "Validation grids of recipes that train for minutes, as the runs drew them. So short a training shows that and "
        "how [a method](reference/methods.md) works, not how well it can.\n\n"
    )
    for name, caption in RECIPES.items():
        yield (
            f"### {name}\n\n{caption}\n\n```sh\ntoonforge run recipes/{name}.toml\n```\n\n"
            f"![Validation grid of {name}](images/{name}.jpg)\n\n"
        )
    yield (
        "## Picture filters\n\n"
        "No network at all: what models here learn from, and what they are measured against. "
        "[What each does](reference/filters.md).\n\n"
        "![Two photographs in eight styles](images/filters.jpg)\n\n"
        "## Whose photographs these are\n\n"
        "A translation is under the licence of its photograph.\n\n"
        "| photograph | title | by | licence |\n| --- | --- | --- | --- |\n"
    )
    for name, sample in held_out().items():
        yield f"| {spoken(name)} | {sample.title} | {sample.author} | {sample.licence} |\n"
    yield (
        "\nThe grids show other sample pictures as well: [all credits]"
        "(../plugins/samples/src/toonforge_samples/pictures/CREDITS.csv).\n"
    )


def spoken(name: str) -> str:
    """A file's name as words."""
    return name.replace("-", " ").capitalize()


def main(words: Sequence[str]) -> int:
    """Draw what is asked for, and write or check the page."""
    page = "".join(parts())
    if "--check" in words:
        stale = not PAGE.is_file() or PAGE.read_text("utf-8") != page
        print(f"{PAGE} is out of date: run python docs/gallery.py\n" if stale else "", end="")
        return int(stale)
    if "--draw" in words:
        FOLDER.mkdir(exist_ok=True)
        for name, picture in pictures():
            picture.save(FOLDER / f"{name}.jpg", quality=82, optimize=True)
        for run in (Path(word) for word in words if not word.startswith("-")):
            grid(run).save(FOLDER.parent / f"{run.name}.jpg", quality=85, optimize=True)
    PAGE.write_text(page, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
