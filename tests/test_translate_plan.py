"""Which files are translated and what their outputs are called: decided before anything is read, told all at once."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from toonforge.errors import RunError
from toonforge.use.pictures.inputs import gather
from toonforge.use.pictures.plan import KEPT, Plan, plan


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files(*names: str) -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b"")


def pairs(planned: Plan) -> dict[str, str]:
    return {job.name: str(job.target) for job in planned.jobs}


def refused(*words: str, out: str | None = None, **options: object) -> str:
    with pytest.raises(RunError) as raised:
        plan(words, out, **options)  # type: ignore[arg-type]
    return str(raised.value)


# -- inputs -----------------------------------------------------------------------------------------------------------


def test_a_folder_is_all_pictures_below_it_with_their_structure() -> None:
    files("in/b.png", "in/a.jpg", "in/sea/c.PNG", "in/notes.txt", "in/.hidden.png", "in/.git/d.png", "in/clip.mp4")
    assert pairs(plan(["in"])) == {
        "in/a.jpg": "translated/a.jpg",
        "in/b.png": "translated/b.png",
        "in/sea/c.PNG": "translated/sea/c.PNG",
    }
    assert pairs(plan(["in/"], "out")) == pairs(plan([Path("in").absolute()], "out")) or os.path.isabs(
        next(iter(pairs(plan([Path("in").absolute()], "out"))))
    )


def test_a_pattern_keeps_the_structure_below_its_fixed_part() -> None:
    files("in/a.jpg", "in/sea/b.jpg", "in/sea/deep/c.jpg", "in/sea/d.png", "in/e.txt", "in/.f.jpg")
    assert pairs(plan(["in/**/*.jpg"], "out")) == {
        "in/a.jpg": "out/a.jpg",
        "in/sea/b.jpg": "out/sea/b.jpg",
        "in/sea/deep/c.jpg": "out/sea/deep/c.jpg",
    }
    assert pairs(plan(["in/*"], "out")) == {"in/a.jpg": "out/a.jpg"}
    assert pairs(plan(["in/s?a/[b-d].*"], "out")) == {"in/sea/b.jpg": "out/sea/b.jpg", "in/sea/d.png": "out/sea/d.png"}
    assert list(pairs(plan([str(Path("in/**").absolute())], "out")).values()) == [
        "out/a.jpg",
        "out/sea/b.jpg",
        "out/sea/d.png",
        "out/sea/deep/c.jpg",
    ]


def test_a_file_that_is_called_like_a_pattern_is_itself() -> None:
    files("a[1].png", "a1.png", "*.png")
    assert pairs(plan(["a[1].png"])) == {"a[1].png": "translated/a[1].png"}
    assert pairs(plan(["*.png"])) == {"*.png": "translated/*.png"}


def test_the_same_file_twice_is_one_piece_of_work() -> None:
    files("in/a.png", "in/b.png")
    assert list(pairs(plan(["in", "in/a.png", "in/*.png", "./in/b.png"]))) == ["in/a.png", "in/b.png"]


def test_outputs_below_the_input_are_no_inputs_of_the_next_call() -> None:
    files("a.png", "sub/b.png")
    first = pairs(plan(["."]))
    files(*first.values())
    assert pairs(plan(["."], skip_existing=True)) == {}
    assert list(pairs(plan(["."], force=True))) == list(first) == ["a.png", "sub/b.png"]
    assert pairs(plan(["**/*.png"], force=True)) == first
    assert list(pairs(plan(["translated"], "out"))) == list(first.values())


def test_outputs_of_another_call_are_inputs_and_told() -> None:
    files("a.png", "b.gif", "sub/c.jpg")
    first = pairs(plan(["."], "x1"))
    files(*first.values())
    again = plan(["."], "x2")
    assert len(again.jobs) == 6 and again.earlier == {"x1": 3}
    files("x1/more.png")
    assert plan(["."], "x2").earlier == {}


@pytest.mark.parametrize(
    "names", [["a/1.png", "b/1.png"], ["a.png", "sub/b.png"], ["a.png", "sub/a/b.png"], ["sub/sub/a.png", "sub/a.png"]]
)
def test_folders_of_pictures_of_their_own_are_no_outputs(names: list[str]) -> None:
    files(*(f"in/{name}" for name in names))
    assert plan(["in"]).earlier == {}


def test_a_number_is_a_file_where_one_has_that_name() -> None:
    files("0")
    assert pairs(plan(["0"])) == {"0": "translated/0.png"}


def test_links_are_followed_and_loops_are_not() -> None:
    files("in/a.png")
    os.symlink("a.png", "in/b.png")
    os.symlink(".", "in/loop")
    os.symlink("nowhere.png", "in/gone.png")
    assert list(pairs(plan(["in"]))) == ["in/a.png", "in/b.png", "in/gone.png"]


def test_what_is_not_there_is_told_where_nothing_else_is() -> None:
    files("a.png")
    assert "in.jpg is not there" in refused("in.jpg")
    assert "*.gif matches no pictures" in refused("*.gif")
    told = refused("in.jpg", "other")
    assert "in.jpg" in told and "other" in told
    # Beside others it is one that cannot be read.
    assert list(pairs(plan(["in.jpg", "a.png"]))) == ["in.jpg", "a.png"]
    Path("empty").mkdir()
    assert "no pictures in empty" in refused("empty")
    assert gather(["in.jpg", "a.png"]).missing == ("in.jpg",)


# -- names ------------------------------------------------------------------------------------------------------------


@given(
    st.text(st.characters(exclude_characters="/\0*?[", exclude_categories=["Cs"]), min_size=1, max_size=40),
    st.sampled_from([*KEPT, ".PNG", ".JPeG", ".gif", ".avif", ".jfif", ""]),
)
def test_a_name_is_kept_and_so_is_an_ending_that_is_written(stem: str, ending: str) -> None:
    name = f"_{stem.strip('.')}_{ending}"
    (job,) = plan([f"nowhere/{name}", "-"], "out", data=b"").jobs[:1]
    suffix = Path(name).suffix
    expected = name if suffix.lower() in KEPT else f"{Path(name).stem}.png"
    assert job.target == Path("out") / expected


def test_jfif_is_jpeg() -> None:
    assert pairs(plan(["a.jfif", "-"], data=b""))["a.jfif"] == "translated/a.jfif"
    files("in/a.JFIF", "in/b.png")
    assert list(pairs(plan(["in"], "out", ending="jpg")).values()) == ["out/a.JFIF", "out/b.jpg"]


def test_all_may_be_asked_to_be_of_one_kind() -> None:
    files("in/a.gif", "in/b.jpeg", "in/c.PNG", "in/d.tif", "in/clip.webm")
    assert list(pairs(plan(["in"], "out", ending="jpg")).values()) == [
        "out/a.jpg",
        "out/b.jpeg",
        "out/c.jpg",
        "out/d.jpg",
    ]
    assert list(pairs(plan(["in/*"], "out", ending="webp")).values())[-2:] == ["out/clip.webm", "out/d.webp"]
    assert pairs(plan(["in/d.tif"], "out.jpeg", ending="jpg")) == {"in/d.tif": "out.jpeg"}
    assert "does not end in .png" in refused("in/d.tif", out="out.jpg", ending="png")


def test_one_input_may_go_to_one_file() -> None:
    files("a.gif", "b.png", "clip.avi", "in/c.png")
    assert pairs(plan(["a.gif"], "x/y.JPG")) == {"a.gif": "x/y.JPG"}
    assert pairs(plan(["clip.avi"], "film.mkv")) == {"clip.avi": "film.mkv"}
    assert "one file, for several" in refused("a.gif", "b.png", out="c.png")
    assert "one file, for several" in refused("in", out="c.png")
    assert "one file, for several" in refused("*.png", out="c.png")
    assert "read but not written" in refused("a.gif", out="c.gif")
    assert "is a video" in refused("clip.avi", out="c.png")
    assert "video" in refused("a.gif", out="c.mp4")
    assert pairs(plan(["a.gif"], "new.png/")) == {"a.gif": "new.png/a.png"}
    Path("folder.png").mkdir()
    assert pairs(plan(["a.gif"], "folder.png")) == {"a.gif": "folder.png/a.png"}


@pytest.mark.parametrize("out", ["x.xyz", "x.heic", "sub/x.PSD", "x.mp3"])
def test_a_file_of_a_kind_that_is_not_written_becomes_no_folder(out: str) -> None:
    files("a.png", "clip.mp4", "in/b.png")
    for word in ("a.png", "clip.mp4"):
        told = refused(word, out=out)
        assert (".png" in told) is (word == "a.png") and (".mp4" in told.split("\n")[1]) is (word != "a.png")
        assert f"no {Path(out).suffix} is written" in told and f"-o {out}/" in told
    assert list(pairs(plan(["in"], out)).values()) == [f"{out}/b.png"]  # of a folder, a folder
    assert list(pairs(plan(["a.png"], f"{out}/")).values()) == [f"{out}/a.png"]
    Path(out).mkdir(parents=True)
    assert list(pairs(plan(["a.png"], out)).values()) == [f"{out}/a.png"]


@pytest.mark.parametrize("out", ["x.2024", "my.holidays", "v1.0", ".hidden"])
def test_a_dot_alone_makes_no_file(out: str) -> None:
    files("a.png")
    assert list(pairs(plan(["a.png"], out)).values()) == [f"{out}/a.png"]


def test_videos_are_named_like_pictures() -> None:
    files("in/clip.MP4", "in/old.avi", "in/a.png")
    assert pairs(plan(["in/*"], "out")) == {
        "in/a.png": "out/a.png",
        "in/clip.MP4": "out/clip.MP4",
        "in/old.avi": "out/old.mp4",
    }


def test_standard_input_goes_to_standard_output_unless_told() -> None:
    stream = io.BytesIO()
    Image.new("RGB", (2, 2)).save(stream, "WEBP")
    (job,) = plan(["-"], data=stream.getvalue()).jobs
    assert (job.source, job.target, job.data) == (None, None, stream.getvalue())
    assert pairs(plan(["-"], "out", data=stream.getvalue())) == {"standard input": "out/stdin.webp"}
    assert pairs(plan(["-"], "out", data=b"no picture")) == {"standard input": "out/stdin.png"}
    assert pairs(plan(["-"], "x.png", data=b"")) == {"standard input": "x.png"}
    files("a.png", "clip.mp4")
    assert [job.target for job in plan(["a.png"], "-").jobs] == [None]
    assert "one picture" in refused("a.png", "-", out="-", data=b"")
    assert "video cannot go to standard output" in refused("clip.mp4", out="-")


def test_a_file_called_like_standard_input_is_a_file() -> None:
    files("-")
    assert [job.source for job in plan(["./-"]).jobs] == [Path("-")]


# -- conflicts --------------------------------------------------------------------------------------------------------


def test_every_conflict_is_told_at_once() -> None:
    files("in/a.png", "in/b.png", "other/b.png", "out/a.png")
    told = refused("in", "other", "out/a.png", out="out")
    assert "out/a.png is an input" in told
    assert "in/b.png and other/b.png would both become out/b.png" in told
    told = refused("in", out="out")
    assert told.startswith("out/a.png is there already")
    assert "--force" in told and "--skip-existing" in told


def test_a_cause_is_told_once_however_many_outputs_it_concerns() -> None:
    names = [f"{number:04}.png" for number in range(1300)]
    files(*(f"in/{name}" for name in names), *(f"out/{name}" for name in names))
    told = refused("in", out="out")
    assert told.startswith("1,300 outputs are there already: out/0000.png, out/0001.png, out/0002.png, …")
    assert told.count("--force") == 1 and "0003" not in told
    told = refused("in", out="in")
    assert "1,300 outputs are inputs: in/0000.png, in/0001.png" in told and told.count("another folder") == 1
    files("more/0000.png", "more/0001.png")
    told = refused("in", "more", out="new")
    assert "2 inputs would become the output of another: in/0000.png and more/0000.png would both" in told
    assert "…" not in told


def test_causes_of_all_kinds_are_told_together() -> None:
    files("in/a.png", "in/b.png", "in/c.png", "in/c.gif", "out/a.png", "out/b.png")
    os.mkfifo("out/d.png")
    files("in/d.png", "in/e.png")
    Path("out/e.png").mkdir()
    with pytest.raises(RunError) as raised:
        plan(["in", "out/a.png", "nowhere.jpg"], "out")
    messages = [problem.message for problem in raised.value.problems]
    assert len(messages) == len(set(messages)) == 4
    for each in (
        "out/a.png is an input",
        "3 outputs are there already",
        "would both become",
        "nowhere.jpg is not there",
    ):
        assert sum(each in message for message in messages) == 1, each
    with pytest.raises(RunError) as raised:
        plan(["in"], "out", force=True)
    assert [problem.found for problem in raised.value.problems if "cannot write" in problem.message]


def test_force_overwrites_outputs_and_never_an_input() -> None:
    files("in/a.png", "out/a.png", "in/sub/b.png")
    assert pairs(plan(["in/a.png"], "out", force=True)) == {"in/a.png": "out/a.png"}
    assert "2 outputs are inputs" in refused("in", out="in", force=True)
    assert "is an input" in refused("in/a.png", out="in/a.png", force=True)
    os.symlink("in", "alias")
    assert "2 outputs are inputs" in refused("in", out="alias", force=True)


def test_existing_outputs_can_be_left_out_and_the_rest_is_still_checked() -> None:
    files("in/a.png", "in/b.gif", "in/c.jpg", "out/a.png", "out/b.png")
    planned = plan(["in"], "out", skip_existing=True)
    assert pairs(planned) == {"in/c.jpg": "out/c.jpg"}
    assert [str(job.target) for job in planned.done] == ["out/a.png", "out/b.png"]
    assert "2 outputs are inputs" in refused("in", out="in", skip_existing=True)


def test_what_is_no_file_is_never_replaced() -> None:
    files("a.png", "notes", "file.txt")
    os.mkfifo("pipe.png")
    Path("out/a.png").mkdir(parents=True)
    assert "a device or a pipe" in refused("a.png", out="pipe.png", force=True)
    assert "it is a folder" in refused("a.png", out="out", force=True)
    assert "notes is no folder" in refused("a.png", out="notes")
    assert "file.txt is no folder" in refused("a.png", out="file.txt", force=True)
