"""What every component promises, whatever its kind."""

from __future__ import annotations

import re
import types
import typing
from typing import Any, ClassVar

import attrs

from toonforge import registries
from toonforge.components import Component, fields_of
from toonforge.components.types import type_of
from toonforge.recipe.resolved import component_data, component_from_data
from toonforge.testing.claims import choose
from toonforge.testing.imports import import_of

COUNTED = {
    "channels": "channels",
    "epochs": "epochs",
    "height": "pixels",
    "kernel": "pixels",
    "pixels": "pixels",
    "radius": "pixels",
    "seconds": "seconds",
    "side": "pixels",
    "size": "pixels",
    "steps": "steps",
}
"""Last word of a field's key -> what a number of that name usually counts. `width` is channels or pixels."""
PAPERS = re.compile(r"\bpapers?\b|\bet al\b|\barxiv\b|\boriginal(?:'s| code| implementation)\b", re.IGNORECASE)
SUITES: list[type[ComponentSuite]] = []
"""Every suite of this process that has a component: `PluginSuite` looks up what is covered."""


class ComponentSuite:
    """Documented fields, a config that survives TOML, a torch-free and quick import. The base of all suites.

    Attributes:
        component: the config under test.
        unitless: keys of number fields that count nothing, though their names sound like it.
        slowest_import: how many times as long as importing toonforge itself the component's module may take.
    """

    component: ClassVar[Component]
    unitless: ClassVar[frozenset[str]] = frozenset()
    slowest_import: ClassVar[float] = 5.0

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        choose(cls)
        if isinstance(getattr(cls, "component", None), Component):
            SUITES.append(cls)

    def test_says_what_it_is(self) -> None:
        cls = type(self.component)
        own = vars(cls).get("__doc__") or ""
        assert own.strip(), f"give {cls.__name__} a docstring of its own: `toonforge list` shows its first line"

    def test_fields_are_documented(self) -> None:
        for key, (_, _, info) in fields_of(type(self.component)).items():
            assert info.doc.strip(), (
                f"declare {key!r} with param(..., doc=...), for `toonforge show` to have something to say"
            )

    def test_fields_have_types_of_recipes(self) -> None:
        for key, (kind, _, _) in fields_of(type(self.component)).items():
            assert type_of(kind) is not None, (
                f"{key!r} is of type {getattr(kind, '__name__', kind)}, whose values no recipe checks: take int, "
                "float, bool, str, Literal[...], X | None, tuples (tuple[float, ...] for a list of numbers), "
                "Mapping[str, ...], Path, Expr, Network or Count"
            )

    def test_numbers_have_units(self) -> None:
        """A number that counts pixels, steps or channels says so in `unit`."""
        for key, (kind, _, info) in fields_of(type(self.component)).items():
            counted = COUNTED.get(key.split("_")[-1], "channels" if key == "width" else None)
            if counted is not None and key not in self.unitless and holds_numbers(kind):
                assert info.unit and info.unit.strip(), (
                    f'{key!r} is a number of something, and does not say of what: param(..., unit="{counted}"); '
                    f'or, where it counts nothing, unitless = frozenset({{"{key}"}}) in this suite'
                )

    def test_defaults_of_papers_have_sources(self) -> None:
        """A default that comes from a paper says from where in it, in `source`."""
        for key, (_, attribute, info) in fields_of(type(self.component)).items():
            if attribute.default is attrs.NOTHING:
                continue
            said = PAPERS.search(info.doc)
            assert info.source or not said, (
                f"the doc of {key!r} speaks of {said and said[0]!r}: say where the default comes from with "
                'param(..., source="Paper, section or table")'
            )
            assert info.source is None or info.source.strip(), (
                f"the source of {key!r} is empty: leave it out, or name it"
            )

    def test_defaults_lie_within_the_limits(self) -> None:
        for key, (_, attribute, info) in fields_of(type(self.component)).items():
            for name, value in (("the default", attribute.default), ("tiny", info.tiny)):
                numbers = value if isinstance(value, tuple) else (value,)
                for number in numbers:
                    if isinstance(number, int | float) and not isinstance(number, bool):
                        assert info.allows(number), f"{name} of {key!r} is {number}, and its limits say {info.limits}"

    def test_is_registered(self) -> None:
        kind = self.component.kind
        registry = registries.plugins.registries[kind]
        assert type(self.component) in registry.values(), (
            f"return {type(self.component).__name__} from the hook toonforge_{kind}, and install the plugin"
        )

    def test_config_survives_a_round_trip(self) -> None:
        data = component_data(self.component)
        again = component_from_data(self.component.kind, data)
        assert again == self.component, f"{data} was read back as {again}: give every field a type that TOML can hold"

    def test_any_config_survives_toml(self) -> None:
        """Whatever values its fields may have: written as TOML text and read back, it is the same config."""
        from hypothesis import HealthCheck, given, settings

        from toonforge.testing.configs import drawn

        @settings(max_examples=15, deadline=None, database=None, derandomize=True, suppress_health_check=[*HealthCheck])
        @given(config=drawn(self.component))
        def survives(config: Component) -> None:
            again, text = through_toml(config)
            assert again == config, (
                f"{config}, written as\n{text}was read back as {again}: give every field a type that TOML can hold, "
                "and let converters and __attrs_post_init__ leave a value alone that they have made"
            )

        survives()

    def test_tiny_is_of_the_same_class(self) -> None:
        small = self.component.tiny()
        assert type(small) is type(self.component), f"tiny() returned {type(small).__name__}, expected the same class"
        assert small.tiny() == small, "tiny() of a tiny component changes it again: it must be a fixed point"

    def test_is_frozen(self) -> None:
        for _, attribute, _ in fields_of(type(self.component)).values():
            try:
                setattr(self.component, attribute.name, getattr(self.component, attribute.name))
            except attrs.exceptions.FrozenInstanceError:
                continue
            raise AssertionError(f"{attribute.name} can be assigned: make the class with @toonforge.component")

    def test_imports_without_torch(self) -> None:
        module = type(self.component).__module__
        seen = import_of(module)
        assert not seen.error, f"{module} cannot be imported by its name in a new interpreter:\n{seen.error}"
        assert not seen.torch, (
            f"importing {module} imports torch: import it inside build(), so that `toonforge list` stays quick"
        )

    def test_imports_quickly(self) -> None:
        """Measured in CPU time, against importing toonforge itself on the same machine."""
        module = type(self.component).__module__
        seen = import_of(module)
        brought = f"it brings {', '.join(seen.brought)}: " if seen.brought else ""
        assert seen.own <= self.slowest_import * seen.core, (
            f"importing {module} takes {seen.own:.1f} s, and all of toonforge {seen.core:.1f} s; every `toonforge "
            f"list` waits for it. {brought}import what only build() needs inside build()"
        )


def holds_numbers(kind: Any) -> bool:
    """Whether a field's type is a number, several of them, or a number or nothing."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType, tuple):
        return all(holds_numbers(part) for part in typing.get_args(kind) if part not in (type(None), ...))
    return kind in (int, float)


def through_toml(config: Component) -> tuple[Component, str]:
    """What reading the config's TOML text gives, and the text.

    Raises:
        AssertionError: TOML cannot hold it, or it is refused when read.
    """
    import tomli
    import tomli_w

    from toonforge.errors import ToonforgeError

    data = component_data(config)
    try:
        text = tomli_w.dumps(data)
    except TypeError as error:
        raise AssertionError(f"TOML cannot hold {config}: {error}; use numbers, strings, Literals, tuples") from error
    try:
        return component_from_data(config.kind, tomli.loads(text)), text
    except ToonforgeError as error:
        raise AssertionError(
            f"{config} can be made, but is refused when read from TOML:\n{text}{error}\nsay the same limits in "
            "param(at_least=…, below=…) as the class checks"
        ) from error
