"""Files of weights that numbers depend on: where they lie, and their hashes. Needs no torch to import."""

from __future__ import annotations

import os
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from toonforge.files import checksum

DIGITS = 12


def fingerprint(path: Path) -> str:
    """The first 12 hexadecimal digits of the file's SHA-256, read again only where the file has changed."""
    return _fingerprint(*changed_at(path))


def changed_at(path: Path) -> tuple[Path, int, int]:
    """What tells one state of a file from another: where it lies, its bytes, and when it was written (ns)."""
    about = path.stat()
    return path.resolve(), about.st_size, about.st_mtime_ns


@lru_cache(maxsize=64)
def _fingerprint(path: Path, size: int, changed: int) -> str:
    return checksum(path)[:DIGITS]


def hub_file(url: str) -> Path:
    """Where torch keeps what it downloaded from an address (`torch.hub`'s documentation), whether or not it did."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = Path(os.environ.get("TORCH_HOME", f"{cache}/torch")).expanduser()
    return home / "hub" / "checkpoints" / url.rsplit("/", 1)[-1]


def package_file(package: str, *parts: str) -> Path | None:
    """A file of an installed package, without importing it; None where there is none."""
    found = find_spec(package)
    for folder in (found.submodule_search_locations or []) if found else []:
        path = Path(folder, *parts)
        if path.is_file():
            return path
    return None


def said(path: Path | None, otherwise: str) -> str:
    """A file's hash in words: "weights sha256 6726825d0af5"; `otherwise` where it cannot be read."""
    try:
        return f"weights sha256 {fingerprint(path)}" if path is not None else otherwise
    except OSError:
        return otherwise


def said_of_hub(url: str) -> str:
    """The same of what torch downloads from an address; before it has, the digits of the hash that the name ends in."""
    official = url.rsplit("-", 1)[1].split(".")[0]
    return said(hub_file(url), f"weights sha256 {official}, not downloaded yet")


def release(package: str) -> str:
    """A package and its version: "torchmetrics 1.9.0"; its name alone where it is not installed."""
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return package
