"""Checkpoints of every format that ever was are resumed and used; those of a later one say what they need."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version
from safetensors.torch import load_file, save_file

from tests.checkpoint_formats import HOME, sums, translated
from tests.test_resume import Notes
from toonforge import __version__
from toonforge import recipe as recipes
from toonforge.cli import main
from toonforge.errors import RunError
from toonforge.runs import inventory
from toonforge.runs.metadata import NEEDS, NewerFormatError, read_metadata
from toonforge.train.trainer import train

FORMATS = sorted(int(folder.name.removeprefix("format-")) for folder in HOME.glob("format-*"))


def a_run(place: Path, number: int = inventory.FORMAT) -> Path:
    """A copy of the run in a format."""
    return Path(shutil.copytree(HOME / f"format-{number}", place / "run"))


def test_there_is_a_run_of_every_format() -> None:
    assert [*range(1, inventory.FORMAT + 1)] == FORMATS
    for number in FORMATS:
        for about in (HOME / f"format-{number}").rglob("checkpoint.json"):
            assert json.loads(about.read_text())["format"] == number


def test_this_version_reads_what_it_writes() -> None:
    assert Version(NEEDS) <= Version(__version__)


@pytest.mark.parametrize("speed", ["auto", "safe"])
@pytest.mark.parametrize("number", FORMATS)
def test_a_checkpoint_of_an_older_format_is_resumed_as_if_it_were_of_this_one(
    tiny: None, tmp_path: Path, number: int, speed: str
) -> None:
    run = a_run(tmp_path, number)
    facts = json.loads((run / "facts.json").read_text())
    newest = run / f"checkpoints/step-{facts['step']:06d}"
    assert inventory.damage(newest) is None and sums(newest) == pytest.approx(facts["sums"], rel=1e-4)
    heard = Notes()
    recipe = recipes.load(run / "resolved.toml", [f'train.speed="{speed}"'])
    finished = train(recipe, folder=run, resume=True, cpu=True, listeners=[heard])
    assert (finished.step, finished.reason) == (facts["steps"], "done")
    assert not [note for note in heard.notes if "train.speed" not in note]
    end = sums(run / f"checkpoints/step-{facts['steps']:06d}")
    assert end.keys() == facts["end"].keys()
    if speed == "auto":  # the norm after it takes this bias out: its gradient is rounding, of which Adam makes steps
        end = {key: facts["end"][key] if key.startswith("G.") and key.endswith(": 0.bias") else end[key] for key in end}
    # Other processors and versions of torch round otherwise; state that was lost shows in far earlier digits.
    assert end == pytest.approx(facts["end"], rel=2e-3, abs=1e-3)


@pytest.mark.parametrize("number", FORMATS)
def test_weights_of_an_older_format_translate(tiny: None, number: int) -> None:
    run = HOME / f"format-{number}"
    assert translated(run) == pytest.approx(json.loads((run / "facts.json").read_text())["translated"], abs=1e-4)


@pytest.mark.parametrize("number", FORMATS)
def test_a_key_that_is_newer_than_the_run_has_its_default(tiny: None, tmp_path: Path, number: int) -> None:
    run = a_run(tmp_path, number)
    recipe = recipes.load(run / "resolved.toml")
    text = (run / "resolved.toml").read_text()
    assert 'precision = "fp32"\n' in text
    (run / "resolved.toml").write_text(text.replace('precision = "fp32"\n', ""))
    assert train(recipe, folder=run, resume=True, cpu=True).step == 6


def of_a_newer_format(checkpoint: Path, **more: Any) -> None:
    """Write checkpoint.json as a later toonforge would, with its checksum."""
    about = {**json.loads((checkpoint / "checkpoint.json").read_text()), "format": inventory.FORMAT + 1, **more}
    del about["checksum"]
    head = json.dumps(about, indent=1).encode().removesuffix(b"\n}")
    (checkpoint / "checkpoint.json").write_bytes(inventory.sealed(head))


def test_a_newer_checkpoint_is_refused_with_the_version_that_it_needs(
    tiny: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = a_run(tmp_path)
    of_a_newer_format(run / "checkpoints/step-000004", needs="7.2")
    assert main(["run", str(run), "--resume", "--cpu"]) == 2
    err = capsys.readouterr().err
    assert f"it needs toonforge 7.2 or newer; this is {__version__}" in err and "Traceback" not in err
    assert "install toonforge 7.2 or newer from its checkout or wheel: pip install PLACE" in " ".join(err.split())
    assert (run / "checkpoints/step-000004").is_dir(), "an older one was not trained on in its place"
    with pytest.raises(RunError, match=r"it needs toonforge 7\.2 or newer"):
        translated(run)


def test_a_newer_weights_file_is_refused_with_the_version_that_it_needs(tmp_path: Path) -> None:
    path = a_run(tmp_path) / "checkpoints/step-000004/G.safetensors"
    about = read_metadata(path)
    assert about["needs"] == NEEDS
    save_file(load_file(path), path, {"toonforge": json.dumps({**about, "format": 2, "needs": "3.1.4"})})
    with pytest.raises(NewerFormatError, match=rf"it needs toonforge 3\.1\.4 or newer; this is {__version__}"):
        read_metadata(path)


@pytest.mark.parametrize("needs", ["1; rm -rf ~", "1.2' ; x", "9" * 99, "", None, 3, ["1.0"], "१"])
def test_what_a_newer_file_needs_gets_into_no_command_unless_it_is_a_version(tmp_path: Path, needs: Any) -> None:
    checkpoint = a_run(tmp_path) / "checkpoints/step-000004"
    of_a_newer_format(checkpoint, needs=needs)
    with pytest.raises(NewerFormatError, match="newer toonforge") as caught:
        inventory.damage(checkpoint)
    (problem,) = caught.value.problems
    assert problem.hint == "install a newer toonforge from its checkout or wheel: pip install PLACE"
    assert problem.message.endswith("a newer toonforge")
