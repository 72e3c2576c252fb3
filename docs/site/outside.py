"""Links out of docs/: the files of the repository that pages link to are pages of the site, below `repository/`.

On GitHub such a link leads to the file. A site that lies anywhere, or on a disk, has to bring the file along.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from markdown.extensions import Extension
from markdown.treeprocessors import Treeprocessor
from mkdocs.structure.files import File

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from markdown import Markdown
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

FOLDER = "repository"
DOCS = "docs"
ALWAYS = ("README.md", "CHANGELOG.md", "plugins/*/README.md")
AS_THEY_ARE = (".md", ".jpg", ".png", ".svg", ".gif", ".webp", ".avif", ".mp4", ".pdf", ".zip", ".safetensors", ".onnx")
"""Endings of files that the site holds as they are; of any other a page shows the text."""
LANGUAGES = {".toml": "toml", ".py": "python", ".sh": "sh", ".json": "json"}
LINK = re.compile(r"\]\(([^)\s#]+)[^)]*\)")
CODE = re.compile(r"^ *(`{3,}).*?^ *\1|`[^`\n]*`", re.M | re.S)


def outside_files(root: Path, files: Files, config: MkDocsConfig) -> Iterator[File]:
    """The files outside docs/ that go into the site: those that are always there, and those that pages link to.

    Args:
        root: of the repository.
        files: of docs/.
    """
    waiting = [path.relative_to(root).as_posix() for pattern in ALWAYS for path in sorted(root.glob(pattern))]
    for file in files.documentation_pages():
        waiting += linked(file.content_string, f"{DOCS}/{file.src_uri}")
    seen: set[str] = set()
    while waiting:
        path = waiting.pop()
        if path in seen or path.startswith(("../", f"{DOCS}/")) or not (root / path).is_file():
            continue  # a link that leads nowhere is left to MkDocs, which names the page
        seen.add(path)
        if path.endswith(".md"):
            waiting += linked((root / path).read_text("utf-8"), path)
        if path.endswith(AS_THEY_ARE):
            yield File.generated(config, page_of(path), abs_src_path=os.fspath(root / path))
        else:
            yield File.generated(config, page_of(path), content=code_page(root / path))


def linked(markdown: str, path: str) -> list[str]:
    """The files that a page links to, relative to the repository; code is no link.

    Args:
        path: of the page, relative to the repository.
    """
    targets = LINK.findall(CODE.sub("", markdown))
    return [posixpath.normpath(posixpath.join(posixpath.dirname(path), to)) for to in targets if "://" not in to]


def page_of(path: str) -> str:
    """Where a file of the repository lies in the site's sources."""
    return f"{FOLDER}/{path}" if path.endswith(AS_THEY_ARE) else f"{FOLDER}/{path}.md"


def code_page(path: Path) -> str:
    """A page that shows a text file as it is."""
    language = LANGUAGES.get(path.suffix, "text")
    return f"# {path.name}\n\n````{language}\n{path.read_text('utf-8').rstrip()}\n````\n"


class OutsideLinks(Extension):
    """Rewrites links between docs/ and the rest of the repository to where both lie in the site.

    Attributes:
        root: of the repository.
        files: all that the site has.
        page: the page that is being read.
    """

    root: Path
    files: Files
    page: File

    def extendMarkdown(self, md: Markdown) -> None:
        """Rewrite before MkDocs makes links relative to the built page, at priority 0."""
        md.treeprocessors.register(_Rewrite(self, md), "toonforge-outside-links", 1)

    def path_in_repository(self, page: str) -> str:
        """The file that a page of the site was made from."""
        if not page.startswith(f"{FOLDER}/"):
            return f"{DOCS}/{page}"
        path = page.removeprefix(f"{FOLDER}/")
        return path if (self.root / path).is_file() else path.removesuffix(".md")

    def rewritten(self, url: str) -> str:
        """A link of the page being read, as it has to be in the site; the same where it leads nowhere else."""
        parts = urlsplit(url)
        if parts.scheme or parts.netloc or not parts.path or parts.path.startswith("/"):
            return url
        here = self.path_in_repository(self.page.src_uri)
        path = posixpath.normpath(posixpath.join(posixpath.dirname(here), parts.path))
        if (self.root / path).is_dir() and (self.root / path / "README.md").is_file():
            path = f"{path}/README.md"
        target = path.removeprefix(f"{DOCS}/") if path.startswith(f"{DOCS}/") else page_of(path)
        if self.files.get_file_from_path(target) is None:
            return url
        relative = posixpath.relpath(target, posixpath.dirname(self.page.src_uri))
        return parts._replace(path=relative).geturl()


class _Rewrite(Treeprocessor):
    """Applies `OutsideLinks.rewritten` to every link and picture."""

    def __init__(self, links: OutsideLinks, md: Markdown) -> None:
        super().__init__(md)
        self.links = links

    def run(self, root: Element) -> None:
        """Rewrite in place."""
        for element in root.iter():
            key = {"a": "href", "img": "src"}.get(element.tag)
            if key and (url := element.get(key)):
                element.set(key, self.links.rewritten(url))
