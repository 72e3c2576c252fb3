"""The page on metrics.jsonl says what is in it: every key of real runs is documented, every documented key occurs."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.test_resume import interrupt_at
from tests.tiny import TinySource
from toonforge import recipe as recipes
from toonforge.errors import RunError, UnreadableImage
from toonforge.events import Warned
from toonforge.recipe.model import Recipe
from toonforge.runs.log import FORMAT
from toonforge.train import watch
from toonforge.train.trainer import train

PAGE = (Path(__file__).parent.parent / "docs/reference/metrics-jsonl.md").read_text("utf-8")
TYPES = {
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "text": lambda value: isinstance(value, str),
    "path": lambda value: isinstance(value, str) and not value.startswith("/") and "\\" not in value,
    "true": lambda value: value is True,
    "false": lambda value: value is False,
    "list of text": lambda value: isinstance(value, list) and all(isinstance(item, str) for item in value),
}
RECIPE = """
name = "logged"
data = { type = "tiny/pictures", paired = true }
generators.G = { type = "tiny/generator" }
phases.p = { updates = ["G"], losses.content = { type = "l1", input = "G(photo)", target = "anime" } }
translations.anime = "G(photo)"
metrics.brightness = { type = "tiny/mean", input = "G(photo)" }
metrics.far = { type = "pixel-l1", input = "G(photo)", target = "anime" }
[train]
steps = 6
ema = 0.5
log.every = 1
checkpoint = { every = 2, keep = 3 }
samples.every = 2
metrics = { every = 2, best = "far" }
"""


@attrs.frozen
class Key:
    """A documented key: `path` with "*" for any name."""

    path: tuple[str, ...]
    types: tuple[str, ...]
    optional: bool


def documented() -> dict[str, list[Key]]:
    """Event -> its keys, by the page's tables; those of every line are in each."""
    tables: dict[str, list[Key]] = {}
    for title, body in re.findall(r"^## ([\w ]+)\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S):
        rows = re.findall(r"^\| `([\w.*]+)` \| ([^|]+) \|", body, re.M)
        for name, told in rows:
            types = tuple(re.sub(", may be missing", "", told).strip().split(" or "))
            assert set(types) <= {*TYPES, "null"}, told
            tables.setdefault(title, []).append(Key(tuple(name.split(".")), types, "may be missing" in told))
    every = tables.pop("every line")
    return {event: every + keys for event, keys in tables.items()}


KEYS = documented()


def leaves(value: Any, keys: list[Key], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(path, value) of everything that the page documents as one value; tables are gone into."""
    deeper = any(len(key.path) > len(path) and fits(path, key.path[: len(path)]) for key in keys)
    if isinstance(value, dict) and deeper:
        for name, item in value.items():
            yield from leaves(item, keys, (*path, name))
    else:
        yield path, value


def fits(path: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    return len(path) == len(pattern) and all(p in ("*", name) for name, p in zip(path, pattern, strict=True))


def check(event: dict[str, Any]) -> set[tuple[str, ...]]:
    """Fail unless the page documents all of an event; returns the keys that it has."""
    keys = KEYS[event["event"]]
    met = set()
    for path, value in leaves(event, keys):
        (key,) = [key for key in keys if fits(path, key.path)] or pytest.fail(f"{event['event']}: {path} is unknown")
        assert any(value is None if kind == "null" else TYPES[kind](value) for kind in key.types), (path, value)
        met.add(key.path)
    for key in keys:
        assert key.optional or key.path in met or "*" in key.path, f"{event['event']}: {key.path} is missing"
    return met


def recipe() -> Recipe:
    return recipes.loads(RECIPE)


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text("utf-8").splitlines()]


class Fussy:
    """A watch that warns at the second step and takes it back at the fourth."""

    def __init__(self, *ignored: object) -> None:
        pass

    def logged(self, step: Any) -> list[Any]:
        if step.step == 2:
            return [Warned(step=2, kind="unchanged", about="anime", message="the same", hint="wait")]
        return [watch.Over(step=4, kind="unchanged", about="anime")] if step.step == 4 else []

    def drawn(self, *ignored: object) -> list[Any]:
        return []

    measured = restore = drawn


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """All that three starts of a run say: one with unreadable pictures, one resumed and changed, one that fails."""
    from tests import tiny
    from toonforge.data import loader
    from toonforge.train import looking, reader
    from toonforge.validation import items

    tiny.register()
    folder = tmp_path_factory.mktemp("runs") / "run"
    item = TinySource.item

    def unreadable(self: TinySource, group: str, index: int, rng: Any) -> Any:
        if index == 0 and rng is None:
            raise UnreadableImage(f"{group}-{index}", "damaged")
        if index in troubles and rng is not None:
            troubles[index]()
        return item(self, group, index, rng)

    def stumble() -> None:
        if next(stumbles, False):
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    def fail() -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def away(self: TinySource, group: str, index: int, rng: Any) -> Any:
        return fail() if index == 1 and rng is None else item(self, group, index, rng)

    stumbles = iter([True])
    troubles = {5: stumble, 2: fail, 3: lambda: time.sleep(0.3)}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(looking, "Watch", Fussy)
        patch.setattr(TinySource, "item", unreadable)
        patch.setattr(loader, "WAITS", (0.0,))
        patch.setattr(reader, "LONG", 0.1)
        interrupt_at(patch, 5)
        train(recipe(), folder=folder, cpu=True)
    found = lines(folder)
    newest = (folder / "checkpoints/latest").read_text("utf-8").strip()
    with (folder / "checkpoints" / newest / "G.safetensors").open("ab") as file:
        file.write(b"!")
    longer = attrs.evolve(recipe(), train=attrs.evolve(recipe().train, steps=8))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TinySource, "item", away)
        patch.setattr(items, "WAITS", ())
        train(longer, folder=folder, resume=True, cpu=True)
    found += lines(folder)
    endless = recipes.loads(RECIPE.replace('target = "anime" } }', 'target = "anime", weight = 1e39 } }'))
    with pytest.raises(RunError, match="infinite"):
        train(endless, folder=folder.parent / "failing", cpu=True)
    return found + lines(folder.parent / "failing")


def test_every_line_of_real_runs_is_documented_and_every_documented_key_occurs(events: list[dict[str, Any]]) -> None:
    met: dict[str, set[tuple[str, ...]]] = {}
    for event in events:
        met.setdefault(event["event"], set()).update(check(event))
    assert set(met) == set(KEYS)
    assert {event: {key.path for key in keys} - met[event] for event, keys in KEYS.items()} == {
        event: set() for event in KEYS
    }


def test_the_page_is_of_the_format_that_is_written(events: list[dict[str, Any]]) -> None:
    assert f"format {FORMAT}\n" in PAGE.splitlines(keepends=True)[0]
    assert {event["format"] for event in events if event["event"] == "start"} == {FORMAT}
    reasons = {event["reason"] for event in events if event["event"] == "end"}
    assert reasons == {"interrupted", "done", "failed"}


def test_the_examples_of_the_page_are_lines_as_it_documents_them() -> None:
    for title, body in re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", PAGE, re.M | re.S):
        examples = re.findall(r"^```json\n(.*?)\n```", body, re.M | re.S)
        assert bool(examples) == (title in KEYS), title
        for example in map(json.loads, examples):
            assert example["event"] == title
            check(example)


def test_the_python_of_the_page_reads_a_run(tmp_path: Path, events: list[dict[str, Any]]) -> None:
    (code,) = re.findall(r"^```python\n(.*?)```", PAGE, re.M | re.S)
    text = "".join(json.dumps(event) + "\n" for event in events)
    (tmp_path / "runs/anime_unet").mkdir(parents=True)
    (tmp_path / "runs/anime_unet/metrics.jsonl").write_text(text, "utf-8")
    code += "print(*steps.columns, len(steps))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    *columns, count = done.stdout.split()
    assert {"step", "losses.p.content", "totals.p", "lr.p", "images_per_second", "memory"} <= set(columns)
    assert not {"metrics.far", "folder"} & set(columns)
    assert int(count) == sum(event["event"] == "step" for event in events)


def test_the_filters_of_the_page_ask_for_documented_keys() -> None:
    filters = re.findall(r"jq -r 'select\(\.event == \"(\w+)\"\) \| (.*?)' runs", PAGE)
    assert [event for event, _ in filters] == ["metrics", "warning"]
    for event, rest in filters:
        for path in re.findall(r"(?<![\w\])])\.([a-z][\w.]*)", rest):
            parts = tuple(path.split("."))
            assert any(fits(parts, key.path[: len(parts)]) for key in KEYS[event]), path
