"""A run goes on where its pictures lie elsewhere by now, as if nothing had happened; other pictures are refused."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.pictures import fill, save
from toonforge import recipe as recipes
from toonforge.cli import main
from toonforge.errors import RunError
from toonforge.recipe.model import Recipe
from toonforge.runs.data_list import compare_data_list
from toonforge.runs.fingerprint import Compared, fingerprint
from toonforge.runs.folder import RunFolder

PAGE = Path(__file__).parent.parent / "docs/how-to/resume.md"
RECIPE = """
name = "mine"
[data]
{data}
image_size = 16
validation = 0.3
[generators.G]
type = "tiny/generator"
[phases.p]
updates = ["G"]
losses.same = {{ type = "l1", input = "G(photo)", target = "photo" }}
{more}
[train]
steps = {steps}
"""
FOLDERS = 'type = "unpaired-folders"\nfields = { photo = "pix/photos" }'
LISTED = 'type = "listed"\nfile = "pix/photos/list.txt"\nfields = { photo = "path" }'
SIDES = 'type = "side-by-side"\nfolder = "pix/photos"\nfields = ["photo", "cartoon"]'
PHOTOGRAPHS = 'type = "cartoonized-folder"\nfolder = "pix/photos"'


def recipe(data: str = FOLDERS, steps: int = 4, more: str = "") -> Recipe:
    return recipes.loads(RECIPE.format(data=data, steps=steps, more=more))


@pytest.fixture(autouse=True)
def _there(tiny: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    fill(Path("pix/photos"), 8)
    Path("pix/photos/list.txt").write_text("".join(f"picture{n:02d}.png\n" for n in range(8)), "utf-8")


def begun(of: Recipe) -> RunFolder:
    """A run that has begun, without a step."""
    folder, sources = RunFolder(Path("runs/mine")), built(of)
    folder.begin(of, None, fingerprint(sources))
    folder.list_data(of, sources)
    return folder


def built(of: Recipe) -> dict[str, Any]:
    return {part: of.data.build(part) for part in of.data.splits}


def changes(folder: RunFolder, of: Recipe) -> list[str]:
    sources = built(of)
    return folder.changes(of, fingerprint(sources), sources)


def test_a_moved_run_goes_on_bit_for_bit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.toml").write_text(RECIPE.format(data=FOLDERS, steps=4, more=""), "utf-8")
    assert main(["run", "mine.toml", "--cpu", "--out", "runs/whole"]) == 0
    assert main(["run", "mine.toml", "--cpu", "--set", "train.steps=2"]) == 0
    (commands,) = re.findall(r"^<!-- run: move -->\n```sh\n(.*?)```", PAGE.read_text("utf-8"), re.M | re.S)
    move, go_on = map(shlex.split, commands.splitlines())
    assert move[0] == "mv" and go_on[0] == "toonforge"
    shutil.move(*move[1:])
    capsys.readouterr()
    assert main([*go_on[1:], "--set", "train.steps=4", "--cpu"]) == 0
    err = capsys.readouterr().err
    assert "data.fields.photo: pix/photos -> pix/old-photos (the same pictures)" in err and "schedule" not in err
    weights = [Path(f"runs/{name}/checkpoints/step-000004/G.safetensors").read_bytes() for name in ("whole", "mine")]
    assert weights[0] == weights[1]
    assert f"{tmp_path}/pix/old-photos/picture00.png" in Path("runs/mine/data.csv").read_text("utf-8")
    assert main(["run", "runs/mine", "--resume", "--cpu"]) == 0, "the run knows the new place"
    assert "old-photos" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("data", "key"), [(FOLDERS, "fields.photo"), (LISTED, "file"), (SIDES, "folder"), (PHOTOGRAPHS, "folder")]
)
def test_every_place_may_change_while_the_pictures_are_the_same(data: str, key: str) -> None:
    folder = begun(recipe(data))
    Path("pix").rename("new")
    (note,) = changes(folder, recipe(data.replace("pix/", "new/")))
    assert note.startswith(f"data.{key}: pix/photos") and note.endswith(" pictures)" if data != SIDES else " names)")
    save(Path("new/photos/picture99.png"), seed=99)
    with Path("new/photos/list.txt").open("a") as file:
        file.write("picture99.png\n")
    with pytest.raises(RunError, match=rf"data\.{key}: these are not the pictures .*\n.*none of \d is gone, 1 is new"):
        changes(folder, recipe(data.replace("pix/", "new/")))


def test_replaced_pictures_elsewhere_and_other_keys_are_refused() -> None:
    folder = begun(recipe())
    shutil.copytree("pix", "new")
    for number in range(8):
        save(Path(f"new/photos/picture{number:02d}.png"), 50, 40, seed=9)
    moved = FOLDERS.replace("pix/", "new/")
    with pytest.raises(RunError, match="the sizes of some files are not") as refused:
        changes(folder, recipe(moved))
    assert [problem.expected for problem in refused.value.problems] == [
        "pix/photos, as the run has it, or the same pictures elsewhere"
    ]
    with pytest.raises(RunError, match=r"data\.flip: .* another recipe"):
        changes(folder, recipe(f"{FOLDERS}\nflip = false"))
    (folder.path / "lock.json").write_text("{}")
    with pytest.raises(RunError, match=r"lock\.json does not say"):
        changes(folder, recipe(moved))


def test_pictures_that_are_gone_are_counted_by_part(tmp_path: Path) -> None:
    folder = begun(recipe())
    training = built(recipe())["train"]
    for index in range(3):
        Path(training.where("photo", index)["photo"]).unlink()
    (told,) = changes(folder, recipe())
    count = training.sizes["photo"]
    assert f"the training pictures of photo have changed (3 of {count} are gone, none is new)" in told
    (folder.path / "data.csv").unlink()
    assert f"({count} then, {count - 3} now)" in changes(folder, recipe())[0]


@pytest.mark.parametrize(
    ("compared", "words"),
    [
        ((3, 4, 1, 2), "1 of 3 is gone, 2 are new"),
        ((3, 4, 0, 1), "none of 3 is gone, 1 is new"),
        ((3, 3, 0, 0), "the same 3, in another order"),
    ],
)
def test_counts_in_words(compared: tuple[int, ...], words: str) -> None:
    assert str(Compared(**dict(zip(("of", "now", "gone", "new"), compared, strict=True)))) == words


def test_a_list_that_tells_nothing_is_no_answer() -> None:
    source = built(recipe())["train"]
    for text in ("", "part\n", "part,photo\ntrain,elsewhere/unknown.png\n", "photo\nx\n"):
        Path("data.csv").write_text(text, "utf-8")
        assert compare_data_list(Path("data.csv"), "train", "photo", source, ["photo"]) is None
    Path("data.csv").write_bytes(b"part,photo\ntrain,\xff\n")
    assert compare_data_list(Path("data.csv"), "train", "photo", source, ["photo"]) is None


def test_a_missing_folder_names_both_ways(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begun(recipe())
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert main(["run", str(tmp_path / "runs/mine"), "--resume", "--cpu"]) == 2
    err = " ".join(capsys.readouterr().err.split())
    assert f"it is looked for in {tmp_path}/elsewhere; the run was last started in {tmp_path}; put the" in err
    assert "or a link to them, or say where they are now: --set data.fields.photo='\"NEW\"'" in err
    assert json.loads((tmp_path / "runs/mine/lock.json").read_text())["folder"] == str(tmp_path)


@pytest.mark.parametrize(
    ("more", "told"),
    [("", False), ('schedule = { type = "cosine" }', True), ('schedule = { type = "cosine" }\nuntil = 3', False)],
)
def test_schedules_are_spoken_of_where_one_follows_the_length(more: str, told: bool) -> None:
    of = recipe(more=more)
    notes = changes(begun(of), attrs.evolve(of, train=attrs.evolve(of.train, steps=9)))
    assert any("schedules" in note for note in notes) == told and len(notes) == 1 + told
