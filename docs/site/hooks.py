"""What MkDocs does for toonforge's site beyond its own: the hooks that mkdocs.yml names, each of a line or two."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from indents import four_spaces
from mkdocs.plugins import event_priority
from navigation import expanded
from outside import OutsideLinks, outside_files

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.nav import Navigation
    from mkdocs.structure.pages import Page

LINKS = OutsideLinks()
FIRST = {"how-to/": 4.0, "reference/api/": 0.5, "reference/": 2.0, "repository/": 0.3}
"""How much the search prefers the pages of a folder: what to do, then what explains a key, then names of Python."""

NAMED = re.compile(r"toonforge\.\w+")
"""A section's title that people ask for as it is written; the search is told to prefer these by `NAMED_FIRST`."""
NAMED_FIRST = 8.0

NAMES = re.compile(
    r"<table>(?=\n<thead>\n<tr>\n<th>(?:key|name|op|hook|method|recipe|suite|figure|file|command)</th>\n"
    r"(?:<th.*</th>\n)*<th>(?:what.*|meaning|how|when it is called|from|method)</th>\n</tr>)"
)
"""Tables that say what each of several names means: without their headings they can be read all the same."""


def on_config(config: MkDocsConfig) -> None:
    """Let links that leave docs/ be rewritten while Markdown becomes HTML."""
    LINKS.root = Path(config.config_file_path).parent
    config.markdown_extensions.append(LINKS)


def on_files(files: Files, *, config: MkDocsConfig) -> None:
    """Add the repository's files that pages link to, and write out the navigation's patterns."""
    for file in outside_files(LINKS.root, files, config):
        files.append(file)
    LINKS.files = files
    pages = [file.src_uri for file in files.documentation_pages()]
    config.nav = expanded(config.nav, sorted(pages, key=lambda page: (not page.endswith("/index.md"), page)))


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Say whose links are rewritten next and what finds the page, and write lists as Python-Markdown reads them."""
    LINKS.page = page.file
    boost = next((share for folder, share in FIRST.items() if page.file.src_uri.startswith(folder)), 1.0)
    page.meta["search"] = {"boost": boost}
    page.meta["tags"] = config.extra.get("searched", {}).get(page.file.src_uri, [])
    if page.is_homepage:
        page.meta.update(template="home.html", hide=["navigation", "toc"])
    return four_spaces(markdown)


def on_page_content(html: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Mark the tables of names, which phones show as lists."""
    return NAMES.sub("<table data-names>", html)


@event_priority(100)  # before the index is written
def on_post_build(config: MkDocsConfig) -> None:
    """Let the search find `toonforge.run` by its whole name, although many pages are about runs."""
    for entry in config.plugins["material/search"].search_index.entries:
        if NAMED.fullmatch(entry["title"]):
            entry["boost"] = NAMED_FIRST


def on_page_context(context: dict[str, Any], *, page: Page, config: MkDocsConfig, nav: Navigation) -> None:
    """Name the file that a page was made from."""
    context["made_from"] = LINKS.path_in_repository(page.file.src_uri)
