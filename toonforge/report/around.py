"""What stands around the training: networks, data, environment, time, pictures skipped, resumes."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from toonforge.report.clock import Clock
from toonforge.report.html import count, duration, memory, number, parameters
from toonforge.report.state import device
from toonforge.runs.first_weights import KEY as FIRST_WEIGHTS
from toonforge.runs.reading import file_inside
from toonforge.runs.record import Record
from toonforge.runs.recorded import Start

TABLES = ("generators", "discriminators", "networks")


def networks(record: Record) -> list[tuple[str, str, str, str]]:
    """(name, component, parameters, phases that update it)."""
    sizes = record.starts[-1].parameters if record.starts else {}
    phases = record.recipe.get("phases")
    phases = phases if isinstance(phases, Mapping) else {}
    found = []
    for table in TABLES:
        for name, network in _items(record.recipe.get(table)):
            trained = [p for p, phase in _items(phases) if name in _list(phase.get("updates"))]
            size = sizes.get(name)
            found.append(
                (
                    name,
                    str(network.get("type", "")),
                    f"{parameters(size)} ({count(size)})" if size is not None else "not known",
                    ", ".join(trained) or "never",
                )
            )
    return found


def first_weights(record: Record) -> list[tuple[str, str, str, str]]:
    """(network, what it started from, how many steps that was trained, checksum), of those that did."""
    found = []
    for name, about in _items(record.lock.get(FIRST_WEIGHTS)):
        whose = f", network {about['network']}" if about.get("network") not in (name, None) else ""
        averaged = ", moving average" if about.get("averaged") is True else ""
        step = about.get("step")
        steps = count(step) if type(step) is int else "not known"
        found.append((name, f"{about.get('from')}{whose}{averaged}", steps, f"sha256 {str(about.get('sha256'))[:12]}…"))
    return found


def _items(table: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(table, Mapping):
        yield from ((str(key), value) for key, value in table.items() if isinstance(value, Mapping))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def data_table(record: Record) -> tuple[list[str], list[tuple[str, ...]]]:
    """Columns, and a row a part: how many pictures of each field it has, out of data.csv.

    A field that nothing uses has no column; of a part that does not use it the row says so.
    """
    parts: Counter[str] = Counter()
    pictures: Counter[tuple[str, str]] = Counter()
    for row in _rows(record.folder):
        part = row.get("part") or ""
        parts[part] += 1
        pictures.update((part, field) for field, path in row.items() if field != "part" and path)
    fields = [field for field in data_fields(record.folder) if any(pictures[part, field] for part in parts)]
    rows = [(part or "–", *(_pictures(pictures[part, field]) for field in fields)) for part in parts]
    return ["part", *fields], rows


def _pictures(number: int) -> str:
    return count(number) if number else "not used"


def data_fields(folder: Path) -> list[str]:
    """The batch fields that data.csv has a column of."""
    path = file_inside(folder, "data.csv")
    if path is None:
        return []
    try:
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            return [name for name in next(csv.reader(file), []) if name != "part"]
    except (OSError, csv.Error):
        return []


def _rows(folder: Path) -> Iterator[Mapping[str, str]]:
    path = file_inside(folder, "data.csv")
    if path is None:
        return
    try:
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            yield from csv.DictReader(file)
    except (OSError, csv.Error):
        return


def data_facts(record: Record) -> list[tuple[str, str]]:
    """The data set, and the fingerprint of what was trained on."""
    data = record.recipe.get("data")
    found = [("data set", str(data.get("type", "")))] if isinstance(data, Mapping) else []
    if isinstance(data, Mapping):
        for key in ("image_size", "load_size", "validation_size"):
            if key in data:
                found.append((key, f"{data[key]} pixels"))
    groups = record.lock.get("data")
    if isinstance(groups, Mapping):
        # Those of other parts begin with the part: "validation: photo".
        found += [(key if ": " in key else f"trained on: {key}", str(words)) for key, words in groups.items()]
    return found


def environment(record: Record) -> list[tuple[str, str]]:
    """Device, versions, plugins, seed, processes."""
    lock = record.lock
    found = [("device", device(record))]
    if record.starts:
        found.append(("processes", str(record.starts[-1].processes)))
    found += [(key, str(lock[key])) for key in ("threads", "seed", "python", "platform") if key in lock]
    train = record.recipe.get("train")
    if isinstance(train, Mapping) and "precision" in train:
        found.append(("precision", str(train["precision"])))
    if record.starts and record.starts[-1].tricks is not None:
        said = [speed_words(start) for start in record.starts]
        found.append(("speed", ", then ".join(words for words, _ in groupby(said))))
    if record.starts:
        decay = record.starts[-1].averaged
        words = f"moving average of the generators, decay {decay:g}" if decay is not None else "weights as trained"
        found.append(("samples and metrics", words))
    packages, plugins = lock.get("packages"), lock.get("plugins")
    if isinstance(packages, Mapping):
        found.append(("packages", ", ".join(f"{name} {version}" for name, version in packages.items())))
    if isinstance(plugins, Mapping):
        found.append(("plugins", ", ".join(map(str, dict.fromkeys(plugins.values())))))
    return found


def speed_words(start: Start) -> str:
    """ "auto: quick-norms, channels-last", "safe: as written, without tricks"."""
    tricks = ", ".join(start.tricks or ()) or "as written, without tricks"
    return f"{start.speed}: {tricks}" if start.speed else tricks


def unused_tricks(record: Record) -> list[str]:
    """A line a trick that is not in use, with its reason; none where the recipe wants none."""
    start = record.starts[-1] if record.starts else None
    known = start is not None and start.speed != "safe"
    return [f"{trick}: {why}" for trick, why in start.unused.items()] if start is not None and known else []


def speed(record: Record, clock: Clock) -> list[tuple[str, str]]:
    """Total time, images per second, peak memory, checkpoints."""
    found = [("training time", duration(clock.total))] if clock.total else []
    rate = record.images_per_second
    if rate is not None:
        most = max(step.images_per_second for step in record.steps)
        found.append(("images per second", f"{number(rate)} (median), {number(most)} at most"))
    if (waiting := record.data) is not None:
        found.append(("waiting for pictures", f"{100 * waiting:.1f} % of the steps' time (median)"))
    if any(step.memory for step in record.steps):
        found.append(("peak memory", memory(max(step.memory for step in record.steps))))
    if record.waited:
        waits = f"{len(record.waited)} times, " if len(record.waited) > 1 else ""
        found.append(("long waits for the disk", waits + duration(sum(record.waited))))
    if record.checkpoints:
        found.append(
            ("checkpoints", f"{count(len(record.checkpoints))}, the last at step {count(record.checkpoints[-1])}")
        )
    return found


def retried(record: Record) -> list[str]:
    """A line a picture that was read at a later try."""
    return [path + (f" ({count(times)} times)" if times > 1 else "") for path, times in record.retried.items()]


def resumes(record: Record) -> list[str]:
    """A line a resume, and one a thing that it changed."""
    found = [(start.step, f"resumed after step {count(start.step)}") for start in record.starts[1:]]
    found += [(step, f"step {count(step)}: {words}") for step, words in record.changes if words]
    return [words for _, words in sorted(found, key=lambda line: line[0])]


def notes(record: Record) -> list[str]:
    """What the user was told of how it began."""
    return list(dict.fromkeys(note for start in record.starts for note in start.notes))


def unread(record: Record) -> str:
    """That lines of the log are left out; empty where none is."""
    if not record.unread:
        return ""
    lines = "1 line" if record.unread == 1 else f"{count(record.unread)} lines"
    return f"{lines} of metrics.jsonl could not be read; what stood there is missing here."
