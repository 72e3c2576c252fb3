"""What every component promises, whatever its kind."""

from __future__ import annotations

import subprocess
import sys
from typing import ClassVar

import attrs

from toonforge import registries
from toonforge.components import Component, fields_of
from toonforge.recipe.resolved import component_data, component_from_data


class ComponentSuite:
    """Documented fields, a config that survives TOML, a torch-free import. The base of all suites."""

    component: ClassVar[Component]

    def test_says_what_it_is(self) -> None:
        cls = type(self.component)
        assert (cls.__doc__ or "").strip(), f"give {cls.__name__} a docstring: `toonforge list` shows its first line"

    def test_fields_are_documented(self) -> None:
        for key, (_, _, info) in fields_of(type(self.component)).items():
            assert info.doc.strip(), (
                f"declare {key!r} with param(..., doc=...), for `toonforge show` to have something to say"
            )

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
        code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, (
            f"importing {module} imports torch: import it inside build(), so that `toonforge list` stays quick\n"
            f"{done.stderr}"
        )
