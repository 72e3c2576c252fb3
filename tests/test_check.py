"""What is known before torch is imported: names, arity, phases, reach, data fields, shapes."""

from __future__ import annotations

import subprocess
import sys
import time

import attrs
import pytest

from tests import recipe_plugin as t
from toonforge import Count
from toonforge.errors import FieldError, RecipeError
from toonforge.recipe import loads
from toonforge.recipe.check import check
from toonforge.recipe.limits import MAX_NUMBERS
from toonforge.recipe.model import LogRule


@pytest.fixture(autouse=True)
def registered() -> None:
    t.register()


def signal(text: str) -> str:
    """The base recipe with another first signal."""
    return t.changed(('fake_anime = "G(photo)"', f'fake_anime = "{text}"'))


def extra_loss(text: str) -> str:
    """The base recipe with one more loss in its first phase."""
    return t.changed(("fool_anime = {", f"more = {text}\nfool_anime = {{"))


# names


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("G(phto)", "unknown name 'phto'", "did you mean 'photo'?"),
        ("g(photo)", "unknown function 'g'", "did you mean 'G'?"),
        ("t/bufer(photo)", "unknown function 't/bufer'", "did you mean 't/buffer'?"),
        ("absent/op(photo)", "unknown function 'absent/op'", "pip install ./plugins/absent"),
        ("G(photo(anime))", "'photo' is a field of the data set, not a network or an op", "write photo"),
        ("G(F)", "'F' is a network, not a tensor", "call it: F(...)"),
        ("G(cat)", "'cat' is an op, not a tensor", "call it: cat(...)"),
    ],
)
def test_unknown_names_are_errors_with_a_suggestion(text: str, message: str, hint: str) -> None:
    problem = t.problem(signal(text))
    assert problem.message == message and hint in str(problem.hint)
    assert problem.key == "signals.fake_anime" and problem.where is not None
    assert problem.where.line == t.line_of("fake_anime =")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("t/buffer()", "t/buffer takes 1 to 2 arguments, not 0"),
        ("t/buffer(photo, 1, 2)", "t/buffer takes 1 to 2 arguments, not 3"),
        ("t/join(photo)", "t/join takes 2 or more arguments, not 1"),
        ("G()", "G takes a tensor first"),
        ("G(1)", "G takes a tensor first"),
        ("G(photo, 1, anime)", "numbers come after the tensors"),
        ("G(photo, 1, 2)", "G does not take 3 arguments"),
        ("t/join(photo, 1)", "takes no numbers"),
    ],
)
def test_wrong_arity_and_numbers_are_refused(text: str, words: str) -> None:
    found = t.problems(signal(text))
    assert words in str(found[0]) and found[0].key == "signals.fake_anime"


def test_a_network_may_take_a_number_where_its_shape_does() -> None:
    assert loads(signal("G(photo, 1)")).signals["fake_anime"].text == "G(photo, 1)"


@pytest.mark.parametrize(
    ("pair", "key"),
    [
        (("fake_photo = ", "photo = "), "signals.photo"),
        (('fake_photo = "F(anime)"', 'fake_photo = "F(anime)"\nG = "photo"'), "signals.G"),
        (('fake_photo = "F(anime)"', 'fake_photo = "F(anime)"\ncat = "photo"'), "signals.cat"),
        (("D_photo = {", 'G = { type = "t/disc" }\nD_photo = {'), "discriminators.G"),
    ],
)
def test_one_name_means_one_thing(pair: tuple[str, str], key: str) -> None:
    found = t.problems(t.changed(pair))
    assert any(problem.key == key and "already taken" in problem.message for problem in found)


def test_names_are_identifiers() -> None:
    for pair, key in (
        (('fake_photo = "F', '"fake photo" = "F'), 'signals."fake photo"'),
        (("cycle = {", "cycle-photo = {"), "phases.generators.losses.cycle-photo"),
        (("distance = {", '"../x" = {'), 'metrics."../x"'),
        (("distance = {", f"{'x' * 65} = {{"), f"metrics.{'x' * 65}"),
    ):
        found = t.problems(t.changed(pair))
        assert any(problem.message == "not a name" and problem.key == key for problem in found)


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "x" * 101, "a\\\\b"])
def test_the_recipes_name_must_do_for_a_folder(name: str) -> None:
    assert t.problem(t.changed(('name = "base"', f'name = "{name}"'))).key == "name"


def test_networks_that_differ_only_in_case_are_refused() -> None:
    text = t.changed(
        ("F = {", 'g = { type = "t/gen" }\nF = {'), ('photo = "F(anime)"\n\n[m', 'photo = "g(anime)"\n\n[m')
    )
    assert any("differ only in case" in problem.message for problem in t.problems(text))


def test_a_loss_that_takes_a_network_knows_it() -> None:
    loads(extra_loss('{ type = "t/penalty", critic = "D_anime", real = "fake_anime" }'))
    problem = t.problem(extra_loss('{ type = "t/penalty", critic = "D_anim", real = "fake_anime" }'))
    assert problem.message == "unknown network 'D_anim'" and problem.hint == "did you mean 'D_anime'?"


# signals


@pytest.mark.parametrize(
    ("one", "other", "found"),
    [
        ("fake_anime", "G(photo)", "fake_anime -> fake_anime"),
        ("G(fake_photo)", "F(fake_anime)", "fake_anime -> fake_photo -> fake_anime"),
    ],
)
def test_signals_in_a_circle_are_refused(one: str, other: str, found: str) -> None:
    text = t.changed(
        ('fake_anime = "G(photo)"', f'fake_anime = "{one}"'), ('fake_photo = "F(anime)"', f'fake_photo = "{other}"')
    )
    circles = [problem for problem in t.problems(text) if problem.message == "signals in a circle"]
    assert [problem.found for problem in circles] == [found]


@pytest.mark.parametrize("step", ["t/buffer(s{})", "t/join(s{}, photo)"])
def test_a_chain_of_signals_is_refused_where_it_goes_down_too_far(step: str) -> None:
    def chain(length: int) -> str:
        lines = "\n".join(f's{n} = "{step.format(n + 1)}"' for n in range(length))
        loss = '[phases.generators.losses]\ndeep = { type = "t/distance", input = "s0", target = "s0" }'
        signals = ("[signals]", f'[signals]\n{lines}\ns{length} = "F(photo)"')
        return t.changed(signals, ("[phases.generators.losses]", loss))

    assert len(loads(chain(40)).signals) == 43
    found = t.problems(chain(900))
    assert {problem.message for problem in found} == {"nested too deeply"}
    assert found[0].expected == "at most 100"


def test_tables_of_thousands_of_keys_are_refused() -> None:
    lines = "\n".join(f's{n} = "photo"' for n in range(1001))
    problem = t.problem(t.changed(("[signals]", f"[signals]\n{lines}")))
    assert problem.message == "too many keys in one table" and problem.key == "signals"
    assert (problem.found, problem.expected) == ("1,003 keys", "at most 1,000")


def test_of_very_many_mistakes_the_first_are_told() -> None:
    lines = "\n".join(f's{n} = "nobody{n}"' for n in range(900))
    assert len(t.problems(t.changed(("[signals]", f"[signals]\n{lines}")))) == 50
    assert len(t.problems(t.changed(("[data]", "[data]\n" + lines)))) == 50


# phases


def test_a_phase_that_updates_nothing_is_refused() -> None:
    problem = t.problem(t.changed(('updates = ["G", "F"]', "updates = []")))
    assert problem.message == "the phase updates nothing" and problem.key == "phases.generators.updates"


def test_updates_of_unknown_networks_are_refused() -> None:
    unknown, twice = t.problems(t.changed(('updates = ["G", "F"]', 'updates = ["G", "F", "H", "F"]')))
    assert unknown.message == "unknown network 'H'" and unknown.hint == "the networks are G, F, D_anime, D_photo"
    assert unknown.key == "phases.generators.updates[2]" and twice.message == "'F' is named twice"


def test_a_network_that_no_loss_of_the_phase_reaches_is_refused() -> None:
    problem = t.problem(
        t.changed(('updates = ["G", "F"]', 'updates = ["G", "F", "D_anime", "D_photo"]')).replace(
            'logits = "D_photo(fake_photo)"', 'logits = "D_anime(fake_photo)"'
        )
    )
    assert problem.message == "no loss of the phase reaches 'D_photo'"
    assert problem.key == "phases.generators.updates" and "D_photo" in str(problem.hint)


def test_a_loss_of_weight_0_reaches_nothing() -> None:
    text = t.changed(
        ("real = true }\nfool_photo", "real = true, weight = 0 }\nfool_photo"), ("weight = 10", "weight = 0")
    )
    problem = t.problem(text)
    assert problem.message == "no loss of the phase reaches 'G'"
    every = text.replace('"D_photo(fake_photo)", real = true', '"D_photo(fake_photo)", real = true, weight = 0')
    assert t.problem(every).message == "every loss has weight 0"


def test_a_network_field_reaches_its_network() -> None:
    text = t.changed(
        ('{ type = "t/judged", logits = "D_photo(photo)", real = true, weight = 0.5 }',
         '{ type = "t/penalty", critic = "D_photo", real = "photo" }'),
    )  # fmt: skip
    loads(text)


@pytest.mark.parametrize(
    "rule", ["from = 5\nuntil = 5", "from = 6\nuntil = 5", "until = 0", "from = { epochs = 2 }\nuntil = { epochs = 1 }"]
)
def test_a_phase_that_is_never_active_is_refused(rule: str) -> None:
    problem = t.problem(t.changed(("until = { epochs = 150 }", rule)))
    assert problem.message == "the phase is never active" and problem.key == "phases.generators.until"


def test_a_phase_that_begins_after_the_end_is_refused() -> None:
    problem = t.problem(t.changed(("until = { epochs = 150 }", "from = { epochs = 200 }")))
    assert problem.message == "the phase is never active" and problem.key == "phases.generators.from"


def test_a_recipe_without_phases_is_refused() -> None:
    text = TEXT_WITHOUT_PHASES
    assert "the recipe has no phase" in [problem.message for problem in t.problems(text)]


TEXT_WITHOUT_PHASES = t.TEXT[: t.TEXT.index("[phases.generators]")] + t.TEXT[t.TEXT.index("[train]") :]


def test_a_network_that_nothing_uses_is_refused() -> None:
    problem = t.problem(t.changed(("[discriminators]", 'H = { type = "t/gen" }\n[discriminators]')))
    assert problem.message == "the network 'H' is never used" and problem.key == "generators.H"


def test_a_network_that_is_used_but_never_updated_is_frozen() -> None:
    loads(t.changed(('updates = ["G", "F"]', 'updates = ["G"]')))


# train


@pytest.mark.parametrize(("text", "found"), [("epochs = 200\nsteps = 10", "both"), ("", "neither")])
def test_either_steps_or_epochs(text: str, found: str) -> None:
    problem = t.problem(t.changed(("epochs = 200", text)))
    assert problem.key == "train" and problem.found == found and problem.expected == "either `steps` or `epochs`"


@pytest.mark.parametrize("parts", ["processes = 3", "accumulate = 3", "processes = 2\naccumulate = 4"])
def test_a_batch_must_be_cut_evenly(parts: str) -> None:
    problem = t.problem(t.changed(("batch_size = 4", f"batch_size = 4\n{parts}")))
    assert problem.key == "train.batch_size" and "a multiple of" in str(problem.expected)


@pytest.mark.parametrize("rule", ["log", "checkpoint", "samples"])
@pytest.mark.parametrize("value", ["0", "{ epochs = 0 }"])
def test_intervals_are_positive(rule: str, value: str) -> None:
    assert (
        t.problem(t.changed(("batch_size = 4", f"batch_size = 4\n{rule}.every = {value}"))).key == f"train.{rule}.every"
    )


@pytest.mark.parametrize("every", [Count(steps=0), Count(epochs=-0.5), Count(epochs=float("nan"))])
def test_intervals_are_positive_in_python_too(every: Count) -> None:
    with pytest.raises(FieldError, match=r"every: .* greater than 0"):
        LogRule(every=every)


@pytest.mark.parametrize("value", ["0", "1", "1.5", "-0.5"])
def test_the_decay_of_the_average_is_between_0_and_1(value: str) -> None:
    assert t.problem(t.changed(("batch_size = 4", f"batch_size = 4\nema = {value}"))).key == "train.ema"


# data and shapes


def test_fields_that_the_data_set_does_not_yield_are_named() -> None:
    problem = t.problem(extra_loss('{ type = "t/distance", input = "G(photo)", target = "paper" }'))
    assert problem.message == "unknown name 'paper'" and "photo, anime" in str(problem.expected)


def test_translations_need_exactly_one_data_field() -> None:
    text = t.changed(
        ('anime = "G(photo)"\nphoto', 'anime = "G(t/buffer(photo))"\nboth = "t/join(photo, anime)"\nphoto')
    )
    found = {problem.key: problem for problem in t.problems(text)}
    assert found["translations.both"].expected in (
        "an expression of exactly one data field",
        "a picture: 1 or 3 channels, height, width",
    )
    assert "photo" in str(found["translations.both"].found) or "6x" in str(found["translations.both"].found)


def test_channels_are_inferred_through_ops_and_signals() -> None:
    text = t.changed(
        ('logits = "D_anime(fake_anime)"', 'logits = "D_anime(t/join(photo, fake_anime))"'),
        ('"D_anime(anime)"', '"D_anime(t/join(photo, anime))"'),
        ('"D_anime(t/buffer(fake_anime, 50))"', '"D_anime(t/buffer(t/join(photo, fake_anime)))"'),
    )
    recipe = loads(text)
    assert recipe.discriminators["D_anime"].in_channels == 6  # type: ignore[attr-defined]
    assert recipe.discriminators["D_photo"].in_channels == 3  # type: ignore[attr-defined]


def test_one_network_takes_one_number_of_channels() -> None:
    problem = t.problem(t.changed(('"D_anime(anime)"', '"D_anime(t/join(photo, anime))"')))
    assert problem.message == "D_anime is called with different channels"
    assert problem.key == "phases.discriminators.losses.reals_anime.logits"
    assert problem.found == "6 channels in D_anime(t/join(photo, anime))"
    assert problem.expected == "3 channels as in D_anime(fake_anime) at phases.generators.losses.fool_anime.logits"


def test_a_size_that_a_network_refuses_is_named_at_its_expression() -> None:
    found = t.problems(t.changed(("image_size = 64", "image_size = 62")))
    assert found[0].key == "signals.fake_anime" and "G(photo): 62x62 is no multiple of 4" in found[0].message
    assert found[0].found == "3x62x62"
    assert len(found) == 2, "what depends on a refused expression is not reported again"


def test_a_network_that_refuses_to_fit_is_named() -> None:
    found = t.problems(t.changed(("blocks = 6", "in_channels = 4")))
    assert "in_channels is 4, the input has 3" in found[0].message and found[0].key == "signals.fake_anime"


def test_a_loss_that_refuses_its_shapes_is_named() -> None:
    problem = t.problem(extra_loss('{ type = "t/distance", input = "D_anime(anime)", target = "photo" }'))
    assert problem.message == "input and target differ in shape" and problem.key == "phases.generators.losses.more"
    assert problem.found == "input 1x8x8, target 3x64x64"


def test_a_translation_yields_a_picture() -> None:
    problem = t.problem(
        t.changed(('anime = "G(photo)"\nphoto', 'anime = "D_photo(photo)"\nwide = "t/join(photo, photo)"\nphoto'))
    )
    assert problem.key == "translations.wide" and problem.message == "not a picture" and problem.found == "6x64x64"


def doubled(times: int) -> str:
    """Signals of which each is the one before it twice."""
    return 'x0 = "photo"\n' + "".join(f'x{n + 1} = "t/join(x{n}, x{n})"\n' for n in range(times))


def test_a_value_of_absurd_size_is_refused_where_it_begins_to_be() -> None:
    assert 3 * 64 * 64 * 2**15 <= MAX_NUMBERS < 3 * 64 * 64 * 2**16
    problem = t.problem(t.changed(("[signals]", "[signals]\n" + doubled(40))))
    assert problem.key == "signals.x16" and problem.found == "98304x64x64, 98304x64x64"
    assert problem.message == f"t/join(x15, x15): 196608x64x64 is far too large: more than {MAX_NUMBERS:,} numbers"
    loads(t.changed(("[signals]", "[signals]\n" + doubled(15))))


def test_pictures_of_absurd_size_are_refused() -> None:
    found = t.problems(t.changed(("image_size = 64", "image_size = 1000000000")))
    assert found[0].key == "data" and "3x1000000000x1000000000 is far too large" in found[0].message


def test_a_batch_of_absurd_size_is_refused() -> None:
    problem = t.problem(t.TEXT, "train.batch_size=1000000000")
    assert problem.key == "train.batch_size" and "1000000000x3x64x64 is far too large" in problem.message


def test_a_data_set_that_cannot_say_its_fields_is_a_clean_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(t.Folders, "groups", lambda self: 1 / 0)
    problem = t.problem(t.TEXT)
    assert problem.key == "data" and "division by zero" in problem.message


def test_a_component_that_fails_on_shapes_is_a_clean_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(t.Disc, "shape", lambda self, *inputs: 1 / 0)
    assert all("cannot tell the shape" in problem.message for problem in t.problems(t.TEXT))


def test_several_errors_are_reported_at_once() -> None:
    text = t.changed(
        ('fake_anime = "G(photo)"', 'fake_anime = "G(phto)"'),
        ('updates = ["D_anime", "D_photo"]', 'updates = ["D_anime", "D_foto"]'),
        ("epochs = 200", "epochs = 200\nsteps = 3"),
        ('reference = "anime"', 'reference = "anima"'),
    )
    keys = [problem.key for problem in t.problems(text)]
    assert keys == ["signals.fake_anime", "phases.discriminators.updates[1]", "train", "metrics.distance.reference"]


def test_a_recipe_made_in_python_is_checked_without_places() -> None:
    recipe = loads(t.TEXT)
    assert check(recipe) == recipe
    with pytest.raises(RecipeError) as caught:
        check(attrs.evolve(recipe, phases={}))
    assert caught.value.problems[0].where is None


# cost


def test_checking_imports_no_torch_and_takes_less_than_a_tenth_of_a_second() -> None:
    code = (
        "import sys, time; from tests import recipe_plugin as t; t.register(); from toonforge.recipe import load;"
        "load('t/base'); start = time.perf_counter(); load('t/base'); print(time.perf_counter() - start);"
        "assert not {'torch', 'torchvision', 'accelerate', 'rich'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 0.1


def test_a_large_recipe_is_checked_in_seconds() -> None:
    losses = "\n".join(
        f'l{n} = {{ type = "t/distance", input = "G(t/buffer(photo, {n}))", target = "photo" }}' for n in range(500)
    )
    start = time.perf_counter()
    loads(t.changed(("fool_anime = {", f"{losses}\nfool_anime = {{")))
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize("rule", ["log", "checkpoint", "samples", "metrics"])
def test_a_number_in_the_place_of_a_rule_is_told_how_to_be_one(rule: str) -> None:
    problem = t.problem(t.TEXT, f"train.{rule}=10")
    assert problem.key == f"train.{rule}" and problem.hint == "write { every = 10 }"
    assert t.problem(t.TEXT, f"train.{rule}=true").hint is None
    loads(t.TEXT, overrides=[f"train.{rule}={{ every = 10 }}"])
