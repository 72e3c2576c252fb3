"""What a whole plugin promises: its package, its names, its documentation, and that everything in it is tested."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from toonforge import __version__, registries
from toonforge.components import KINDS
from toonforge.errors import ToonforgeError
from toonforge.plugins.fit import core_range
from toonforge.plugins.loader import PluginRecord
from toonforge.testing.claims import choose, where
from toonforge.testing.coverage import tried, tried_recipe, uncovered, uncovered_recipes
from toonforge.testing.dependencies import names_in_model, names_in_recipe
from toonforge.testing.imports import first_with_torch, import_of
from toonforge.testing.packages import folder_of, imports_of, others, record_of, required, sources_of
from toonforge.testing.public import refusal

if TYPE_CHECKING:
    import pytest


class PluginSuite:
    """An installed plugin by its entry point's name.

    Attributes:
        plugin: the entry point's name, which is the namespace of all that the plugin supplies.
        wheel: a built wheel of it, whose contents are then looked at too.
        slowest_import: how many times as long as importing toonforge itself the plugin may take to import.
    """

    plugin: ClassVar[str]
    wheel: ClassVar[Path | None] = None
    slowest_import: ClassVar[float] = 5.0

    def __init_subclass__(cls, **more: Any) -> None:
        super().__init_subclass__(**more)
        choose(cls)

    @property
    def record(self) -> PluginRecord:
        """What became of the plugin when it was loaded."""
        return record_of(self.plugin)

    def test_loads(self) -> None:
        record = self.record
        assert record.status == "good", (
            f"{record.distribution} is {record.status}: {record.problem}\n{record.detail or ''}"
        )
        manager = registries.plugins.manager
        hears = [hook.name for hook in manager.get_hookcallers(manager.get_plugin(record.name)) or ()]
        assert record.supplies or not all(name.startswith("toonforge_") for name in hears), (
            f"{record.target} supplies nothing, and listens to no run: mark its hooks with @hookimpl, and let them "
            "return {name: class}"
        )

    def test_states_which_versions_of_toonforge_it_fits(self) -> None:
        ranges = required(self.record)
        own = f"toonforge{core_range(__version__)}"
        assert "toonforge" in ranges, f'its package does not require toonforge: dependencies = ["{own}"]'
        wanted = ranges["toonforge"]
        assert "<" in wanted or "==" in wanted or "~=" in wanted, (
            f'it requires "toonforge{wanted}", any later version too, which may work otherwise: state a range, '
            f'"{own}" (and install it again: metadata is written then)'
        )

    def test_imports_quickly_and_without_torch(self) -> None:
        module = self.record.target.partition(":")[0]
        seen = import_of(module)
        assert not seen.error, f"{module} cannot be imported in a new interpreter:\n{seen.error}"
        assert not seen.torch, (
            f"importing {module} imports torch: import it inside build(), under `if TYPE_CHECKING:` for types"
        )
        brought = f"it brings {', '.join(seen.brought)}: " if seen.brought else ""
        assert seen.own <= self.slowest_import * seen.core, (
            f"importing {module} takes {seen.own:.1f} s, and all of toonforge {seen.core:.1f} s; every command of "
            f"toonforge waits for it. {brought}import what only build() needs inside build()"
        )

    def test_imports_public_modules_alone(self) -> None:
        record = self.record
        strangers = others(record)
        for source in sources_of(record):
            for line, module, name in imports_of(source.read_text("utf-8")):
                top, at = module.partition(".")[0], f"{source.name}, line {line}, imports"
                refused = refusal(module, name) if top == "toonforge" else None
                assert refused is None, f"{at} {module if name is None else f'{name} from {module}'}: {refused}"
                assert top not in strangers, (
                    f"{at} {top}, a plugin of its own ({strangers.get(top)}): "
                    "plugins meet in recipes, by name; what several need is toonforge.nn's or a package of its own"
                )

    def test_is_typed(self) -> None:
        folder = folder_of(self.record)
        assert folder is None or (folder / "py.typed").is_file(), (
            f"put an empty file py.typed into {folder}: without it type checkers of others see nothing of your types"
        )

    def test_everything_is_described(self) -> None:
        for kind, names in self.record.supplies.items():
            for name in names if kind in KINDS else ():
                cls = registries.plugins.registries[kind][name]
                assert (vars(cls).get("__doc__") or "").strip(), (
                    f"{name} ({cls.__name__}) has no docstring of its own: `toonforge list` shows its first line"
                )

    def test_commands_explain_themselves(self) -> None:
        for name in self.record.supplies.get("commands", ()):
            command, _ = registries.plugins.commands[name.rpartition("/")[2]]
            assert (command.help or "").strip(), f"command {name} has no help: give its function a docstring"
            for parameter in command.params:
                described = parameter.param_type_name == "argument" or (getattr(parameter, "help", None) or "").strip()
                assert described, f"option {parameter.opts[0]} of {name} has no help=…"

    def test_files_are_there_and_in_the_package(self) -> None:
        """What is outside the package's folder would be in no wheel."""
        folder = folder_of(self.record)
        for kind in ("recipes", "models"):
            for name in self.record.supplies.get(kind, ()):
                path = Path(registries.plugins.files[kind][name])  # type: ignore[arg-type]
                assert path.is_file(), f"{name} names {path}, and there is no such file"
                assert folder is None or folder.resolve() in path.resolve().parents, (
                    f"{name} lies at {path}, outside the package {folder}: a wheel would not have it"
                )

    def test_recipes_use_what_is_required(self) -> None:
        """A packaged recipe works wherever the plugin is installed."""
        for name in self.record.supplies.get("recipes", ()):
            try:
                used = [*names_in_recipe(name)]
            except ToonforgeError as error:
                raise AssertionError(f"packaged recipe {name} does not check:\n{error}") from error
            self._assert_required(f"recipe {name}", used)

    def test_models_use_what_is_required(self) -> None:
        """So does a packaged model."""
        for name in self.record.supplies.get("models", ()):
            try:
                used = [*names_in_model(Path(registries.plugins.models[name]))]  # type: ignore[arg-type]
            except ToonforgeError as error:
                raise AssertionError(f"packaged model {name} cannot be used:\n{error}") from error
            self._assert_required(f"model {name}", used)

    def _assert_required(self, what: str, names: Sequence[str]) -> None:
        from packaging.utils import canonicalize_name

        ranges = required(self.record)
        suppliers = {each.name: each.distribution for each in registries.plugins.records}
        for name in names:
            namespace, slash, _ = name.partition("/")
            supplier = suppliers.get(namespace, f"toonforge-{namespace}")
            assert not slash or namespace == self.plugin or canonicalize_name(supplier) in ranges, (
                f"{what} names {name!r} of {supplier}, which the plugin does not require: add {supplier!r} to its "
                "dependencies, or have one of its own in its place"
            )

    def test_recipes_check_without_torch(self) -> None:
        """As `toonforge check` does, for which components say shapes and what they lack."""
        recipe = first_with_torch(self.record.supplies.get("recipes", ()))
        assert recipe is None, (
            f"checking recipe {recipe} imports torch, which takes seconds: one of its components does so in fit(), "
            "shape(), check() or groups(); these work with numbers alone, and torch belongs into build()"
        )

    def test_everything_is_tested(self, tmp_path_factory: pytest.TempPathFactory) -> None:
        """By a suite of this test session; what none covers is tried with its defaults."""
        record = self.record
        wrong = [text for item in uncovered(record) for text in tried(*item, folders=tmp_path_factory)]
        wrong += [text for name in uncovered_recipes(record) for text in tried_recipe(name, tmp_path_factory)]
        assert not wrong, "\n\n".join(wrong)

    @where("wheel")
    def test_wheel_holds_the_package(self) -> None:
        import zipfile

        assert self.wheel is not None
        held = set(zipfile.ZipFile(self.wheel).namelist())
        folder = folder_of(self.record)
        wanted = [path for path in folder.rglob("*") if path.is_file()] if folder is not None else []
        missing = [
            path.name
            for path in wanted
            if "__pycache__" not in path.parts
            and folder is not None
            and path.relative_to(folder.parent).as_posix() not in held
        ]
        assert not missing, f"{self.wheel.name} lacks {missing}: let the build back end take them into the package"
        entries = [name for name in held if name.endswith(".dist-info/entry_points.txt")]
        assert entries, f"{self.wheel.name} has no entry points: [project.entry-points.toonforge] in pyproject.toml"
        loose = sorted(name for name in held if name.startswith(("tests/", "test/")))
        assert not loose, f"{self.wheel.name} would install {loose[0]} beside everybody's packages: leave tests out"
