"""Recipes as data: any component with any value, of any size; `check` answers in bounded time and memory."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, get_args, get_origin

import attrs
import tomli
import tomli_w
from hypothesis import strategies as st

from tests import recipe_plugin
from tests.fuzz.fuzzed import fuzzed
from tests.fuzz.test_recipes_as_text import judged
from toonforge import registries
from toonforge.components import Count, fields_of
from toonforge.recipe.expr import Expr, Network

BASE: dict[str, Any] = tomli.loads(recipe_plugin.TEXT)
WORDS = st.sampled_from(
    ["type", "weight", "losses", "updates", "steps", "epochs", "photo", "anime", "G", "signals", "from", "until", "before", "after", "extends"]
)  # fmt: skip
EXPRESSIONS = st.sampled_from(
    ["G(photo)", "F(G(photo))", "photo", "D_anime(photo, 1)", "cat(photo, anime)", "fake_anime", "t/join(photo, photo)", "G", "nobody(photo)",
     "cat(photo, G(photo), 3)", "blur(photo, 1e308)", "pool(fake_anime, 10000000000)", "noise(photo, -1)", "G()", "G(1)", "1", ""]
)  # fmt: skip
TEXTS = (
    EXPRESSIONS
    | st.sampled_from(["${train}", "${train.seed}", "${name}", "$${", "t/gen", "adam", "lsgan", "t/base"])
    | st.text(max_size=6)
)
HUGE = st.sampled_from(
    [
        10**6,
        10**9,
        2**31,
        2**53,
        2**63 - 1,
        2**63,
        10**400,
        -1,
        0,
        1e308,
        -1e308,
        float("nan"),
        float("inf"),
        1e-320,
        -0.0,
    ]
)
SCALARS = st.one_of(
    st.integers(-5, 5), HUGE, st.integers(), st.floats(), st.booleans(), TEXTS, st.dates(), st.datetimes(), st.times()
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | TEXTS, inner, max_size=3), max_leaves=6
)
NETWORKS = st.sampled_from(["G", "F", "D_anime", "D_photo", "nobody"])


@cache
def classes() -> dict[str, dict[str, type]]:
    """Kind -> name -> component, of everything installed."""
    kinds = ("generators", "discriminators", "networks", "losses", "datasets", "metrics", "optimizers", "schedules")
    return {kind: {name: getattr(registries, kind)[name] for name in getattr(registries, kind)} for kind in kinds}


def values_of(kind: Any) -> st.SearchStrategy[Any]:
    """Mostly what a field of this type takes."""
    if kind is bool:
        fitting: st.SearchStrategy[Any] = st.booleans()
    elif kind is int:
        fitting = st.integers(0, 64) | HUGE
    elif kind is float:
        fitting = st.floats(0, 2) | HUGE
    elif kind is Expr:
        fitting = EXPRESSIONS
    elif kind is Network:
        fitting = NETWORKS
    elif kind is Count:
        fitting = st.integers(0, 99) | st.fixed_dictionaries({"epochs": st.integers(0, 9)}) | HUGE
    elif get_origin(kind) is tuple:
        fitting = st.lists(values_of(get_args(kind)[0]), max_size=4)
    elif str(get_origin(kind)) == "typing.Literal":
        fitting = st.sampled_from(get_args(kind))
    elif get_args(kind) and get_origin(kind) not in (dict,):
        fitting = st.one_of(*(values_of(part) for part in get_args(kind) if part is not type(None)))
    else:
        fitting = TEXTS
    return st.integers(0, 9).flatmap(lambda n: VALUES if n == 0 else fitting)


@st.composite
def components(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    """A table of a registered component with some of its fields."""
    name = draw(st.sampled_from(sorted(classes()[kind])))
    table: dict[str, Any] = {"type": name}
    for key, (of, attribute, _) in fields_of(classes()[kind][name]).items():
        if attribute.default is attrs.NOTHING or draw(st.integers(0, 2)) == 0:
            table[key] = draw(values_of(of))
    return table


@st.composite
def recipes(draw: st.DrawFn) -> dict[str, Any]:
    """The base recipe with some components replaced by others, its expressions by others, and huge sizes."""
    data = copy.deepcopy(BASE)
    for _ in range(draw(st.integers(1, 3))):
        table = draw(
            st.sampled_from(
                ["generators", "discriminators", "networks", "data", "metrics", "losses", "train", "signals", "size"]
            )
        )
        if table == "data":
            data["data"] = draw(components("datasets"))
        elif table in ("generators", "discriminators", "networks"):
            name = draw(st.sampled_from(["G", "F", "D_anime", "V"]))
            data.setdefault(table, {})[name] = draw(components(table))
        elif table == "metrics":
            data["metrics"]["m"] = draw(components("metrics"))
        elif table == "losses":
            phase = draw(st.sampled_from(["generators", "discriminators"]))
            data["phases"][phase]["losses"][draw(st.sampled_from(["cycle", "new"]))] = draw(components("losses"))
        elif table == "signals":
            data["signals"][draw(st.sampled_from(["fake_anime", "s", "t"]))] = draw(
                EXPRESSIONS | st.sampled_from(["s", "t", "G(s)", "F(t)"])
            )
        elif table == "train":
            key = draw(st.sampled_from(["optimizer", "schedule"]))
            data["train"][key] = draw(components(f"{key}s"))
        else:
            data["data"]["image_size"] = draw(st.integers(1, 9) | HUGE)
    return data


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from paths(item, (*path, key))


PATHS = list(paths(BASE))


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    """The base recipe with keys replaced, removed, added, or copied from elsewhere."""
    data = copy.deepcopy(BASE)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(PATHS))
        holder: Any = data
        for key in path[:-1]:
            if not isinstance(holder, dict) or key not in holder:
                break
            holder = holder[key]
        if not isinstance(holder, dict) or isinstance(path[-1], int):
            continue
        change = draw(st.sampled_from(["replace", "remove", "add", "copy"]))
        if change == "remove":
            holder.pop(path[-1], None)
        elif change == "add":
            holder[draw(WORDS | TEXTS)] = draw(VALUES)
        elif change == "copy":
            other: Any = BASE
            for key in draw(st.sampled_from(PATHS)):
                other = other[key]
            holder[path[-1]] = copy.deepcopy(other)
        else:
            holder[path[-1]] = draw(VALUES)
    return data


def as_text(data: dict[str, Any]) -> str:
    """TOML; what TOML cannot hold (whole numbers of any length can) is left to the test of texts."""
    return tomli_w.dumps(data)


@fuzzed(mutated().map(as_text), short=100)
def test_a_recipe_with_changed_keys_and_values(text: str) -> str:
    return judged(text)


@fuzzed(recipes().map(as_text), short=100)
def test_a_recipe_with_any_components_and_sizes(text: str) -> str:
    return judged(text)


@fuzzed(
    st.dictionaries(WORDS | TEXTS | st.sampled_from(sorted(BASE)), VALUES, max_size=4).map(
        lambda data: as_text({**data, "extends": "t/base"})
    ),
    short=60,
)
def test_a_document_over_a_packaged_recipe(text: str) -> str:
    return judged(text)


USED = "[phases.generators.losses]\nlast = {type = 't/distance', input = 's%n', target = 's1'}\n"
SNIPPETS = [
    # Signals: chains in both directions, unknown names, trees that double at each step.
    f"[signals]\ns0 = 'photo'\n«s%d = 'G(s%p)'\n»{USED}", f"[signals]\n»s%d = 'G(s%p)'\n«s0 = 'photo'\n{USED}", "[signals]\n«s%d = 'photo'\n»", "[signals]\n«s%d = 'nobody%d'\n»",
    f"[signals]\ns0 = 'photo'\n«s%d = 'cat(s%p, s%p)'\n»{USED}", "[signals]\n«S%d = 'photo'\ns%d = 'photo'\n»", "[signals]\n«s%d = '${signals.s%n}'\n»", "[signals]\n«s%d = 's%n'\n»",
    "[signals]\ns = '«(»'\n", "[signals]\ns = 'cat(«photo, »photo)'\n", "[signals]\n«s%d = 'nobody%d(G, x%d)'\n»",
    # Keys, tables and references that nothing knows.
    "«k%d = 1\n»", "[data]\n«x%d = 1\n»", "[data.fields]\n«x%d = 'a'\n»", "«[[x]]\n»", "«[x%d]\n»", "x = [«[],»]\n", "[x]\n«k%d = '${x}'\n»", "[x]\n«k%d = '${nothing%d}'\n»", "x = [«'${name}',»]\n",
    # Networks, phases, losses, metrics.
    "[generators]\n«N%d = {type = 't/gen'}\n»", "[generators]\n«N%d = {type = 'nobody'}\n»", "[generators]\n«N%d = {type = 't/gen', nothing = 1}\n»", "[generators]\n«N%d = 1\n»",
    "«[phases.p%d]\nupdates = ['G']\nlosses = {}\n»", "«[phases.p%d]\nafter = 'p%p'\n»", "«[phases.p%d]\nbefore = 'p%n'\n»",
    "«[phases.p%d]\nafter = 'generators'\nupdates = ['G']\nlosses = {a = {type = 't/judged', logits = 'D_anime(fake_anime)', real = true}}\n»",
    "[phases.big]\nupdates = [«'G',»]\nlosses = {}\n", "[phases.big]\nupdates = [«'x%d',»]\nlosses = {}\n", "[train]\ntrackers = [«'x%d',»]\n",
    "[phases.big]\nupdates = ['G']\n[phases.big.losses]\n«l%d = {type = 't/judged', logits = 'D_anime(fake_anime)', real = true}\n»",
    "[phases.big]\nupdates = ['G']\n[phases.big.losses]\n«l%d = {type = 't/judged', logits = 'D_anime(%d)'}\n»",
    "[phases.big]\nupdates = ['G']\n[phases.big.losses]\n«l%d = {type = 't/penalty', discriminator = 'x%d'}\n»",
    "[translations]\n«t%d = 'G(photo)'\n»", "[translations]\n«t%d = 'G(nobody)'\n»", "[metrics]\n«m%d = { type = 't/kid', generated = 'G(photo)', reference = 'anime' }\n»",
    # Long texts.
    "x = '«a»'\n", "name = '«a»'\n", "«# %d\n»", "x = '''«''»'''\n", 'x = """«\\n»"""\n', "[generators.G]\nnorm = '«a»'\n", "extends2 = '«a/»'\n", "«a.»a = 1\n", "x = «[»\n", "x = 1«0»\n", "[«a.»b]\n",
]  # fmt: skip
"""What `swollen` makes a recipe large with."""


def swollen(snippet: str, count: int) -> str:
    """A recipe with a snippet in which «…» is repeated: %d counts up, or down in »…«; %p is one less, %n one more."""
    down = "»" in snippet.split("«")[0]
    opened, closed = ("»", "«") if down else ("«", "»")
    start, rest = snippet.split(opened)
    body, end = rest.split(closed)
    counted = {"%d": 0, "%p": -1, "%n": 1}

    def at(text: str, number: int) -> str:
        return re.sub("%[dpn]", lambda found: str(number + counted[found[0]]), text)

    numbers = range(count, 0, -1) if down else range(1, count + 1)
    many = "".join(at(body, number) for number in numbers) if "%" in body else body * count
    return f'extends = "t/base"\n{start}{many}{at(end, count - 1)}'


@st.composite
def large(draw: st.DrawFn) -> str:
    """A recipe with one of the snippets a few times, or as often as goes into it."""
    snippet = draw(st.sampled_from(SNIPPETS))
    return swollen(snippet, min(draw(st.sampled_from([40, 400, 900, 10**6])), largest(snippet)))


def largest(snippet: str) -> int:
    """How often a snippet goes into the megabyte that a recipe may have."""
    return int(950_000 / (len(swollen(snippet, 100_000)) / 100_000))


@fuzzed(large(), short=5, share=0.1, corpus=[swollen(snippet, 900) for snippet in SNIPPETS])
def test_a_recipe_as_large_as_one_may_be(text: str) -> str:
    return judged(text)
