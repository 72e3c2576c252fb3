"""Pages and tables show every text of a run as text: properties over hostile strings in every place that has one."""

from __future__ import annotations

import csv
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import tomli
import tomli_w
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.run_fixture import write_run
from tests.test_report import Page
from toonforge.cli import main
from toonforge.report.comparison import compare
from toonforge.report.page import draw_report
from toonforge.runs.record import read_record

PIECES = (
    *(
        "<zq>",
        "</script>",
        "<script>zq()</script>",
        "<!--",
        "-->",
        "<![CDATA[",
        "]]>",
        "</style>",
        "</title>",
        "</pre>",
    ),
    *('" onclick="zq()', "' onclick='zq()", "` onclick=`zq()", "javascript:zq()", "{{ 7*7 }}", "{% raw %}", "${zq}"),
    *(
        "&lt;zq&gt;",
        "&#60;zq&#62;",
        "\\u003czq\\u003e",
        "\u2028",
        "\u202e",
        "\x1b]0;zq\x07",
        "\x00",
        "\ud800",
        "｜",
        "|",
    ),
    *("[zq](javascript:zq())", "![zq](http://zq)", "`", "*", "\n\n# zq\n", "\r\n| zq |", "---", "=zq()", "@zq", "\t"),
)
hostile = st.lists(st.sampled_from(PIECES) | st.text(max_size=6), min_size=1, max_size=4).map("".join)
"""What ends an element, an attribute, a comment, a string, a cell or a line, and harmless words between."""

KEPT = {"event", "strips", "grid", "folder", "checkpoint", "reason", "state", "stage", "file", "type", "encoding"}
"""Keys whose words are paths, or name what an event is: with others of them it would be left out."""


def check(page: str, plain: str) -> None:
    """Nothing on the page is an element, an attribute or code because a text says so. `plain`: without such texts."""
    read, before = Page(page), Page(plain)
    assert not [tag for tag, _ in read.elements if tag.startswith("zq")]
    assert {tag for tag, _ in read.elements} <= {tag for tag, _ in before.elements} | {"br", "p", "li", "code", "small"}
    for tag, attributes in read.elements:
        assert not [name for name in attributes if name.startswith(("on", "zq"))], (tag, attributes)
        for name in ("href", "src", "action", "formaction", "srcdoc"):
            assert re.match(r"(data:(image/|,)|#|[\w./%~-]+\Z|\Z)", attributes.get(name) or ""), (tag, attributes)
    assert of(read, "meta") == of(before, "meta") and len(of(read, "meta")) >= 2
    assert len(of(read, "script")) == len(of(before, "script")) and len(of(read, "style")) == len(of(before, "style"))
    assert read.scripts == before.scripts and read.styles == before.styles
    assert read.held.keys() == before.held.keys(), "and each is JSON"
    assert "</html>" in page[-200:] and not re.search(r"[\x00-\x08\x1b\u202e]", page)


def of(page: Page, tag: str) -> list[dict[str, str | None]]:
    return [attributes for name, attributes in page.elements if name == tag]


def replaced(value: Any, text: str, key: str = "") -> Any:
    """Plain data with the text in the place of every word, and in the names of what has names of its own."""
    if isinstance(value, dict):
        own = key in ("losses", "metrics", "about", "packages", "plugins", "data", "translations", "learning_rates")
        return {(f"{k}{text}" if own else k): replaced(v, text, k) for k, v in value.items()}
    if isinstance(value, list):
        return [replaced(item, text) for item in value]
    return f"{value}{text}" if isinstance(value, str) and key not in KEPT else value


def poison(run: Path, text: str) -> None:
    """The text in every place of a run's folder that a page shows."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text("utf-8").splitlines()]
    (run / "metrics.jsonl").write_text("".join(json.dumps(replaced(line, text)) + "\n" for line in lines), "utf-8")
    evaluation = {"part": f"test{text}", "to": text, "checkpoint": text, "step": 20, "metrics": {f"kid{text}": 1.0}}
    about = {f"kid{text}": {"better": "lower", "protocol": [text], "text": text}}
    more = {"about": about, "notes": [text], "skipped": {text: text}, "generated": text, "time": 1.0}
    (run / "evaluations.jsonl").write_text(json.dumps({**evaluation, **more}) + "\n", "utf-8")
    for path in [run / "lock.json", *run.glob("samples/*/strips.json")]:
        path.write_text(json.dumps(replaced(json.loads(path.read_text("utf-8")), text)), "utf-8")
    clean = text.encode("utf-8", "replace").decode("utf-8")
    recipe = tomli.loads((run / "resolved.toml").read_text("utf-8"))
    train = recipe.pop("train")
    recipe = {**named(recipe, clean), "train": train}
    (run / "resolved.toml").write_text(tomli_w.dumps(recipe), "utf-8")
    (run / "recipe.toml").write_text(tomli_w.dumps(recipe), "utf-8")
    (run / "base.toml").write_text(tomli_w.dumps({**recipe, "name": clean}), "utf-8")
    with (run / "data.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["part", f"photo{clean}"], ["train", clean], [clean, clean]])


def named(value: Any, text: str) -> Any:
    if isinstance(value, dict):
        return {f"{key}{text}" if key[:1].isupper() else key: named(item, text) for key, item in value.items()}
    if isinstance(value, list):
        return [named(item, text) for item in value]
    return f"{value}{text}" if isinstance(value, str) else value


@cache
def plain_page(folder: Path) -> str:
    """The page of a run with harmless texts in all these places."""
    run = write_run(folder / "run", total=20, grids=[20], names=["a", "b"])
    poison(run, "harmless")
    return draw_report(read_record(run))


@settings(max_examples=15)
@given(text=hostile)
@example(text="".join(PIECES))
@example(text="</script><zq>")
def test_a_report_shows_hostile_texts_as_text(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    run = write_run(tmp_path_factory.mktemp("hostile") / "run", total=20, grids=[20], names=["a", "b"])
    poison(run, text)
    assert not read_record(run).unread and '"sheets":true' not in draw_report(read_record(run)), "all of it is shown"
    check(draw_report(read_record(run)), plain_page(tmp_path_factory.getbasetemp() / "plain"))


@settings(max_examples=2)
@given(text=hostile)
@example(text="".join(PIECES))
def test_a_comparison_shows_hostile_texts_as_text(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    out = compared(tmp_path_factory.mktemp("compared"), text)
    plain = plain_comparison(tmp_path_factory.getbasetemp() / "compared-plain")
    check((out / "compare.html").read_text("utf-8"), plain)
    check_markdown((out / "table.md").read_text("utf-8"))


def compared(folder: Path, words: str) -> Path:
    """The folder of a comparison of two runs with such words in all places."""
    for name in ("one", "two"):
        poison(write_run(folder / name, total=20, grids=[20], names=["a"]), words)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("toonforge.report.comparison.figures", lambda *_: ([], []))  # which are not on the page
        compare([folder / "one", folder / "two"], folder / "out")
    return folder / "out"


@cache
def plain_comparison(folder: Path) -> str:
    """The page of a comparison with harmless words."""
    return (compared(folder, "harmless") / "compare.html").read_text("utf-8")


def check_markdown(text: str) -> None:
    """A heading, a table whose rows have as many cells as its head, and notes; no HTML, no links but to the runs."""
    head, *rows = [line for line in text.splitlines() if line.startswith("|")]
    cells = len(re.findall(r"(?<!\\)\|", head))
    assert all(len(re.findall(r"(?<!\\)\|", row)) == cells for row in rows)
    assert all(line.startswith(("| ", "- ", "# ")) or not line for line in text.splitlines())
    assert sum(line.startswith("# ") for line in text.splitlines()) == 1
    assert not re.search(r"<(?!\.\./|[\w%./-]+/>)", text)
    assert not re.search(r"(?<!\\)\]\((?!<)", text), "links lead to the runs alone"


def test_an_inspection_shows_hostile_names_as_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests.pictures import save

    monkeypatch.chdir(tmp_path)
    names = [piece.replace("/", "∕").replace("\0", "") for piece in PIECES[::2] if piece not in ("\0", "\ud800")]
    for folder, kept in (("plain", [f"a{number}" for number in range(len(names))]), ("evil", names)):
        for number, name in enumerate(kept):
            save(tmp_path / folder / f"{name}.png", 40, 40, seed=number % 3)
        assert main(["data", "inspect", folder, "-o", f"{folder}-out"]) == 0
    pages = [(tmp_path / f"{folder}-out/report.html").read_text("utf-8") for folder in ("evil", "plain")]
    check(*pages)
    assert "\x1b]" not in capsys.readouterr().out
