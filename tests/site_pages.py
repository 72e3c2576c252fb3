"""Builds the site of the docs, and reads its pages: what they link to, what they load, what they say."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

from filelock import FileLock

ROOT = Path(__file__).parent.parent

LOADING = {"img": "src", "script": "src", "iframe": "src", "source": "src", "video": "src", "link": "href"}
COUNTED = ("h1", "h2", "h3", "h4", "h5", "h6", "li", "table", "tr", "pre", "blockquote", "img")
SILENT = ("script", "style", "template", "svg")


def build(config: Path, target: Path) -> subprocess.CompletedProcess[str]:
    """`mkdocs build --strict`, whose log goes to stderr."""
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", str(config), "--site-dir", str(target)],
        capture_output=True,
        text=True,
        cwd=config.parent,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        check=False,
    )


def built_once(base: Path, worker: str) -> Path:
    """The built site, one for all processes that test.

    Args:
        base: temporary folder of this process.
        worker: its name, "master" where there is one process.
    """
    target = (base if worker == "master" else base.parent) / "site"
    with FileLock(f"{target}.lock"):
        if not target.is_dir():
            done = build(ROOT / "mkdocs.yml", base / "building")
            assert done.returncode == 0, done.stderr
            (base / "building").rename(target)
    return target


class Page(HTMLParser):
    """One page, or a part of one as HTML.

    Attributes:
        ids: names that a link may go to.
        links: of `a`.
        loads: what the browser fetches with the page.
        navigation: links within the site's navigation.
        text: what the article says.
        blocks: the texts of its code blocks.
        counts: how many of each kind of block it has.
    """

    def __init__(self, html: str, *, article: bool = False) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.navigation: set[str] = set()
        self.classes: set[str] = set()
        self.blocks: list[str] = []
        self.counts = dict.fromkeys(COUNTED, 0)
        self._text: list[str] = []
        self._open: list[str] = []
        self._article = article
        self._silent = ""
        self.feed(html)

    @property
    def text(self) -> str:
        return "".join(self._text)

    @property
    def inside(self) -> bool:
        """Whether what is read now belongs to the article."""
        return (self._article or "article" in self._open) and not self._silent

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.ids.add(found.get("id", ""))
        classes = found.get("class", "").split()
        self.classes |= {*classes, found.get("data-md-component", "")}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
            if "nav" in self._open:
                self.navigation.add(found["href"])
        if tag in LOADING and LOADING[tag] in found:
            self.loads.append(found[LOADING[tag]])
        if self.inside and tag in COUNTED:
            self.counts[tag] += 1
        if self.inside and tag == "pre":
            self.blocks.append("")
        if tag in SILENT or {"headerlink", "tf-made-from"} & set(classes):
            self._silent = self._silent or tag
        if tag not in ("img", "link", "meta", "input", "br", "hr", "source", "path"):
            self._open.append(tag)
        if self.inside and tag not in ("span", "code", "a", "em", "strong", "wbr"):
            self._text.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            while self._open.pop() != tag:
                pass
        if tag == self._silent:
            self._silent = ""

    def handle_data(self, data: str) -> None:
        if self.inside:
            self._text.append(data)
            if "pre" in self._open:
                self.blocks[-1] += data


@cache
def read(path: Path) -> Page:
    return Page(path.read_text("utf-8"))


def pages(site: Path) -> Iterator[tuple[str, Page]]:
    """Every page by its place in the site; not the one for addresses that are not there."""
    for path in sorted(site.rglob("*.html")):
        if path.name != "404.html":
            yield path.relative_to(site).as_posix(), read(path)
