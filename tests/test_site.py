"""The site of the docs: built strictly, every page to be found, readable as on a code host, and asking nothing of anyone."""

from __future__ import annotations

import importlib.util
import json
import posixpath
import re
import subprocess
import sys
from functools import cache
from html import unescape
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote, urlsplit

import griffe
import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tests.site_pages import Page, build, built_once, pages, read

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    return built_once(tmp_path_factory.getbasetemp(), worker_id)


def test_every_page_is_in_the_navigation(site: Path) -> None:
    listed = {urlsplit(link).path for link in read(site / "index.html").navigation}
    assert {name for name, _ in pages(site)} <= listed | {"index.html"}


def test_every_markdown_file_of_the_docs_is_a_page(site: Path) -> None:
    sources = {path.relative_to(DOCS).with_suffix(".html") for path in DOCS.rglob("*.md") if "site" not in path.parts}
    assert all((site / source.with_name(source.name.replace("README", "index"))).is_file() for source in sources)
    assert {site / "repository/plugins/cyclegan/index.html", site / "repository/LICENSE.html"} <= set(site.rglob("*"))


def test_every_link_of_the_site_leads_to_what_is_there(site: Path) -> None:
    for name, page in pages(site):
        for link in {*page.links, *page.loads}:
            parts = urlsplit(link)
            if parts.scheme in ("https", "mailto"):
                continue
            assert not parts.netloc and not parts.path.startswith("/"), f"{name}: {link}"
            target = site / (posixpath.join(posixpath.dirname(name), unquote(parts.path)) if parts.path else name)
            assert target.is_file(), f"{name}: {link}"
            if parts.fragment and target.suffix == ".html":
                assert unquote(parts.fragment) in read(target).ids, f"{name}: {link}"


def test_no_page_fetches_anything_from_another_host(site: Path) -> None:
    for name, page in pages(site):
        assert not [link for link in page.loads if urlsplit(link).netloc], name
        # What makes Material's script ask unpkg.com for Mermaid, and api.github.com for stars.
        assert not {"mermaid", "source"} & page.classes, name
    for sheet in site.rglob("*.css"):
        found = re.findall(r"@import|url\(\s*[\"']?(?:https?:)?//", sheet.read_text("utf-8"))
        assert not found, sheet


def test_the_search_knows_every_word_of_every_page(site: Path) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text("utf-8"))
    known: dict[str, set[str]] = {}
    for entry in index["docs"]:
        text = unescape(re.sub(r"<[^>]+>", " ", f"{entry['title']} {entry['text']}"))
        known.setdefault(entry["location"].partition("#")[0] or "index.html", set()).update(words(text))
    for name, page in pages(site):
        assert words(page.text) <= known[name], name


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))


def test_the_search_works_from_a_disk(site: Path) -> None:
    index = (site / "search" / "search_index.js").read_text("utf-8")
    assert json.loads(index.removeprefix("var __index = ")) == json.loads(
        (site / "search" / "search_index.json").read_text("utf-8")
    )
    assert "assets/iframe-worker/shim.js" in read(site / "index.html").loads


def test_pages_read_as_on_a_code_host(site: Path) -> None:
    """Lists are lists and tables are tables to CommonMark and to Python-Markdown alike."""
    common = MarkdownIt("commonmark").enable("table")
    sources = {path.relative_to(DOCS): path for path in DOCS.rglob("*.md") if "site" not in path.parts}
    sources |= {Path("repository") / path.relative_to(ROOT): path for path in ROOT.glob("plugins/*/README.md")}
    sources |= {Path("repository") / name: ROOT / name for name in ("README.md", "CHANGELOG.md")}
    for place, source in sources.items():
        text = source.read_text("utf-8")
        if re.search(r"^::: ", text, re.M):
            continue  # made of docstrings
        here = Page(common.render(text), article=True)
        there = read(site / place.with_name(place.name.replace("README", "index")).with_suffix(".html"))
        assert there.counts == here.counts, place
        assert [block.strip("\n") for block in there.blocks] == [block.strip("\n") for block in here.blocks], place


def test_tables_of_names_are_marked_for_phones(site: Path) -> None:
    def marked(name: str) -> int:
        return (site / name).read_text("utf-8").count("<table data-names>")

    assert marked("reference/components/losses.html") == read(site / "reference/components/losses.html").counts["table"]
    assert marked("reference/methods.html") > 1 and marked("how-to/plugins/losses.html") == 0
    assert "[data-names]" in (site / "assets" / "toonforge.css").read_text("utf-8")


def test_the_reference_has_the_docstrings_of_public_names(site: Path) -> None:
    text = " ".join(page.text for name, page in pages(site) if name.startswith("reference/api/"))
    assert "where the run goes, empty or new unless" in text
    assert text.count("limits of a number, or of each number in a tuple") == 4  # each of four arguments of a line
    assert "Channels of the output. In channels." in text  # a field that param documents
    assert "_within_limits" not in text


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the build of a site with one fault of each kind says."""
    root = tmp_path_factory.mktemp("small")
    (root / "docs").mkdir()
    (root / "plugins" / "one").mkdir(parents=True)
    (root / "README.md").write_text("# Read me\n\nTo [a](docs/a.md), [what is not there](docs/no.md).\n", "utf-8")
    (root / "plugins" / "one" / "README.md").write_text("# One\n\nUp to [all](../../README.md).\n", "utf-8")
    (root / "docs" / "index.md").write_text("# Home\n\n[a](a.md) [none](gone.md) [plugin](../plugins/one/)\n", "utf-8")
    (root / "docs" / "a.md").write_text("# A\n\n[nowhere](index.md#nowhere), [lost](../lost.toml)\n", "utf-8")
    (root / "docs" / "b.md").write_text("# B\n", "utf-8")
    text = (ROOT / "mkdocs.yml").read_text("utf-8").replace("docs/site/", f"{DOCS.as_posix()}/site/")
    nav = "nav:\n  - index.md\n  - a.md\n  - repository/**\n"
    text = re.sub(r"^nav:\n(?:[ -].*\n)*", nav, text, flags=re.M)
    (root / "mkdocs.yml").write_text(text, "utf-8")
    done = build(root / "mkdocs.yml", root / "site")
    assert done.returncode == 1
    return done.stderr


@pytest.mark.parametrize(
    "fault",
    [
        "'index.md' contains a link 'gone.md'",
        "'a.md' contains a link '../lost.toml'",
        "'a.md' contains a link 'index.md#nowhere'",
        "'repository/README.md' contains a link 'docs/no.md'",
        'not included in the "nav" configuration:\n  - b.md\n',
    ],
)
def test_a_build_names(small: str, fault: str) -> None:
    assert fault in re.sub(r"\n +- ", "\n  - ", small)


def test_a_build_names_nothing_else(small: str) -> None:
    assert small.count("WARNING") == 5, small


@cache
def module(path: str) -> ModuleType:
    """A script of docs, which is no package."""
    spec = importlib.util.spec_from_file_location(f"docs_{Path(path).stem}", DOCS / path)
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


PAGES = [f"{folder}{name}.md" for folder in ("", "a/", "b/", "b/c/") for name in "xyz"]
ENTRIES = st.sampled_from([*PAGES, "a/*.md", "b/*.md", "b/**", "*.md"])


@given(st.lists(st.one_of(ENTRIES, ENTRIES.map(lambda entry: {"title": [entry]})), unique_by=str))
def test_patterns_take_each_page_once_and_leave_those_that_are_named(nav: list[object]) -> None:
    navigation = module("site/navigation.py")
    asked = list(navigation.named(nav))
    got = list(navigation.named(navigation.expanded(nav, PAGES)))
    written = [entry for entry in asked if "*" not in entry]
    assert [page for page in got if page in written] == written
    assert len(got) == len(set(got)) or len(written) != len(set(written))
    deep = {page for page in PAGES if page.startswith("b/")}
    assert ("b/**" not in asked) or deep <= set(got)
    assert all("*" not in page for page in got)


def test_patterns_go_no_deeper_than_their_folder() -> None:
    expanded = module("site/navigation.py").expanded
    assert expanded(["a/x.md", "a/*.md", {"B": ["b/*.md"]}, {"none": ["q/*.md"]}], PAGES) == [
        *("a/x.md", "a/y.md", "a/z.md"),
        {"B": ["b/x.md", "b/y.md", "b/z.md"]},
    ]


def test_patterns_tell_large_letters_from_small_ones_on_every_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.path.normcase", str.lower)  # as on Windows
    assert module("site/navigation.py").expanded(["a/X*.md"], ["a/x.md", "a/X1.md"]) == ["a/X1.md"]


@pytest.mark.parametrize("name", ["a.gif", "b.webp", "c.safetensors", "d.onnx", "e.md", "f.jpg"])
def test_a_linked_file_that_is_no_text_is_brought_along_as_it_is(name: str) -> None:
    assert module("site/outside.py").page_of(name) == f"repository/{name}"


def test_a_linked_file_of_text_is_a_page() -> None:
    assert module("site/outside.py").page_of("recipes/x.toml") == "repository/recipes/x.toml.md"


def test_generated_pages_are_written_and_those_of_kinds_that_are_gone_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    generate = module("generate.py")
    page, gone = tmp_path / "components/losses.md", tmp_path / "components/gone.md"
    monkeypatch.setattr(generate, "COMPONENTS", page.parent)
    monkeypatch.setattr(generate, "pages", lambda: {page: "one\n"})
    page.parent.mkdir()
    gone.write_text("")
    assert generate.main(check=True) == 1
    words = "is out of date: run python docs/generate.py"
    assert capsys.readouterr().out == f"{page} {words}\n{gone} {words}\n"
    assert not page.exists() and gone.exists()
    assert generate.main(check=False) == 0
    assert page.read_bytes() == b"one\n" and not gone.exists()
    assert generate.main(check=True) == 0 and capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("- a\n  - b\n", "- a\n    - b"),
        ("1. a\n\n   b\n", "1. a\n\n      b"),
        ("- a\n\n  ```sh\n  x\n    y\n  ```\n  b", "- a\n\n    ```sh\n    x\n      y\n    ```\n    b"),
        ("```\n  - as it is\n```\n  b", "```\n  - as it is\n```\n    b"),
        ("````\n```\n  x\n````", "````\n```\n  x\n````"),
    ],
)
def test_lists_are_indented_for_python_markdown_and_code_is_left(before: str, after: str) -> None:
    assert module("site/indents.py").four_spaces(before) == after


def test_links_in_code_are_none() -> None:
    text = "[a](b.md) [top](../../c.toml#x) [out](https://x.y/z.md) `[d](e.md)`\n\n```md\n[f](g.md)\n```\n[h](i.md)\n"
    assert module("site/outside.py").linked(text, "docs/how-to/here.md") == [
        *("docs/how-to/b.md", "c.toml", "docs/how-to/i.md"),
    ]


def test_arguments_that_share_a_line_are_taken_apart() -> None:
    text = "Does.\n\nArgs:\n    a, b: limits,\n        of both.\n    c: one.\n\nA, b: no argument.\n"
    wanted = "Does.\n\nArgs:\n    a: limits,\n        of both.\n    b: limits,\n        of both.\n    c: one.\n\nA, b: no argument.\n"
    assert module("site/docstrings.py").apart(text) == wanted


FIELDS = """
from toonforge import param

PAPER = "Zhu et al., 2017"


class Config:
    \"\"\"A config.

    Args:
        plain: no field of ours.
    \"\"\"

    plain: int
    needed: str = param(doc="a name")
    blocks: int = param(9, doc="how many", unit="blocks", source=PAPER, at_least=0)
    further: int = param(9, doc="how many " "more.")
    unknown: int = param(9, doc=TEXT)
    told: int = param(9, doc="not this")
    \"\"\"This.\"\"\"
"""


def test_fields_are_documented_by_what_param_is_told() -> None:
    extensions = griffe.load_extensions(f"{DOCS / 'site' / 'docstrings.py'}:Documented")
    with griffe.temporary_visited_module(FIELDS, extensions=extensions) as read_module:
        config = read_module["Config"]
    texts = {name: field.docstring and field.docstring.value for name, field in config.members.items()}
    assert texts == {
        "plain": None,
        "needed": "A name.",
        "blocks": "How many. In blocks. Default from Zhu et al., 2017.",
        "further": "How many more.",
        "unknown": None,
        "told": "This.",
    }
    assert config.docstring.value.splitlines()[2] == "Attributes:"
    defaults = {name: field.value and str(field.value) for name, field in config.members.items()}
    assert defaults == {
        "plain": None,
        "needed": None,
        "blocks": "9",
        "further": "9",
        "unknown": "param(9, doc=TEXT)",  # what is said of it cannot be read
        "told": "9",
    }


def test_the_gallery_is_up_to_date_and_every_picture_is_there() -> None:
    done = subprocess.run(
        [sys.executable, str(DOCS / "gallery.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    shown = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", (DOCS / "gallery.md").read_text("utf-8"))
    assert all((DOCS / picture).is_file() for picture in shown)
    assert {Path(picture).name for picture in shown} >= {path.name for path in (DOCS / "images/gallery").iterdir()}


def test_every_held_out_photograph_is_in_the_gallery() -> None:
    """The bad ones as well."""
    from toonforge_samples.credits import samples

    text = (DOCS / "gallery.md").read_text("utf-8")
    photos = [each for each in samples() if each.kind == "photo" and each.split == "validation"]
    for each in photos:
        assert f"images/gallery/{each.path.stem}.jpg" in text
        assert all(said in text for said in (each.author, each.licence))


def test_the_gallery_shows_what_the_packaged_model_draws() -> None:
    import numpy as np
    from PIL import Image

    name, drawn = next(module("gallery.py").pictures())
    with Image.open(DOCS / "images" / "gallery" / f"{name}.jpg") as kept:
        assert kept.size == drawn.size
        error = np.abs(np.asarray(kept, np.int16) - np.asarray(drawn, np.int16)).mean()
    assert error < 4, "python docs/gallery.py --draw draws it anew"
