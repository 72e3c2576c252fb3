"""What a translation has to beat is measured beside it, and nothing is measured twice."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.measured import GROUPS, PAIRS, Apart, BuiltApart, Forgetful, Reads, apart, inference, measuring, networks
from toonforge.components import KnowsProtocol, Metric, component
from toonforge.data.filters.cartoonize import cartoonize
from toonforge.data.seeds import seed_all
from toonforge.data.transforms import to_pictures
from toonforge.errors import Problem, ToonforgeError
from toonforge.metrics import (
    FID,
    KID,
    ContentPreservation,
    CosineDissimilarity,
    Fourier,
    PixelL1,
    WeightedFID,
    feature_metric,
)
from toonforge.recipe.expr import Expr
from toonforge.recipe.graph import Graph
from toonforge.validation import baselines
from toonforge.validation.protocol import of_headline
from toonforge.validation.weights import in_words

photo, anime, made = Expr.parse("photo"), Expr.parse("anime"), Expr.parse("G(photo)")

EXPRESSIONS = ("G(photo)", "F(G(photo))", "V(photo)", "blur(G(photo), 1)", "photo", "anime", "F(anime)", "V(anime)")


# -- nothing is measured twice, and nobody sees it -------------------------------------------------------------------


@given(
    pairs=st.lists(
        st.tuples(st.sampled_from(EXPRESSIONS), st.sampled_from(EXPRESSIONS), st.sampled_from((Apart, Forgetful))),
        min_size=1,
        max_size=3,
    ),
    paired=st.booleans(),
    broken=st.sets(st.sampled_from(("photo-1", "anime-0", "pair-2", "pair-9")), max_size=2),
)
@settings(max_examples=40)
def test_later_measurements_are_bit_by_bit_those_made_anew(
    pairs: list[tuple[str, str, type[Apart]]], paired: bool, broken: set[str]
) -> None:
    metrics = {f"m{i}": apart(one, other, kind) for i, (one, other, kind) in enumerate(pairs)}
    groups = PAIRS if paired else GROUPS
    again = measuring(metrics, Reads(groups, broken=tuple(broken)), groups)
    for factor in (1.0, 0.3, 2.0):
        nets = networks(factor)
        found = again(inference(nets))
        anew = measuring(metrics, Reads(groups, broken=tuple(broken)), groups)(inference(nets))
        assert (found.values, found.about) == (anew.values, anew.about)


def test_the_same_holds_of_the_metrics_that_come_along() -> None:
    metrics: dict[str, Metric] = {
        "kid": KID(generated=made, reference=anime, size=32),
        "fid": FID(generated=made, reference=anime, size=32),
        "l1": PixelL1(input=made, target=anime),
        "cosine": CosineDissimilarity(input=made, target=anime),
        "fourier": Fourier(input=photo, output=made),
    }
    again = measuring(metrics, groups=PAIRS)
    for factor in (1.0, 0.3):
        nets = networks(factor)
        found, anew = again(inference(nets)), measuring(metrics, groups=PAIRS)(inference(nets))
        assert found.values == anew.values and found.about == anew.about
        assert {name for name in metrics if "untranslated" in found.values[name]} == {"kid", "fid", "l1", "cosine"}
        assert {name for name in metrics if "filter" in found.values[name]} == metrics.keys()


def test_a_metric_of_the_change_alone_is_not_set_beside_no_change() -> None:
    found = measuring({"one": apart(reference="photo"), "two": apart()})(inference(networks(1.0))).values
    assert "filter" in found["one"] and "untranslated" not in found["one"] and "untranslated" in found["two"]


def test_references_are_read_once_and_variants_measured_once() -> None:
    source, metrics = Reads(GROUPS), {"one": apart(), "two": apart()}
    measure = measuring(metrics, source)
    for count in (1, 2, 3):
        nets = networks(float(count))
        found = measure(inference(nets))
        assert source.reads == {"photo": 11 * count, "anime": 13}
        assert nets["G"].calls == 2, "two batches, for both metrics and their variants"
        assert set(found.values["one"]) == {
            *("", "std", "shift"),
            *("untranslated", "untranslated_std", "filter", "filter_std"),
        }


class Halves(Reads):
    """Pairs of which one half alone may be read; the other half of item 2 is broken."""

    def __init__(self, fields: frozenset[str] = frozenset({"photo", "anime"})) -> None:
        super().__init__(PAIRS, broken=("pair-2",) if "anime" in fields else ())
        self.fields = fields

    def only(self, fields: frozenset[str]) -> Halves:
        return Halves(fields)

    def item(self, group: str, index: int, rng: object) -> dict[str, torch.Tensor]:
        return {field: value for field, value in super().item(group, index, rng).items() if field in self.fields}


def test_a_picture_whose_other_half_is_broken_stays_out_when_that_half_is_not_read_again() -> None:
    measure = measuring({"one": apart()}, Halves(), PAIRS)
    for factor in (1.0, 0.3):
        found = measure(inference(networks(factor)))
        anew = measuring({"one": apart()}, Halves(), PAIRS)(inference(networks(factor)))
        assert found.about["one"].pictures == {"generated": 10, "reference": 10}
        assert found.values == anew.values


def test_pictures_come_in_the_same_batches_when_fewer_fields_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toonforge.validation.items.VALUES", 4 * 3 * 16 * 16)  # two pairs, or four photographs
    measure, sizes = measuring({"one": apart()}, Halves(), PAIRS), []
    for factor in (1.0, 0.3):
        nets = networks(factor)
        nets["G"].register_forward_pre_hook(lambda _, pictures: sizes.append(len(pictures[0])))
        measure(inference(nets))
    assert sizes == [2] * 10


class Sizes(Reads):
    """Every third picture is smaller than the others."""

    def item(self, group: str, index: int, rng: object) -> dict[str, torch.Tensor]:
        side = 12 if index % 3 == 0 else 16
        return {field: value[..., :side] for field, value in super().item(group, index, rng).items()}


def test_pictures_of_several_sizes_are_all_measured() -> None:
    source = Sizes(GROUPS)
    found = measuring({"one": apart()}, source)(inference({**networks(1.0), "G": torch.nn.Identity()}))
    means = [
        sum(float(source.item(field, i, None)[field].double().mean()) for i in range(count)) / count
        for field, count in (("photo", 11), ("anime", 13))
    ]
    assert found.values["one"]["shift"] == pytest.approx(means[0] - means[1])


def test_what_does_not_keep_is_given_everything_again() -> None:
    source = Reads(GROUPS)
    measure = measuring({"one": apart(kind=Forgetful)}, source)
    for _ in range(2):
        measure(inference(networks(1.0)))
    assert source.reads == {"photo": 22, "anime": 26}


def test_a_metric_that_no_training_changes_is_measured_once() -> None:
    source = Reads(GROUPS)
    measure = measuring({"data": apart("photo", "V(anime)")}, source)
    first = measure(inference(networks(1.0)))
    assert measure(inference(networks(2.0))).values == first.values and sum(source.reads.values()) == 24


def test_a_variant_over_a_trained_network_is_measured_each_time() -> None:
    measure = measuring({"one": apart("G(photo)", "F(anime)")})
    first, second = (measure(inference(networks(factor))).values["one"] for factor in (1.0, 0.5))
    assert first["untranslated"] != second["untranslated"]


def test_without_knowing_what_is_trained_nothing_over_a_network_is_remembered() -> None:
    measure = measuring({"one": apart("G(photo)", "V(anime)")}, trained=None)
    nets = networks(1.0)
    first = measure(inference(nets)).values["one"]["untranslated"]
    torch.nn.init.constant_(nets["V"].factor, 5.0)
    assert measure(inference(nets)).values["one"]["untranslated"] != first


def test_a_measurement_seeds_no_device_that_it_does_not_use(monkeypatch: pytest.MonkeyPatch) -> None:
    seeded: list[int] = []
    monkeypatch.setattr(torch, "manual_seed", seeded.append)
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    measuring({"one": apart()})(inference(networks(1.0)))
    assert not seeded


@given(seed=st.integers(0, 2**62), text=st.text(max_size=5))
@settings(max_examples=5)
def test_streams_are_the_same_whatever_other_device_is_seeded(seed: int, text: str) -> None:
    drawn = []
    for more in ({}, {"device": torch.device("cpu")}):
        seed_all(seed, text, **more)
        drawn.append((torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random()))
    assert drawn[0] == drawn[1]


def test_a_measurement_that_was_cut_short_leaves_nothing_behind() -> None:
    measure = measuring({"one": apart()})

    def stop(done: int, _: int) -> None:
        raise KeyboardInterrupt

    nets = networks(1.0)
    with pytest.raises(KeyboardInterrupt):
        measure(inference(nets), stop)
    assert measure(inference(nets)).values == measuring({"one": apart()})(inference(nets)).values


# -- pictures that vanish, metrics that fail -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "gone", [("photo-3",), ("photo-0",), ("photo-10", "anime-12"), tuple(f"photo-{i}" for i in range(11))]
)
def test_where_a_picture_has_vanished_everything_is_measured_anew_over_what_is_there(gone: tuple[str, ...]) -> None:
    metrics: dict[str, Metric] = {
        "apart": apart(),
        "data": apart("photo", "V(anime)"),
        "forgets": apart("V(photo)", "F(anime)", Forgetful),
        "content": ContentPreservation(input=photo, output=made, size=32),
    }
    source = Reads(GROUPS)
    measure = measuring(metrics, source)
    measure(inference(networks(1.0)))
    source.broken = gone
    for factor in (0.3, 2.0):
        found = measure(inference(networks(factor)))
        anew = measuring(metrics, Reads(GROUPS, broken=gone))(inference(networks(factor)))
        assert repr((found.values, found.about)) == repr((anew.values, anew.about))
        assert found.about["apart"].pictures["generated"] == 11 - sum(name.startswith("photo") for name in gone)


def test_a_picture_that_vanished_stays_out_when_it_is_back() -> None:
    source = Reads(GROUPS)
    measure = measuring({"one": apart()}, source)
    for broken in ((), ("photo-3",), ()):
        source.broken = broken
        found = measure(inference(networks(1.0)))
    assert found.about["one"].pictures == {"generated": 10, "reference": 13}


@component
class Fails(Apart):
    """Fails in one of its methods while `at` says so."""

    at: ClassVar[str] = ""
    error: ClassVar[BaseException] = ValueError("made\nso")

    def build(self, device: torch.device) -> Any:
        if self.at == "build":
            raise self.error
        return BuiltFails()


class BuiltFails(BuiltApart):
    """Of `Fails`."""

    def update(self, **tensors: torch.Tensor) -> None:
        self.fail("update")
        super().update(**tensors)

    def compute(self) -> dict[str, float]:
        self.fail("compute")
        return super().compute()

    def draw(self) -> Image.Image | None:
        self.fail("draw")
        return Image.new("RGB", (3, 1))

    def again(self, kept: frozenset[str]) -> Any:
        self.fail("again")
        return _Stripped(super().again(kept))

    def fail(self, where: str) -> None:
        if Fails.at == where:
            raise Fails.error


class _Stripped(BuiltFails):
    def __init__(self, built: BuiltApart) -> None:
        self.means = built.means


@pytest.mark.parametrize("at", ["build", "update", "compute"])
def test_a_metric_that_fails_is_nan_and_says_why_and_the_others_are_measured(
    at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure = measuring({"fails": apart(kind=Fails), "one": apart()})
    nets = networks(1.0)
    before = measure(inference(nets))
    measure._forget()
    monkeypatch.setattr(Fails, "at", at)
    during = measure(inference(nets))
    assert during.values["one"] == before.values["one"]
    assert during.values["fails"].keys() == before.values["fails"].keys(), "what was there can still be looked up"
    assert all(map(math.isnan, during.values["fails"].values())) and not during.drawings
    cautions = during.about["fails"].cautions
    assert cautions[0] == "nan: the metric failed with ValueError: made so" and len(cautions) == 3
    assert any("untranslated is nan" in caution for caution in cautions) and not during.about["one"].cautions
    monkeypatch.setattr(Fails, "at", "")
    after = measure(inference(nets))
    assert (after.values, after.about) == (before.values, before.about)


def test_a_metric_that_fails_from_the_first_measurement_on_is_nan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Fails, "at", "compute")
    measure = measuring({"fails": apart(kind=Fails)})
    for _ in range(2):
        values = measure(inference(networks(1.0))).values["fails"]
        assert values.keys() == {"", "untranslated", "filter"} and all(map(math.isnan, values.values()))


def test_a_metric_that_computes_no_mapping_is_told_what_to_return(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BuiltFails, "compute", lambda self: 0.5)
    (caution, *_) = measuring({"fails": apart(kind=Fails)})(inference(networks(1.0))).about["fails"].cautions
    said = 'TypeError: compute() returned float, expected a mapping such as {"": 0.5}'
    assert caution == f"nan: the metric failed with {said}"


def test_a_drawing_that_fails_leaves_the_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = measuring({"fails": apart(kind=Fails)})(inference(networks(1.0)))
    monkeypatch.setattr(Fails, "at", "draw")
    found = measuring({"fails": apart(kind=Fails)})(inference(networks(1.0)))
    assert found.values == whole.values and "fails" in whole.drawings and not found.drawings
    assert found.about["fails"].cautions == ("no picture of it: drawing failed with ValueError: made so",)


def test_a_metric_that_cannot_keep_is_given_everything_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Fails, "at", "again")
    source = Reads(GROUPS)
    measure = measuring({"fails": apart(kind=Fails)}, source)
    first, second = (measure(inference(networks(1.0))) for _ in range(2))
    assert first.values == second.values and source.reads == {"photo": 22, "anime": 26}


@pytest.mark.parametrize("at", ["update", "compute", "draw"])
@pytest.mark.parametrize("error", [KeyboardInterrupt(), torch.cuda.OutOfMemoryError("full"), MemoryError()])
def test_an_interrupt_and_want_of_memory_are_not_the_metrics(
    at: str, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Fails, "at", at)
    monkeypatch.setattr(Fails, "error", error)
    with pytest.raises(type(error)):
        measuring({"fails": apart(kind=Fails)})(inference(networks(1.0)))


def test_what_cannot_be_built_is_said_before_anything_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Fails, "at", "build")
    monkeypatch.setattr(Fails, "error", ToonforgeError(Problem(message="no weights")))
    with pytest.raises(ToonforgeError, match="no weights"):
        measuring({"fails": apart(kind=Fails)})


@component
class Tensors(Apart):
    """Results that are numbers, and no floats."""

    def build(self, device: torch.device) -> Any:
        built = BuiltApart()
        numbers = lambda: {"": torch.tensor(0.25), "std": np.float32(0.5), "count": 3}  # noqa: E731
        return SimpleNamespace(update=built.update, compute=numbers)


def test_results_are_floats_whatever_numbers_a_metric_yields() -> None:
    found = measuring({"one": apart(kind=Tensors)})(inference(networks(1.0))).values["one"]
    assert found[""] == found["untranslated"] == 0.25 and found["std"] == 0.5 and found["count"] == 3
    assert {type(value) for value in found.values()} == {float}


# -- what is measured beside the translation -------------------------------------------------------------------------


def test_the_untranslated_are_the_pictures_themselves_and_the_filtered_what_the_filter_makes_of_each() -> None:
    source = Reads(GROUPS)
    found = measuring({"one": apart("blur(G(photo), 1)")}, source)(inference(networks(1.0))).values["one"]
    photos = torch.stack([source.item("photo", i, None)["photo"] for i in range(11)])
    cartoons = torch.stack([source.item("anime", i, None)["anime"] for i in range(13)])
    by_hand = [cartoonize(picture, "classic") for picture in to_pictures(photos)]
    filtered = torch.stack([torch.from_numpy(picture).double() / 127.5 - 1 for picture in by_hand])
    assert found["untranslated"] == pytest.approx(abs(float(photos.double().mean() - cartoons.double().mean())))
    assert found["filter"] == pytest.approx(abs(float(filtered.mean() - cartoons.double().mean())), abs=1e-6)
    assert found["untranslated_std"] == found["filter_std"] == found["std"] == 0.5


def test_a_translation_that_changes_nothing_scores_what_the_untranslated_do() -> None:
    nets = {**networks(1.0), "G": torch.nn.Identity()}
    found = measuring({"one": apart()})(inference(nets)).values["one"]
    assert found[""] == found["untranslated"]


def test_the_filter_sees_each_picture_once(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    original = baselines.filtered
    monkeypatch.setattr(
        "toonforge.validation.measuring.filtered", lambda pictures: (seen.append(len(pictures)), original(pictures))[1]
    )
    measure = measuring({"one": apart(), "two": apart(reference="F(anime)"), "three": apart("V(photo)")})
    measure(inference(networks(1.0)))
    assert sum(seen) == 11


def test_what_no_training_changes_is_filtered_in_the_first_measurement_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    original = baselines.filtered
    monkeypatch.setattr(
        "toonforge.validation.measuring.filtered", lambda pictures: (seen.append(len(pictures)), original(pictures))[1]
    )
    measure = measuring({"keeps": apart(), "forgets": apart(kind=Forgetful)})
    for _ in range(3):
        measure(inference(networks(1.0)))
    assert sum(seen) == 11


@pytest.mark.parametrize("generated", ["photo", "cat(G(photo), photo)", "cat(G(photo), G(anime))"])
def test_what_is_no_translation_of_one_field_into_pictures_alike_has_nothing_beside_it(generated: str) -> None:
    measure = measuring({"one": apart(generated)}, groups=PAIRS)
    for _ in range(2):
        assert measure(inference(networks(1.0))).values["one"].keys() == {"", "std", "shift"}


def test_a_signal_is_followed_to_its_field() -> None:
    signals = {"fake": Expr.parse("G(photo)"), "same": Expr.parse("photo")}
    metrics = {"one": apart("fake"), "two": apart("same")}
    found = measuring(metrics, signals=signals)(inference(networks(1.0), signals)).values
    assert "untranslated" in found["one"]
    assert "untranslated" not in found["two"]


def test_without_opencv_the_filter_is_left_out_and_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = measuring({"one": apart()})(inference(networks(1.0)))
    monkeypatch.setattr(baselines, "find_spec", lambda name: None)
    found = measuring({"one": apart(), "data": apart("photo")})(inference(networks(1.0)))
    assert "filter" not in found.values["one"]
    assert {**whole.values["one"], **found.values["one"]} == whole.values["one"]
    (caution,) = found.about["one"].cautions
    assert "OpenCV" in caution and "pip install" in caution
    assert not found.about["data"].cautions and not whole.about["one"].cautions
    how = whole.about["one"].protocol
    assert "filter" not in found.about["one"].protocol and of_headline(how) == found.about["one"].protocol != how


def test_sets_of_another_size_than_the_translation_are_measured_beside_it_and_pairs_are_not() -> None:
    nets = {**networks(1.0), "G": torch.nn.Upsample(scale_factor=2)}
    metrics: dict[str, Metric] = {"sets": apart(), "pairs": PixelL1(input=made, target=Expr.parse("G(anime)"))}
    found = measuring(metrics, groups=PAIRS)(inference(nets)).values
    assert {"untranslated", "filter"} <= found["sets"].keys() and found["pairs"].keys() == {""}


# -- what is said of the numbers -------------------------------------------------------------------------------------


def said(metric: Metric, groups: Mapping[str, Mapping[str, object]] = GROUPS, **more: object) -> str:
    measure = measuring({"one": metric}, groups=groups, **more)  # type: ignore[arg-type]
    return measure(inference(networks(1.0))).about["one"].protocol


def test_the_protocol_says_how_many_pictures_of_what_how_read_and_whose_weights() -> None:
    weights = {"G": "moving average (decay 0.99)", "F": "as trained"}
    text = said(apart(), weights=weights, preparation="short side scaled to 18 pixels")
    assert text.split("; ") == [
        "difference of means",
        "11 generated and 13 reference pictures of the validation part",
        "short side scaled to 18 pixels",
        "networks' weights: moving average (decay 0.99)",
        "plain filter: OpenCV's cartoonize(photo, classic)",
    ]
    assert of_headline(text) == text.rpartition("; plain filter")[0]
    assert "; 11 pairs of the test part" in said(PixelL1(input=made, target=anime), PAIRS, part="test")


@pytest.mark.parametrize(("count", "words"), [(0, "0 pairs"), (1, "1 pair"), (2, "2 pairs")])
def test_pairs_are_counted_in_words(count: int, words: str) -> None:
    broken = tuple(f"pair-{i}" for i in range(2 - count))
    text = said(PixelL1(input=made, target=anime), PAIRS, source=Reads(PAIRS, 2, broken))
    assert f"; {words} of the validation part" in text


def test_weights_are_named_where_there_are_any() -> None:
    assert "weights" not in said(apart("photo")) and "weights" not in said(apart(), weights={})


@pytest.mark.parametrize(
    ("generated", "reference", "words"),
    [
        ("G(photo)", "anime", "moving average (decay 0.99)"),
        ("G(photo)", "H(photo)", "moving average (decay 0.99)"),
        ("E(photo)", "anime", "as trained"),
        ("V(photo)", "V(anime)", "as given"),
        ("fake", "E(anime)", "moving average (decay 0.99) of G, E as trained"),
        ("E(H(photo))", "V(G(photo))", "moving average (decay 0.99) of G and H, E as trained, V as given"),
    ],
)
def test_weights_are_those_of_the_networks_below_the_metric(generated: str, reference: str, words: str) -> None:
    average = "moving average (decay 0.99)"
    weights = {"V": "as given", "E": "as trained", "H": average, "G": average}
    graph = Graph(weights, {"fake": made})
    metric = apart(generated, reference)
    networks = frozenset().union(*map(graph.networks_below, (metric.generated, metric.reference)))
    assert in_words(weights, networks) == words


def test_weights_of_a_metric_are_those_that_it_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics: dict[str, Metric] = {
        "kid": KID(generated=made, reference=anime, size=32),
        "fid": FID(generated=made, reference=anime, size=32),
        "weighted": WeightedFID(generated=made, target=anime, input=photo, size=32),
        "content": ContentPreservation(input=photo, output=made, size=32),
    }
    measure = measuring(metrics)
    before = {name: metric.protocol() for name, metric in metrics.items()}
    monkeypatch.setattr(feature_metric, "said", lambda *_: "weights of another file")
    for _ in range(2):
        about = measure(inference(networks(1.0))).about
        for name, metric in metrics.items():
            assert about[name].protocol.startswith(before[name]) and "another file" in metric.protocol()
            built = metric.build(torch.device("cpu"))
            assert isinstance(built, KnowsProtocol) and built.protocol() == before[name], "it shares what was loaded"


def test_unreadable_pictures_are_told_and_not_counted() -> None:
    skipped: dict[str, str] = {}
    measure = measuring({"one": apart()}, Reads(GROUPS, broken=("photo-3", "anime-4")), skipped=skipped)
    for _ in range(2):
        about = measure(inference(networks(1.0))).about["one"]
        assert about.pictures == {"generated": 10, "reference": 12} and "10 generated and 12" in about.protocol
    assert skipped == {"photo-3": "made so", "anime-4": "made so"}


def test_a_number_that_is_none_says_why() -> None:
    nothing = tuple(f"photo-{i}" for i in range(11))
    found = measuring({"one": apart()}, Reads(GROUPS, broken=nothing))(inference(networks(1.0)))
    assert math.isnan(found.values["one"][""])
    assert found.about["one"].cautions == ("nan: no picture could be read",)
    broken = measuring({"one": apart()})(inference(networks(math.nan)))
    assert "infinite or not numbers" in broken.about["one"].cautions[0]
    assert not math.isnan(broken.values["one"]["untranslated"])


def test_kid_of_one_picture_says_why_it_is_nan() -> None:
    metrics = {"kid": KID(generated=made, reference=anime, size=32)}
    found = measuring(metrics, Reads(PAIRS, count=1), PAIRS)(inference(networks(1.0)))
    assert math.isnan(found.values["kid"][""]) and "at least two" in found.about["kid"].cautions[0]


def test_progress_grows_to_all_there_is() -> None:
    told: list[tuple[int, int]] = []
    measure = measuring({"one": apart()}, Reads(GROUPS, broken=("photo-0",)))
    for total in (24, 10):
        told.clear()
        measure(inference(networks(1.0)), lambda *far: told.append(far))
        assert told == sorted(told) and told[-1] == (total, total) and {far[1] for far in told} == {total}
