"""A typed mapping from component names to config classes that remembers who supplied each."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeVar

import attrs

from toonforge.errors import PluginError, Problem, UnknownNameError
from toonforge.names import close_matches, did_you_mean

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class Provenance:
    """Which plugin and which installed distribution, in which version, supplied a component."""

    plugin: str
    distribution: str
    version: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}"


class Registry(Mapping[str, type[T]], Generic[T]):
    """Component classes of one kind by name. Filled on first use, by the `load` it is given.

    Args:
        kind: what it holds, in the plural ("generators").
        load: called before every look-up; the first time it is expected to call `add`.
        explain: for an unknown name, why its plugin is not there or how to install it; None if unknown.
        refuse: for an unknown name, what is wrong with its plugin, if that is installed.

    Examples:
        >>> import toonforge
        >>> toonforge.losses.match("l*")
        ['l1', 'l2', 'lsgan']
        >>> toonforge.losses["l3"]
        Traceback (most recent call last):
        toonforge.errors.UnknownNameError: unknown loss 'l3'
        ...
    """

    def __init__(
        self,
        kind: str,
        load: Callable[[], None] = lambda: None,
        explain: Callable[[str], str | None] = lambda name: None,
        refuse: Callable[[str], Problem | None] = lambda name: None,
    ) -> None:
        self.kind = kind
        self._load = load
        self._explain = explain
        self._refuse = refuse
        self._items: dict[str, tuple[type[T], Provenance]] = {}

    def add(self, name: str, cls: type[T], provenance: Provenance) -> None:
        """Register `cls`; a name that is taken is an error that names both distributions."""
        if name in self._items:
            other = self._items[name][1]
            raise PluginError(
                Problem(
                    message=f"two distributions supply {singular(self.kind)} {name!r}",
                    found=f"{other} and {provenance}",
                    expected="one",
                    hint="uninstall one of them, or block its plugin with -p no:NAME",
                )
            )
        self._items[name] = (cls, provenance)

    def clear(self) -> None:
        """Forget what was registered."""
        self._items.clear()

    def _filled(self) -> dict[str, tuple[type[T], Provenance]]:
        self._load()
        return self._items

    def __getitem__(self, name: str) -> type[T]:
        items = self._filled()
        if name in items:
            return items[name][0]
        raise UnknownNameError(
            self._refuse(name)
            or Problem(
                message=f"unknown {singular(self.kind)} {name!r}",
                hint=self._explain(name) or did_you_mean(name, items) or f"see: toonforge list {self.kind}",
            ),
            close_matches(name, items),
        )

    def __contains__(self, name: object) -> bool:
        return name in self._filled()

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._filled(), key=lambda name: ("/" in name, name)))

    def __len__(self) -> int:
        return len(self._filled())

    def __repr__(self) -> str:
        return f"<{self.kind}: {', '.join(self)}>"

    def match(self, pattern: str) -> list[str]:
        """Names that fit a wildcard pattern such as "cyclegan/*"."""
        return [name for name in self if fnmatch.fnmatchcase(name, pattern)]

    def provenance(self, name: str) -> Provenance:
        """Who supplied the component."""
        self[name]
        return self._items[name][1]

    def name_of(self, cls: type[T]) -> str:
        """The name under which a class is registered; raises KeyError for one that is not."""
        for name, (known, _) in self._filled().items():
            if known is cls:
                return name
        raise KeyError(cls)


def singular(kind: str) -> str:
    """The kind's name for one of them: "losses" -> "loss"."""
    return {"losses": "loss", "networks": "network"}.get(kind, kind[:-1])
