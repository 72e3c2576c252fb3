"""What is on its way out still works, says what to use and when it goes, and is gone in time."""

from __future__ import annotations

import ast
import importlib.metadata
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from typing_extensions import deprecated

import toonforge
from toonforge import (
    Deprecation,
    Expr,
    Generator,
    Loss,
    Shape,
    ToonforgeDeprecationWarning,
    component,
    deprecation,
    load_recipe,
    param,
)
from toonforge.cli import deprecations, main
from toonforge.components import changed, deprecation_of, fields_of
from toonforge.deprecation import OldName
from toonforge.ops.gray import Gray
from toonforge.recipe import dump, loads
from toonforge.registries import plugins
from toonforge.registry import Provenance

ROOT = Path(__file__).parent.parent
OURS = Provenance(plugin="outdated", distribution="toonforge-outdated", version="1.0")
LATER = "toonforge-outdated 2.0"


@component
class Net(Generator):
    """A generator with an old key."""

    width: int = param(4, doc="channels")
    filters: int | None = param(None, doc="channels", deprecated=Deprecation(use="`width`", gone_in=LATER))
    modes: tuple[str, ...] = param(lambda: ("a",), doc="modes", deprecated=Deprecation(use="nothing", gone_in=LATER))

    def shape(self, *inputs: Shape) -> Shape:
        return inputs[0]


@component
class OldNet(Net):
    """The same under its old name."""

    deprecated: ClassVar[Deprecation | None] = Deprecation(use="outdated/net", gone_in=LATER)


@component
class Derived(OldNet):
    """Of a class that goes, but not going itself."""


@component
class OldGray(Gray):
    """An op under its old name."""

    deprecated: ClassVar[Deprecation | None] = Deprecation(use="gray", gone_in=LATER)


@component
class Several(Loss):
    """A loss of several expressions."""

    parts: tuple[Expr, ...] = param(doc="whatever")

    def check(self, **shapes: Any) -> None:
        pass


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = plugins.registries["generators"]
    list(registry)
    items: dict[str, Any] = {
        "outdated/net": (Net, OURS),
        "outdated/old": (OldNet, OURS),
        "outdated/sub": (Derived, OURS),
    }
    monkeypatch.setattr(registry, "_items", {**registry._items, **items})
    losses = plugins.registries["losses"]
    monkeypatch.setattr(losses, "_items", {**losses._items, "outdated/several": (Several, OURS)})
    ops = plugins.registries["ops"]
    monkeypatch.setattr(ops, "_items", {**ops._items, "outdated/gray": (OldGray, OURS)})


def recipe(network: str) -> str:
    return f'extends = "cyclegan/cyclegan"\n[generators]\nG = {network}\n'


def told(text: str, *overrides: str) -> list[str]:
    """The warnings of a recipe, as Python shows them."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        loads(text, "my.toml", overrides)
    return [f"{each.filename}:{each.lineno}: {each.message}" for each in found]


def test_an_old_key_of_a_recipe_works_and_is_told_with_its_line() -> None:
    text = recipe('{ type = "outdated/net", filters = 8 }')
    assert told(text) == ["my.toml:3: generators.G.filters: deprecated: use `width`; it goes in toonforge-outdated 2.0"]
    with pytest.warns(ToonforgeDeprecationWarning) as found:
        loaded: Any = loads(text, "my.toml")
    assert loaded.generators["G"].filters == 8
    (warning,) = found.list
    assert str(warning.message.problem.where) == "my.toml:3:30"  # type: ignore[union-attr]


def test_an_old_type_is_told_where_it_is_written() -> None:
    (warning,) = told(recipe('{ type = "outdated/old" }'))
    assert warning == "my.toml:3: generators.G.type: deprecated: use outdated/net; it goes in toonforge-outdated 2.0"


def test_an_old_op_in_an_array_is_told_in_its_place() -> None:
    text = (
        'extends = "cyclegan/cyclegan"\n[phases.generators.losses.same]\ntype = "outdated/several"\n'
        'parts = [\n"G(photo)",\n"outdated/gray(G(photo))"]\n'
    )
    (warning,) = told(text)
    assert warning.startswith("my.toml:6: phases.generators.losses.same.parts[1]: op 'outdated/gray' is deprecated")


def test_one_of_several_processes_tells_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, said = tmp_path / "my.toml", []
    file.write_text(recipe('{ type = "outdated/old" }'))
    monkeypatch.setattr("click.echo", lambda text, err: said.append(text))
    for rank in ("1", "0"):
        monkeypatch.setenv("WORLD_SIZE", "2")
        monkeypatch.setenv("RANK", rank)
        with warnings.catch_warnings(), deprecations.told():
            warnings.simplefilter("always")
            load_recipe(file)
        assert len(said) == (rank == "0")


def test_an_old_op_is_told_once_for_each_expression_that_calls_it() -> None:
    text = (
        'extends = "cyclegan/cyclegan"\n[signals]\ngray_anime = "outdated/gray(outdated/gray(G(photo)))"\n'
        '[phases.generators.losses.same]\ntype = "l1"\ninput = "gray_anime"\ntarget = "gray(outdated/gray(photo))"\n'
    )
    say = "op 'outdated/gray' is deprecated: use gray; it goes in toonforge-outdated 2.0"
    assert told(text) == [
        f"my.toml:3: signals.gray_anime: {say}",
        f"my.toml:7: phases.generators.losses.same.target: {say}",
    ]
    assert told(text.replace("outdated/gray", "gray")) == []


def test_a_key_counts_where_it_is_written_whatever_its_value() -> None:
    assert len(told(recipe('{ type = "outdated/net", modes = ["a"] }'))) == 1
    assert told(recipe('{ type = "outdated/net", width = 8 }')) == []


def test_an_override_is_told_as_one() -> None:
    (warning,) = told(recipe('{ type = "outdated/net" }'), "generators.G.filters=3")
    assert warning.startswith("--set:1: generators.G.filters: deprecated")


def test_python_shows_it_unasked() -> None:
    with warnings.catch_warnings(record=True) as found:
        warnings.resetwarnings()
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("default", category=DeprecationWarning, module="__main__")  # Python's own two, in order
        loads(recipe('{ type = "outdated/net", filters = 8 }'), "my.toml")
    assert [each.lineno for each in found] == [3]


def test_of_a_derived_component_nothing_is_told() -> None:
    assert told(recipe('{ type = "outdated/sub" }')) == []
    assert deprecation_of(OldNet) is not None and deprecation_of(Derived) is None


def test_what_is_written_of_a_recipe_loads_without_a_warning() -> None:
    written = dump(loads(recipe('{ type = "outdated/net" }')))
    assert "filters" not in written and "modes" not in written
    assert told(written) == []
    with pytest.warns(ToonforgeDeprecationWarning):
        kept = dump(loads(recipe('{ type = "outdated/net", filters = 8 }')))
    assert "filters = 8" in kept


def test_python_that_gives_an_old_field_is_told_at_its_line() -> None:
    with pytest.warns(
        ToonforgeDeprecationWarning, match=r"Net\.filters is deprecated: use `width`; it goes in"
    ) as found:
        Net(filters=2)
    assert found.list[0].filename == __file__


def test_python_that_makes_an_old_component_is_told_at_its_line() -> None:
    with pytest.warns(ToonforgeDeprecationWarning, match="OldNet is deprecated: use outdated/net") as found:
        made = OldNet(width=2)
    assert [each.filename for each in found.list] == [__file__] and made.width == 2


def test_copies_say_nothing_again() -> None:
    with pytest.warns(ToonforgeDeprecationWarning):
        net, old = Net(filters=2), OldNet()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert changed(net, width=3).filters == 2
        assert isinstance(old.tiny(), OldNet)
        Net(width=3), Derived(), type("Plain", (OldNet,), {})()


def test_a_deprecated_field_cannot_be_required() -> None:
    with pytest.raises(TypeError, match="needs a default"):
        param(doc="x", deprecated=Deprecation(use="y", gone_in=LATER))


def test_an_old_name_stands_for_the_new_one_and_is_told_where_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    old = OldName(
        home="toonforge.recipe:load", deprecation=Deprecation(use="toonforge.load_recipe", gone_in="toonforge 9.0")
    )
    monkeypatch.setattr(deprecation, "OLD_NAMES", {"toonforge.read_recipe": old})
    with pytest.warns(
        ToonforgeDeprecationWarning, match=r"^toonforge\.read_recipe is deprecated: use toonforge\.load_recipe"
    ) as found:
        assert toonforge.read_recipe is toonforge.load_recipe  # type: ignore[attr-defined]
    with pytest.warns(ToonforgeDeprecationWarning) as also:
        from toonforge import read_recipe  # type: ignore[attr-defined]  # noqa: F401
    assert {each.filename for each in (*found.list, *also.list)} == {__file__}
    with pytest.raises(AttributeError, match="module 'toonforge' has no attribute 'red_recipe'"):
        toonforge.red_recipe  # type: ignore[attr-defined]  # noqa: B018


def test_functions_are_marked_as_pep_702_has_it() -> None:
    @deprecated("use toonforge.load; it goes in toonforge 9.0", category=ToonforgeDeprecationWarning)
    def read() -> int:
        return 3

    with pytest.warns(ToonforgeDeprecationWarning, match=r"^use toonforge\.load") as found:
        assert read() == 3
    assert found.list[0].filename == __file__
    assert Deprecation.parse(read.__deprecated__).gone_in == "toonforge 9.0"  # type: ignore[attr-defined]


def test_a_deprecation_is_read_back_from_its_text() -> None:
    going = Deprecation(use="this; it goes in circles", gone_in="toonforge-x 1.2")
    assert Deprecation.parse(str(going)) == going
    with pytest.raises(ValueError, match="expected 'use WHAT"):
        Deprecation.parse("do not")
    for wrong in ("0.3", "toonforge 3foo", "toonforge soon"):
        with pytest.raises(ValueError, match=f"gone_in: found {wrong!r}"):
            Deprecation(use="x", gone_in=wrong)


@pytest.mark.parametrize(
    ("version", "overdue"), [("0.2.9", False), ("0.3.0", True), ("0.3.0rc1", True), ("0.10", True), ("1.0", True)]
)
def test_it_is_overdue_from_its_version_on(version: str, overdue: bool) -> None:
    going = Deprecation(use="x", gone_in="toonforge 0.3")
    assert going.overdue({"toonforge": version}) == overdue
    assert not going.overdue({"other": version})
    assert Deprecation(use="x", gone_in="Toonforge_Soft 0.3").overdue({"toonforge.soft": version}) == overdue


def test_check_tells_it_and_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "my.toml"
    file.write_text(recipe('{ type = "outdated/old", filters = 8 }'), "utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert main(["check", str(file), str(file), "--no-data"]) == 0
    said = capsys.readouterr()
    assert said.out.count("OK ") == 2
    assert said.err.splitlines() == [
        f"warning: {file}:3:7: generators.G.type: deprecated",
        "  hint:     use outdated/net; it goes in toonforge-outdated 2.0",
        f"warning: {file}:3:30: generators.G.filters: deprecated",
        "  hint:     use `width`; it goes in toonforge-outdated 2.0",
    ]


def test_other_warnings_go_their_usual_way(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(warnings, "showwarning", lambda *words: seen.append(words))
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        before = warnings.showwarning
        with deprecations.told():
            warnings.warn("mine", UserWarning, stacklevel=1)
            warnings.warn(ToonforgeDeprecationWarning("of Python code"), stacklevel=1)
        assert warnings.showwarning is before
    assert [str(words[0]) for words in seen] == ["mine", "of Python code"]


def test_list_and_show_say_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "outdated/*"]) == 0
    listed = " ".join(capsys.readouterr().out.split())  # however wide the terminal is
    assert "outdated/old deprecated: use outdated/net; it goes in toonforge-outdated 2.0" in listed
    assert "outdated/net A generator with an old key." in listed
    assert main(["show", "outdated/net"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "channels; deprecated: use `width`; it goes in toonforge-outdated 2.0" in shown
    assert main(["show", "outdated/old"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "deprecated: use outdated/net; it goes in toonforge-outdated 2.0" in shown


def every_deprecation() -> Iterator[tuple[str, Deprecation]]:
    """All that is on its way out, here and in the plugins of this repository."""
    yield from ((name, old.deprecation) for name, old in deprecation.OLD_NAMES.items())
    for kind, registry in plugins.registries.items():
        for name in registry:
            if (going := deprecation_of(registry[name])) is not None:
                yield f"{kind} {name}", going
            for key, (_, _, info) in fields_of(registry[name]).items():
                if info.deprecated is not None:
                    yield f"{kind} {name}.{key}", info.deprecated
    for path in [*ROOT.glob("toonforge/**/*.py"), *ROOT.glob("plugins/*/src/**/*.py")]:
        for text in marked(path.read_text("utf-8")):
            yield str(path.relative_to(ROOT)), Deprecation.parse(text)


def marked(source: str) -> list[str]:
    """The texts of PEP 702's decorators in some Python."""
    if "@deprecated(" not in source and ".deprecated(" not in source:
        return []
    decorators = [each for node in ast.walk(ast.parse(source)) for each in getattr(node, "decorator_list", ())]
    calls = [
        each for each in decorators if isinstance(each, ast.Call) and ast.unparse(each.func).endswith("deprecated")
    ]
    return [ast.literal_eval(each.args[0]) for each in calls]


def overdue() -> list[str]:
    installed = {each.metadata["Name"]: each.version for each in importlib.metadata.distributions()}
    return [
        name for name, going in every_deprecation() if going.overdue({**installed, "toonforge": toonforge.__version__})
    ]


def test_nothing_is_overdue(monkeypatch: pytest.MonkeyPatch) -> None:
    assert overdue() == []
    late = OldName(
        home="toonforge:load", deprecation=Deprecation(use="x", gone_in=f"toonforge {toonforge.__version__}")
    )
    monkeypatch.setattr(deprecation, "OLD_NAMES", {"toonforge.late": late})
    assert overdue() == ["toonforge.late"]


def test_every_mark_is_found() -> None:
    source = '@deprecated("use x; it goes in toonforge 0.4", category=W)\ndef f(): ...\nclass A:\n    @t.deprecated("b")\n    def g(self): ...\n'
    assert marked(source) == ["use x; it goes in toonforge 0.4", "b"]
