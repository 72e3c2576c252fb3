"""Registries: look-up, iteration, wildcards, suggestions, provenance, conflicts, laziness."""

from __future__ import annotations

import pytest

from toonforge.components import Generator, component
from toonforge.errors import PluginError, UnknownNameError
from toonforge.names import close_matches, did_you_mean, is_component_name, is_identifier
from toonforge.registry import Provenance, Registry, singular


@component
class One(Generator):
    """A generator."""


@component
class Other(Generator):
    """Another generator."""


A = Provenance(plugin="a", distribution="dist-a", version="1.0")
B = Provenance(plugin="b", distribution="dist-b", version="2.0")


def filled() -> Registry[Generator]:
    registry: Registry[Generator] = Registry("generators")
    registry.add("b/unet", One, B)
    registry.add("a/resnet", Other, A)
    registry.add("plain", One, A)
    return registry


def test_names_look_up_classes_that_build_by_hand() -> None:
    registry = filled()
    assert registry["a/resnet"]() == Other()
    assert "a/resnet" in registry and "a/resnets" not in registry and 3 not in registry
    assert registry.get("nothing") is None


def test_iteration_is_sorted_with_the_core_first() -> None:
    assert list(filled()) == ["plain", "a/resnet", "b/unet"] and len(filled()) == 3
    assert repr(filled()) == "<generators: plain, a/resnet, b/unet>"


def test_wildcards_match_names() -> None:
    assert filled().match("*/*net") == ["a/resnet", "b/unet"]
    assert filled().match("a/*") == ["a/resnet"] and filled().match("z*") == []


def test_provenance_says_who_supplied_what() -> None:
    assert str(filled().provenance("b/unet")) == "dist-b 2.0"
    with pytest.raises(UnknownNameError):
        filled().provenance("b/unett")


def test_a_duplicate_names_both_distributions() -> None:
    registry = filled()
    with pytest.raises(PluginError) as caught:
        registry.add("a/resnet", One, B)
    text = str(caught.value)
    assert "generator 'a/resnet'" in text and "dist-a 1.0" in text and "dist-b 2.0" in text
    assert registry["a/resnet"] is Other
    losses: Registry[Generator] = Registry("losses")
    losses.add("l", One, A)
    with pytest.raises(PluginError, match="supply loss 'l'"):
        losses.add("l", One, B)


def test_an_unknown_name_has_close_matches() -> None:
    with pytest.raises(UnknownNameError) as caught:
        filled()["c/resnet"]
    assert caught.value.matches == ("a/resnet",) and "did you mean 'a/resnet'?" in str(caught.value)
    with pytest.raises(KeyError):
        filled()["zzz"]


def test_an_explanation_goes_before_a_suggestion() -> None:
    registry: Registry[Generator] = Registry("generators", explain=lambda name: f"pip install {name}")
    with pytest.raises(UnknownNameError, match="pip install x"):
        registry["x"]


def test_the_name_of_a_class_is_found() -> None:
    assert filled().name_of(Other) == "a/resnet"
    with pytest.raises(KeyError):
        filled().name_of(Generator)


def test_loading_happens_at_the_first_look_up_and_again_after_a_failure() -> None:
    calls: list[int] = []

    def load() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("disk")

    registry: Registry[Generator] = Registry("generators", load=load)
    assert calls == []
    with pytest.raises(RuntimeError):
        len(registry)
    assert len(registry) == 0 and list(registry) == [] and len(calls) > 1


@pytest.mark.parametrize(
    ("kind", "one"), [("losses", "loss"), ("networks", "network"), ("ops", "op"), ("recipes", "recipe")]
)
def test_kinds_have_a_singular(kind: str, one: str) -> None:
    assert singular(kind) == one


def test_component_names_are_lower_case_words() -> None:
    assert all(is_component_name(name) for name in ("resnet", "mha-unet", "l1", "kid2"))
    assert not any(is_component_name(name) for name in ("", "ResNet", "a/b", "-a", "a-", "a_b", "1a", "a\n", "é"))


def test_identifiers_are_what_expressions_can_name() -> None:
    assert all(is_identifier(name) for name in ("G", "D_anime", "_x", "x1"))
    assert not any(is_identifier(name) for name in ("", "1x", "a-b", "a b", "a\n", "é", "a/b"))


def test_close_matches_know_namespaces_and_case() -> None:
    known = ["cyclegan/resnet", "cyclegan/unet", "l1", "G"]
    assert close_matches("resnet", known) == ["cyclegan/resnet"]
    assert close_matches("cyclgan/unet", known)[0] == "cyclegan/unet"
    assert close_matches("g", known) == ["G"]
    assert did_you_mean("zzzzzz", known) is None
