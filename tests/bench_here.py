"""Measurements without processes of their own: the same answers, from trainings in this process, which are quick."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import attrs
import pytest

from toonforge.bench import peaks, pool, subject
from toonforge.bench.lines import Start, read_start
from toonforge.bench.subject import Subject
from toonforge.bench.worker import answer

RECIPE = """
name = "small"
[data]
type = "tiny/pictures"
[generators]
G = { type = "tiny/generator" }
[discriminators]
D = { type = "tiny/discriminator" }
[networks]
V = { type = "tiny/features" }
[signals]
fake = "G(photo)"
[phases.discriminators]
updates = ["D"]
every = 2
[phases.discriminators.losses]
fakes = { type = "lsgan", logits = "D(fake)", real = false }
reals = { type = "lsgan", logits = "D(anime)", real = true }
[phases.generators]
updates = ["G"]
[phases.generators.losses]
fool = { type = "lsgan", logits = "D(fake)", real = true }
content = { type = "l1", input = "V(fake)", target = "V(photo)" }
[train]
steps = 40
batch_size = 2
ema = 0.9
[translations]
anime = "G(photo)"
"""


class Here:
    """As `toonforge.bench.process.Process`; whatever is said goes through JSON, as it would through a pipe."""

    said: list[tuple[str, str]] = []
    """Each question with the changes of the variant that it was put to, over all of them, in order."""

    def __init__(self, start: Start, command: Sequence[str] = ()) -> None:
        self.start = read_start(json.loads(json.dumps(attrs.asdict(start))))
        self._subject: Subject | None = None

    @property
    def subject(self) -> Subject:
        if self._subject is None:
            self._subject = Subject(self.start).__enter__()
        return self._subject

    @property
    def ready(self) -> dict[str, Any]:
        return through(self.subject.described())

    def ask(self, do: str, **more: Any) -> dict[str, Any]:
        Here.said.append((do, " ".join(self.start.overrides)))
        return through(answer(self.subject, {"do": do, **more}))

    def end(self) -> None:
        if self._subject is not None:
            self._subject.__exit__(None, None, None)


def through(what: dict[str, Any]) -> dict[str, Any]:
    back: dict[str, Any] = json.loads(json.dumps(what))
    return back


def small_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the device can do is measured with small numbers."""
    for name, size in {"SIZE": 64, "CHANNELS": 4, "PIXELS": 16}.items():
        monkeypatch.setattr(peaks, name, size)


def here(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Measure in this process from now on; returns what is asked, as it is asked."""
    monkeypatch.setattr(pool, "Process", Here)
    monkeypatch.setattr(Here, "said", [])
    monkeypatch.setattr(subject, "WARM_SECONDS", 0.0)
    small_device(monkeypatch)
    return Here.said
