"""Packages: those that toonforge needs, those that its extras bring, and whether torch and torchvision match."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

from packaging.version import InvalidVersion, Version

from toonforge.checkup.finding import Finding
from toonforge.plugins.fit import CORE, holding

if TYPE_CHECKING:
    from packaging.requirements import Requirement

EXTRAS: Mapping[str, str] = {
    "features": "trained features for kid, fid and content losses",
    "metrics": "PSNR, SSIM, LPIPS, and kid and fid on Inception's features",
    "filters": "picture filters: cartoons and smoothed edges made of photographs",
    "vision": "VGG for content losses, with trained weights",
    "plots": "charts that metrics draw",
    "classifier": "classifiers given as ONNX files",
    "fast": "JPEGs read two to three times as fast",
    "video": "films: pictures out of them, and films through a model",
    "export": "ONNX files of trained models",
    "demo": "the page on which models are tried",
    "prepare": "all that toonforge data uses",
    "tensorboard": "logging to TensorBoard",
    "hugging-face": "data sets of the Hugging Face hub",
}
"""Extra -> what it is for. Those for work on toonforge itself are left out."""


def look() -> list[Finding]:
    """What toonforge itself needs first, then what its extras lack."""
    try:
        requires = importlib.metadata.requires(CORE) or []
        version = importlib.metadata.version(CORE)
    except importlib.metadata.PackageNotFoundError:
        return [
            Finding(
                area="packages",
                name=CORE,
                status="warning",
                text="runs from a folder, and is not installed: what it needs is not known",
                advice="pip install -e . in that folder",
            )
        ]
    return [Finding(area="packages", name=CORE, text=version), *core(requires), *extras(requires)]


def core(requires: Sequence[str]) -> Iterator[Finding]:
    """What must be there: torch with its version, and whatever of the rest is missing or of another version."""
    lacking = 0
    for requirement in holding(requires):
        version = installed(requirement.name)
        if fits(requirement, version):
            if requirement.name in ("torch", "accelerate"):
                yield Finding(area="packages", name=requirement.name, text=str(version))
            continue
        lacking += 1
        yield Finding(
            area="packages",
            name=requirement.name,
            status="broken",
            text=f"{version or 'not installed'}; toonforge needs {requirement.name}{requirement.specifier}",
            advice=f'pip install "{requirement.name}{requirement.specifier}"',
        )
    if not lacking:
        yield Finding(area="packages", name="all others", text="as toonforge needs them")


def torchvision(
    torch: str | None, vision: str | None, requires: Sequence[str] = (), refused: str | None = None
) -> list[Finding]:
    """Whether torchvision, where it is installed, goes with torch.

    Args:
        torch, vision: their versions.
        requires: what torchvision's metadata asks for: a torch of its own up to 0.28, from 0.29 any newer one too.
        refused: what importing torchvision says that it fails with.
    """
    if torch is None or vision is None:
        return []
    if any(each.name == "torch" and not fits(each, torch) for each in holding(requires)):
        text, advice = f"{vision} is not made for torch {torch}", f"pip install {_exactly('torch', torch)} torchvision"
        return [Finding(area="packages", name="torchvision", status="warning", text=text, advice=advice)]
    if refused is None:
        return [Finding(area="packages", name="torchvision", text=vision)]
    if "operator torchvision::" in refused:
        text = f"{vision}, built for another torch than {torch}: toonforge does without what that spoils"
        advice = "for other programs, install it from where torch came: its --index-url"
        return [Finding(area="packages", name="torchvision", status="note", text=text, advice=advice)]
    text = f"{vision} does not load: {refused}"
    advice = f"pip install --force-reinstall --no-deps {_exactly('torchvision', vision)}"
    return [Finding(area="packages", name="torchvision", status="warning", text=text, advice=advice)]


def _exactly(name: str, version: str) -> str:
    """A version for pip, without its local part; the name alone where the version is none to packaging."""
    try:
        return f'"{name}=={Version(version).public}"'
    except InvalidVersion:
        return name


def extras(requires: Sequence[str]) -> Iterator[Finding]:
    """Each extra of which something is missing, or too old."""
    always = [*holding(requires)]
    for extra, purpose in EXTRAS.items():
        needed = [each for each in holding(requires, extra) if each not in always and each.name != CORE]
        lacking = [item.name for item in needed if not fits(item, installed(item.name))]
        if lacking:
            yield Finding(
                area="packages",
                name=f"[{extra}]",
                status="note",
                text=f"without {', '.join(lacking)}: {purpose}",
                advice=f'pip install "toonforge[{extra}]"',
            )


@cache
def installed(name: str) -> str | None:
    """The version of an installed distribution."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def required_by(name: str) -> list[str]:
    """What an installed distribution's metadata asks for; nothing where it is not installed."""
    try:
        return importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:
        return []


def fits(requirement: Requirement, version: str | None) -> bool:
    """Whether an installed version is one that was asked for.

    Local builds (2.13.0+cpu) and pre-releases are, and what is no version to packaging (2.5.0-unknown): those who
    build a package by hand know what they have.
    """
    if version is None:
        return False
    try:
        return requirement.specifier.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return True
