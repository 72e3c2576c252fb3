"""A new plugin's files as texts: nothing is written here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from toonforge.plugins.fit import core_range
from toonforge.scaffold.kinds import ALWAYS, KINDS

if TYPE_CHECKING:
    import jinja2

TEMPLATES = Path(__file__).parent / "templates"
SUITES: Mapping[str, str] = {
    "dataset": "DatasetSuite",
    "discriminator": "DiscriminatorSuite",
    "generator": "GeneratorSuite",
    "loss": "LossSuite",
    "metric": "MetricSuite",
    "network": "NetworkSuite",
    "op": "OpSuite",
    "optimizer": "OptimizerSuite",
    "recipe": "RecipeSuite",
    "schedule": "ScheduleSuite",
}
"""Kind -> the class of `toonforge.testing` whose tests its example takes."""


def imports(module: str, names: list[str]) -> str:
    """An import statement as ruff writes it, within 120 columns."""
    line = f"from {module} import {', '.join(names)}"
    inside = "".join(f"    {name},\n" for name in names)
    return line if len(line) <= 120 else f"from {module} import (\n{inside})"


def _chosen(kinds: Iterable[str]) -> frozenset[str]:
    return frozenset(kinds)


@cache
def _environment() -> jinja2.Environment:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=False,  # of Python and TOML: names are checked beforehand
        keep_trailing_newline=True,
        lstrip_blocks=True,
        trim_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


@attrs.frozen(kw_only=True, slots=False)
class Package:
    """A plugin that is yet to be written.

    Args:
        name: the namespace of what it supplies.
        kinds: which of `KINDS` it begins with. It has a generator and a recipe in any case: something to train.
        version: of toonforge, which it is written for.
    """

    name: str
    kinds: frozenset[str] = attrs.field(converter=_chosen)
    version: str

    @property
    def distribution(self) -> str:
        """What pip calls it."""
        return f"toonforge-{self.name}"

    @property
    def slug(self) -> str:
        """The name as Python writes it."""
        return self.name.replace("-", "_")

    @property
    def module(self) -> str:
        """What Python imports."""
        return f"toonforge_{self.slug}"

    def supplies(self) -> list[dict[str, str]]:
        """What it supplies, in the order of `KINDS`: its `name` in recipes, `what` it is, and its `file`."""
        rows = []
        for kind, chosen in KINDS.items():
            if kind in self.kinds | {"generator", "recipe"}:
                file = f"src/{self.module}/{next(iter(chosen.files))}"
                what = chosen.what if kind != "generator" or kind in self.kinds else "a small generator to train"
                rows.append({"name": self._named(kind, chosen.example), "what": what, "file": file})
        return rows

    def _named(self, kind: str, example: str | None) -> str:
        if example is not None:
            return f"`{self.name}/{example}`"
        return f"`toonforge {self.name}`" if kind == "command" else "—"

    @cached_property
    def files(self) -> Mapping[str, str]:
        """Path in the package's folder -> text."""
        environment = _environment()
        words = self._words()
        made = {path: environment.get_template(file).render(words) for path, file in self._templates().items()}
        return {**made, f"src/{self.module}/py.typed": ""}

    def _templates(self) -> Mapping[str, str]:
        source = f"src/{self.module}"
        found = {**ALWAYS, f"{source}/__init__.py": "init.py.j2", f"{source}/plugin.py": "plugin.py.j2"}
        for kind in ("recipe", *sorted(self.kinds)):
            found |= {f"{source}/{path}": file for path, file in KINDS[kind].files.items()} | {**KINDS[kind].tests}
        return {f"{source}/generators.py": "generators.py.j2", **found}

    def _words(self) -> Mapping[str, Any]:
        bases: Iterable[str | None] = (KINDS[kind].base for kind in self.kinds | {"generator"})
        return {
            "name": self.name,
            "slug": self.slug,
            "module": self.module,
            "distribution": self.distribution,
            "title": self.name.replace("-", " ").capitalize(),
            "core_range": core_range(self.version),
            "kinds": self.kinds,
            "generator": "ConvGenerator" if "generator" in self.kinds else "SmallResnet",
            "bases": [*sorted({base for base in bases if base}), "hookimpl"],
            "suites": sorted(
                {"PluginSuite"} | {SUITES[kind] for kind in self.kinds | {"generator", "recipe"} if kind in SUITES}
            ),
            "imports": imports,
            "rows": self.supplies(),
        }
