"""Recipes that go wrong in a known way: exactly that is told, in the terminal and in the log, and it goes on in a resume.

Each is a small training for real, a second or two on a CPU.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.test_resume import interrupt_at
from tests.tiny import register
from toonforge import recipe as recipes
from toonforge.cli import main
from toonforge.errors import RunError
from toonforge.events import RunInfo, Warned
from toonforge.plugins.hookspecs import hookimpl
from toonforge.recipe.model import Recipe
from toonforge.runs.log import read_events
from toonforge.runs.record import read_record
from toonforge.train.trainer import train

HEAD = """
name = "wrong"
[data]
type = "tiny/pictures"
fields = ["photo", "anime"]
paired = {paired}
[generators]
G = {{ type = "tiny/{generator}" }}
[translations]
anime = "G(photo)"
[train]
steps = {steps}
batch_size = 2
log.every = 10
samples.every = 50
checkpoint.every = 1000
optimizer = {{ type = "adam", lr = {lr} }}
{more}
"""
PLAIN = """
[phases.generators]
updates = ["G"]
losses.only = {loss}
"""
GAN = """
[discriminators]
D = {{ type = "tiny/discriminator" }}
[phases.discriminators]
updates = ["D"]
optimizer = {{ type = "adam", lr = {d_lr} }}
[phases.discriminators.losses]
reals = {{ type = "{loss}", logits = "D(anime)", real = true }}
fakes = {{ type = "{loss}", logits = "D(G(photo))", real = false }}
[phases.generators]
updates = ["G"]
every = {g_every}
losses.fool = {{ type = "{loss}", logits = "D(G(photo))", real = true }}
"""


def plain(loss: str, generator: str = "colours", lr: str = "1e-2", more: str = "", paired: str = "true") -> str:
    head = HEAD.format(generator=generator, steps=260, lr=lr, more=more, paired=paired)
    return head + PLAIN.format(loss=loss)


def gan(loss: str, d_lr: str, g_every: int, steps: int = 300) -> str:
    head = HEAD.format(generator="generator", steps=steps, lr="1e-3", more="", paired="false")
    return head + GAN.format(loss=loss, d_lr=d_lr, g_every=g_every)


METRIC = '[metrics]\ndistance = { type = "pixel-l1", input = "G(photo)", target = "anime" }'

WRONG: dict[str, tuple[str, str, str]] = {
    # kind -> what it is about, the recipe, words of the message
    "unchanged": (
        "anime",
        plain('{ type = "l2", input = "G(photo)", target = "photo" }'),
        "outputs differ from inputs by 0.0 of 255",
    ),
    "one-colour": (
        "anime",
        plain('{ type = "tv", input = "G(photo)", weight = 10 }'),
        "makes pictures of one colour",
    ),
    "same-output": (
        "anime",
        # Pictures drawn independently of each other: the best answer to any is the mean of all.
        plain('{ type = "l2", input = "G(photo)", target = "anime" }', "stencil", paired="false"),
        "the same picture of any input",
    ),
    "inverted": (
        "anime",
        plain('{ type = "l2", input = "tiny/times(G(photo), -1)", target = "photo" }', lr="3e-2"),
        "inverts brightness and colour",
    ),
    "saturated": (
        "anime",
        plain('{ type = "l2", input = "tiny/times(G(photo), 0.2)", target = "photo" }', lr="3e-2"),
        "lie at the ends of their range",
    ),
    "exploding": ("discriminators", gan("lsgan", d_lr="1e3", g_every=1000), "the losses of discriminators explode"),
    "discriminator-won": ("D", gan("lsgan", d_lr="1e-2", g_every=1000), "tells real from made pictures"),
    "not-beaten": (
        "distance",
        plain('{ type = "l2", input = "tiny/times(G(photo), 0.7)", target = "photo" }', more=METRIC),
        "of the untranslated pictures and",
    ),
}


class Listener:
    """Remembers the warnings it is told."""

    def __init__(self) -> None:
        self.warnings: list[Warned] = []

    @hookimpl
    def warned(self, run: RunInfo, warning: Warned) -> None:
        self.warnings.append(warning)


def told(folder: Path) -> list[dict[str, Any]]:
    """Warnings in a run's log and what ended them."""
    events = [event for event in read_events(folder) if event["event"] in ("warning", "over")]
    return [{key: value for key, value in event.items() if key != "time"} for event in events]


@pytest.mark.parametrize("kind", WRONG)
def test_what_goes_wrong_is_told_and_nothing_else(
    tiny: None, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    about, text, words = WRONG[kind]
    monkeypatch.chdir(tmp_path)
    Path("wrong.toml").write_text(text, "utf-8")
    assert main(["run", "wrong.toml", "--cpu"]) == 0
    (event,) = told(Path("runs/wrong"))
    assert (event["event"], event["kind"], event["about"]) == ("warning", kind, about)
    assert event["step"] >= (90 if kind == "exploding" else 200)
    assert words in event["message"]
    assert event["hint"]
    (warning,) = read_record(Path("runs/wrong")).warnings
    assert warning.warned == Warned(
        step=event["step"], kind=kind, about=about, message=event["message"], hint=event["hint"]
    )
    assert warning.until is None
    shown = " ".join("".join(capsys.readouterr()).split())  # as one line, however it was wrapped
    assert words in shown


def test_losses_that_are_not_finite_end_the_run_and_are_told(tiny: None, tmp_path: Path) -> None:
    listener = Listener()
    recipe = recipes.loads(plain('{ type = "l2", input = "G(photo)", target = "anime" }', lr="1e30"))
    with pytest.raises(RunError, match="not a number"):
        train(recipe, folder=tmp_path / "run", listeners=[listener], cpu=True)
    assert [warning.kind for warning in listener.warnings] == ["not-finite"]
    assert [event["kind"] for event in told(tmp_path / "run")] == ["not-finite"]


@pytest.mark.parametrize(
    "text",
    [
        gan("lsgan", d_lr="1e-3", g_every=1, steps=400),
        gan("bce", d_lr="1e-3", g_every=1, steps=400),
        plain('{ type = "l1", input = "G(photo)", target = "anime" }', "generator", more=METRIC),
    ],
    ids=["lsgan", "bce", "pairs"],
)
def test_trainings_that_work_are_not_warned_of(tiny: None, text: str, tmp_path: Path) -> None:
    finished = train(recipes.loads(text), folder=tmp_path / "run", cpu=True)
    assert finished.warnings == ()
    assert told(tmp_path / "run") == []


# First the identity, then its negative: what is wrong at 250 steps is over at 500, and something else is wrong.
CHANGING = (
    HEAD.format(generator="colours", steps=500, lr="3e-2", more="", paired="true")
    + """
[phases.keep]
updates = ["G"]
until = 260
losses.same = { type = "l2", input = "G(photo)", target = "photo" }
[phases.turn]
updates = ["G"]
from = 260
losses.other = { type = "l2", input = "tiny/times(G(photo), -1)", target = "photo" }
"""
)


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of that training."""
    register()
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("changed") / "run"
    train(recipes.loads(CHANGING), folder=folder, cpu=True)
    return folder


def test_a_warning_is_over_when_what_it_says_no_longer_holds(changed: Path) -> None:
    first, *rest = told(changed)
    assert (first["event"], first["kind"], first["step"]) == ("warning", "unchanged", 200)
    assert [(event["event"], event["kind"]) for event in rest] == [("over", "unchanged"), ("warning", "inverted")]
    record = read_record(changed)
    assert [(w.warned.kind, w.until) for w in record.warnings] == [
        ("unchanged", rest[0]["step"]),
        ("inverted", None),
    ]


def in_parts(recipe: Recipe, folder: Path, *stops: int) -> list[dict[str, Any]]:
    """What a run tells that is stopped at these steps, and resumed."""
    for number, stop in enumerate((*stops, None)):
        with pytest.MonkeyPatch.context() as patch:
            if stop is not None:
                interrupt_at(patch, stop)
            ended = train(recipe, folder=folder, resume=number > 0, cpu=True).reason
        assert ended == ("done" if stop is None else "interrupted")
    return told(folder)


def test_a_run_resumed_twice_tells_what_an_uninterrupted_one_does(tiny: None, changed: Path, tmp_path: Path) -> None:
    """Stopped while a warning holds, and after it is over."""
    assert told(changed)
    assert in_parts(recipes.loads(CHANGING), tmp_path / "parts", 250, 350) == told(changed)


@pytest.mark.parametrize(
    ("text", "stop"),
    [
        (gan("lsgan", d_lr="1e-2", g_every=1000, steps=260), 150),
        (gan("lsgan", d_lr="1e3", g_every=1000, steps=120), 40),
    ],
    ids=["discriminator-won", "exploding"],
)
def test_a_resumed_run_tells_what_an_uninterrupted_one_does(tiny: None, text: str, stop: int, tmp_path: Path) -> None:
    recipe: Recipe = recipes.loads(text)
    train(recipe, folder=tmp_path / "whole", cpu=True)
    assert told(tmp_path / "whole")
    assert in_parts(recipe, tmp_path / "parts", stop) == told(tmp_path / "whole")
