"""Nothing is without documentation: no hook, component, key, command, op or table of a recipe, nor a packaged recipe.

Each test asks for what is missing by a function that is itself tried on something that is.
"""

from __future__ import annotations

import itertools
import re
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import attrs
import click
import pytest

from toonforge import registries
from toonforge.cli.group import VERBS, toonforge
from toonforge.components import KINDS, Component, Count, Loss, component, fields_of, param
from toonforge.errors import RecipeError
from toonforge.plugins import hookspecs
from toonforge.plugins.loader import KNOWN_PLUGINS
from toonforge.recipe import load
from toonforge.recipe.compose import compose
from toonforge.recipe.expr import MAX_DEPTH, MAX_LENGTH, Expr, ExprError, Network
from toonforge.recipe.initial import InitialWeights
from toonforge.recipe.model import RULES, Phase, Recipe, Term, Train
from toonforge.recipe.scope import MAX_NAME, MAX_NESTING
from toonforge.recipe.structure import structure

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"


@cache
def text(page: Path) -> str:
    return page.read_text("utf-8") if page.is_file() else ""


# -- hooks ------------------------------------------------------------------------------------------------------------


def hooks() -> dict[str, Callable[..., Any]]:
    return {name: hook for name, hook in vars(hookspecs).items() if hasattr(hook, "toonforge_spec")}


def page_of_hook(name: str) -> Path:
    return DOCS / "how-to" / "plugins" / f"{name.removeprefix('toonforge_')}.md"


def hooks_without_a_page(names: Iterable[str]) -> list[str]:
    """Hooks that supply something and whose page has no plugin with them, and run hooks that theirs does not list."""
    listeners = text(DOCS / "how-to" / "plugins" / "run-hooks.md")
    missing = []
    for name in names:
        if name.startswith("toonforge_"):
            documented = f"@hookimpl\ndef {name}(" in text(page_of_hook(name))
        else:
            documented = f"\n| `{name}(" in listeners
        missing += [] if documented else [name]
    return missing


def test_every_hook_has_a_page() -> None:
    assert len(hooks()) > 20
    assert hooks_without_a_page(hooks()) == []


def test_a_hook_without_a_page_is_found() -> None:
    assert hooks_without_a_page(["toonforge_brushes", "brush_dropped", "run_started"]) == [
        "toonforge_brushes",
        "brush_dropped",
    ]


def test_every_hook_says_what_it_is() -> None:
    assert [name for name, hook in hooks().items() if not (hook.__doc__ or "").strip()] == []


def test_the_index_of_plugins_names_every_hook_that_supplies_something() -> None:
    index = text(DOCS / "how-to" / "write-a-plugin.md")
    assert [name for name in hooks() if name.startswith("toonforge_") and f"`{name}`" not in index] == []


# -- components -------------------------------------------------------------------------------------------------------


def components() -> Iterator[tuple[str, str, type[Component]]]:
    """(kind, name, class) of the core's and of this repository's plugins."""
    for kind in KINDS:
        registry = registries.plugins.registries[kind]
        for name in registry:
            if "/" not in name or name.split("/")[0] in KNOWN_PLUGINS:
                yield kind, name, registry[name]


def undocumented(kind: str, name: str, cls: type[Component]) -> list[str]:
    """What is missing of a component: its docstring, its section in the reference, fields without a word."""
    page = text(REFERENCE / "components" / f"{kind}.md")
    section = re.search(rf"^## `{re.escape(name)}`$(.*?)(?=^## |\Z)", page, re.M | re.S)
    missing = [] if (cls.__doc__ or "").strip() else [f"{name} has no docstring"]
    missing += [] if section else [f"{name} is not in docs/reference/components/{kind}.md"]
    for key, (_, _, info) in fields_of(cls).items():
        missing += [] if info.doc.strip() else [f"{name}: {key} has no doc"]
        row = f"| `{key}` | " in (section[1] if section else "")
        missing += [] if row or section is None else [f"{name}: {key} is not in the reference"]
    return missing


def test_every_component_and_each_of_its_keys_is_documented() -> None:
    found = list(components())
    assert {kind for kind, _, _ in found} == set(KINDS)
    assert list(itertools.chain.from_iterable(undocumented(*each) for each in found)) == []


def test_a_component_without_documentation_is_found() -> None:
    @component
    class L1(Loss):
        input: Expr = param(doc=" ")
        softness: float = param(1.0, doc="how soft")

    L1.__doc__ = None
    assert undocumented("losses", "new/l1", L1) == [
        "new/l1 has no docstring",
        "new/l1 is not in docs/reference/components/losses.md",
        "new/l1: input has no doc",
    ]
    assert "l1: softness is not in the reference" in undocumented("losses", "l1", L1)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_a_how_to_that_names_its_base_class_and_suite(kind: str) -> None:
    page = text(page_of_hook(f"toonforge_{kind}"))
    assert f"type[{KINDS[kind].__name__}]" in page
    assert re.search(r"^from toonforge\.testing import \w+Suite$", page, re.M)


def test_every_op_is_in_the_language() -> None:
    page = text(REFERENCE / "recipe-language.md")
    assert [name for name in registries.ops if "/" not in name and f"| `{name}` | " not in page] == []


# -- tables and keys of recipes ---------------------------------------------------------------------------------------


def tables() -> dict[str, list[str]]:
    """Heading or place in the page -> keys, as the model has them."""
    model: Mapping[str, type] = {"phase": Phase, "term": Term, "train": Train, "weights": InitialWeights}
    keys = {name: [key for key in fields_of(cls) if (name, key) != ("term", "loss")] for name, cls in model.items()}
    for key, (kind, _, _) in fields_of(Train).items():
        if kind in RULES:
            keys[key] = list(fields_of(kind))
    return keys


def undocumented_keys(known: Mapping[str, Iterable[str]], page: str) -> list[str]:
    """Keys without a row in their table's generated part."""
    missing = []
    for name, keys in known.items():
        found = re.search(rf"<!-- generated: {name} -->(.*?)<!-- end -->", page, re.S)
        missing += [f"{name}.{key}" for key in keys if found is None or f"\n| `{key}` | " not in found[1]]
    return missing


def test_every_table_of_a_recipe_is_documented_with_every_key() -> None:
    known = tables()
    assert {"log", "checkpoint", "samples", "metrics"} < known.keys()
    assert undocumented_keys(known, text(REFERENCE / "recipe-language.md")) == []


def test_a_key_without_documentation_is_found() -> None:
    known = {"train": ["steps", "stepps"], "brushes": ["hair"]}
    page = text(REFERENCE / "recipe-language.md")
    assert undocumented_keys(known, page) == ["train.stepps", "brushes.hair"]


def test_every_part_of_a_recipe_stands_in_its_overview() -> None:
    page = text(REFERENCE / "recipe-language.md")
    overview = page[: page.index("\n## ")]
    parts = [*fields_of(Recipe), "extends"]
    assert [part for part in parts if not re.search(rf"`(\[)?{part}(\]|\.NAME\])?`", overview)] == []
    assert [f"## `[{part}" for part in ("data", "signals", "phases", "train", "translations", "metrics") if f"\n## `[{part}" not in page] == []  # fmt: skip


def test_keys_that_only_composition_knows_are_documented() -> None:
    page = text(REFERENCE / "recipe-language.md")
    for key in ("before", "after", "extends", *(field.name for field in attrs.fields(Count))):
        assert re.search(rf"`{key}\b|{{ {key} = ", page), key


# -- the grammar ------------------------------------------------------------------------------------------------------


def grammar() -> dict[str, str]:
    """Rule -> its right side, as the page has it."""
    (rules,) = re.findall(r"^```ebnf\n(.*?)^```$", text(REFERENCE / "recipe-language.md"), re.M | re.S)
    return dict(re.findall(r"^(\w+) *= (.*)$", rules, re.M))


def pattern(rule: str, rules: Mapping[str, str], depth: int) -> str:
    """A rule as a regular expression; calls nested `depth` deep."""
    if rule == "call" and depth == 0:
        return "(?!)"  # fits nothing
    between = r"\s*" if rule in ("call", "expression") else ""
    made = ""
    for token in re.findall(r'"[^"]*" … "[^"]*"|"[^"]*"|\w+|[\[\]{}()|]', rules[rule]):
        if " … " in token:
            made += f"[{token[1]}-{token[-2]}]"
        elif token.startswith('"'):
            made += f"{between}{re.escape(token[1:-1])}{between}"
        elif token in "[{(":
            made += "(?:"
        elif token in "]})":
            made += {"]": ")?", "}": ")*", ")": ")"}[token]
        elif token == "|":
            made += "|"
        else:
            inner = pattern(token, rules, depth - (rule == "call"))
            ends = r"(?![\w/])" if token == "number" else ""  # as the page says below the grammar
            made += f"(?:{between}{inner}{ends}{between})"
    return made


def parses(written: str) -> bool:
    try:
        Expr.parse(written)
    except ExprError:
        return False
    return True


@pytest.mark.parametrize("alphabet", ["a1(),-/ ", "a1.e+-,"])
def test_the_grammar_is_the_parsers(alphabet: str) -> None:
    """Of every text of up to five of these characters the page's grammar allows those that are parsed."""
    allowed = re.compile(rf"(?:{pattern('expression', grammar(), 2)})\Z")
    assert "A number ends where neither a letter, a digit, `_` nor `/` follows." in text(
        REFERENCE / "recipe-language.md"
    )
    for length in range(6):
        for letters in itertools.product(alphabet, repeat=length):
            written = "".join(letters)
            expected = allowed.match(written) is not None
            assert parses(written) == expected, f"{written!r}: parsed {parses(written)}, the grammar says {expected}"


@pytest.mark.parametrize("written", ["f(g(a), -1.5e+3)", " cat ( a , b ) ", "soft/trail-2(a, .5)", "f()", "_x9", "7."])
def test_the_grammar_allows_longer_texts_that_are_parsed(written: str) -> None:
    assert re.match(rf"(?:{pattern('expression', grammar(), 3)})\Z", written) and parses(written)


@pytest.mark.parametrize("written", ["a b", "f(a", "f(a,)", "a.b", "1a", "f(1/2)", "a + b", "-a", "a//b", "f(a)(b)"])
def test_the_grammar_refuses_what_is_not_parsed(written: str) -> None:
    assert not re.match(rf"(?:{pattern('expression', grammar(), 3)})\Z", written) and not parses(written)


def test_the_limits_of_expressions_are_those_of_the_page() -> None:
    page = " ".join(text(REFERENCE / "recipe-language.md").split())
    assert f"at most {MAX_LENGTH:,} characters and calls at most {MAX_DEPTH} deep" in page
    assert f"at most {MAX_NESTING} levels" in page
    assert f"at most {MAX_NAME} and no digit first" in page


# -- commands ---------------------------------------------------------------------------------------------------------


def commands(group: click.Group, above: click.Context, name: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every verb, and every one below it: "data frames"."""
    for verb in VERBS if group is toonforge else group.list_commands(above):
        command = group.get_command(above, verb)
        assert command is not None
        whole = f"{name} {verb}".strip()
        yield whole, command
        if isinstance(command, click.Group):
            yield from commands(command, click.Context(command, info_name=verb, parent=above), whole)


def prose() -> str:
    """Everything that people write: the README and all pages but the generated one."""
    pages = [ROOT / "README.md", *DOCS.rglob("*.md")]
    return "\n".join(text(page) for page in pages if page != REFERENCE / "command-line.md")


def commands_without_a_word(names: Iterable[str], reference: str, pages: str) -> list[str]:
    """Verbs without their help in the reference, or that no page tells anybody to use."""
    missing = []
    for name in names:
        if not re.search(rf"^##+ {re.escape(name)}$", reference, re.M):
            missing.append(f"{name} is not in docs/reference/command-line.md")
        # A table of verbs may name the group in its heading: `toonforge data VERB`, then `frames`.
        *_, last = name.split()
        if not re.search(rf"toonforge {re.escape(name)}\b|`{re.escape(last)}`", pages):
            missing.append(f"no page says what {name} is for")
    return missing


def test_every_command_is_documented() -> None:
    names = [name for name, _ in commands(toonforge, click.Context(toonforge))]
    assert len(names) > len(VERBS)
    assert commands_without_a_word(names, text(REFERENCE / "command-line.md"), prose()) == []


def test_a_command_without_documentation_is_found() -> None:
    pages = text(REFERENCE / "command-line.md"), prose()
    assert commands_without_a_word(["run", "sharpen"], *pages) == [
        "sharpen is not in docs/reference/command-line.md",
        "no page says what sharpen is for",
    ]


def test_every_command_and_option_has_a_help_text() -> None:
    for name, command in commands(toonforge, click.Context(toonforge)):
        assert (command.help or "").strip(), name
        for option in command.params:
            if isinstance(option, click.Option) and not option.hidden:
                assert (option.help or "").strip(), f"{name} {option.opts[0]}"


# -- packaged recipes -------------------------------------------------------------------------------------------------


def test_every_packaged_recipe_says_how_to_run_it_and_a_page_tells_of_it() -> None:
    methods = text(REFERENCE / "methods.md")
    told = "\n".join([methods, *map(text, (DOCS / "explanation").glob("*.md"))])
    for name in registries.recipes:
        namespace, _, short = name.partition("/")
        if namespace in KNOWN_PLUGINS:
            header = Path(registries.recipes[name]).read_text("utf-8")  # type: ignore[arg-type]
            assert f"toonforge run {name}\n" in header, name
            assert f"{name}`" in told or (f"`{namespace}/" in methods and f"`/{short}`" in methods), name


class Table:
    """A table with fixed keys and no `type`."""


ROWS: Mapping[Any, str] = {
    int: "integer, number",
    float: "integer, number",
    bool: r"true \| false",
    str: "text",
    Literal: r'`"a"` \| `"b"`',
    Path: "path",
    tuple: "`[number, number]`, `[text, …]`",
    Mapping: "`{ name = … }`",
    Count: "count",
    Expr: "expression",
    Network: "network's name",
    Component: "component",
    Table: "table",
    type(None): "none",
}
"""What a type is made of -> the row of the page's table of values that explains it."""


def parts_of(kind: Any) -> Iterator[Any]:
    """What a type is made of, as `ROWS` has it; another type as it is."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        yield from itertools.chain.from_iterable(map(parts_of, inner))
    elif origin is Literal:
        yield Literal
    elif origin is not None:
        yield origin
        yield from itertools.chain.from_iterable(parts_of(each) for each in inner if each is not ...)
    else:
        components = isinstance(kind, type) and issubclass(kind, Component)
        yield (Component if kind.kind else Table) if components else kind


def unexplained(name: str, cls: type) -> list[str]:
    """Fields of which no row explains the type, or some part of it."""
    kinds = [(key, part) for key, (kind, _, _) in fields_of(cls).items() for part in parts_of(kind)]
    return [f"{name}: {key} is {part}" for key, part in kinds if part not in ROWS]


def test_the_language_explains_every_type_that_a_field_has() -> None:
    table = re.search(
        r"^## Values\n\n\|[^\n]*\n\|[^\n]*\n((?:\|[^\n]*\n)+)", text(REFERENCE / "recipe-language.md"), re.M
    )
    assert table is not None
    rows = re.findall(r"^\| (.+?) \|", table[1], re.M)
    assert sorted(rows) == sorted(set(ROWS.values()))
    tables = [(cls.__name__, cls) for cls in (Recipe, Phase, Term, Train, InitialWeights, *RULES)]
    for name, cls in [*tables, *((name, cls) for _, name, cls in components())]:
        assert unexplained(name, cls) == []


def test_a_type_that_no_row_explains_is_found() -> None:
    @component
    class Odd(Loss):
        """A loss."""

        shades: tuple[complex, ...] | None = param(None, doc="of a colour")

    assert unexplained("new/odd", Odd) == ["new/odd: shades is <class 'complex'>"]


def test_every_example_of_the_language_is_structured() -> None:
    """Keys, types and expressions of each block of TOML; what its names mean, another recipe would have to say."""
    page = text(REFERENCE / "recipe-language.md")
    examples = re.findall(r"^```toml\n(.*?)^```$", page, re.M | re.S)
    assert len(examples) > 5
    for example in examples:
        text_of = f'extends = "cyclegan/cyclegan"\n{example}'
        structure(compose(text_of.encode(), "example", Path(), None))


def mistakes() -> list[tuple[str, str]]:
    """(change of cyclegan/cyclegan, what is told of it), as the page has them."""
    (rows,) = re.findall(r"^<!-- mistakes -->\n(.*?)^<!-- end -->", text(REFERENCE / "recipe-language.md"), re.M | re.S)
    found: list[tuple[str, str]] = re.findall(r"^\| `(.*?)` \| (.*) \|$", rows, re.M)
    return found


@pytest.mark.parametrize(("change", "told"), mistakes(), ids=[change.split("=")[0] for change, _ in mistakes()])
def test_the_check_tells_of_a_mistake_as_the_page_says(change: str, told: str) -> None:
    with pytest.raises(RecipeError) as caught:
        load("cyclegan/cyclegan", [change])
    assert any(told in problem.message for problem in caught.value.problems), str(caught.value)


def test_the_page_has_mistakes_of_many_kinds() -> None:
    assert len(mistakes()) > 12
