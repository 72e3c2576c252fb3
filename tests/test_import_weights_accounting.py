"""Every tensor of an imported file is used or accounted for, and everything that is wrong with it is said at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn

import toonforge
from tests import foreign_networks as theirs
from toonforge.errors import RecipeError, RunError
from toonforge.use.foreign import Imported

State = dict[str, Tensor]


def state_of(network: nn.Module) -> State:
    return dict(theirs.shaken(network).state_dict())


def saved(folder: Path, value: object, name: str = "G.pth") -> Path:
    torch.save(value, folder / name)
    return folder / name


def brought(folder: Path, value: object, **options: Any) -> tuple[Imported, ...]:
    return toonforge.import_weights(saved(folder, value), folder / "model.safetensors", force=True, **options)


def refused(folder: Path, value: object, **options: Any) -> str:
    with pytest.raises((RunError, RecipeError)) as caught:
        brought(folder, value, **options)
    assert not (folder / "model.safetensors").exists()
    return str(caught.value)


def test_a_lost_tensor_is_missed_by_its_name(tmp_path: Path) -> None:
    state = state_of(theirs.resnet(theirs.plain))
    del state["model.12.conv_block.5.weight"]
    assert "missing: model.12.conv_block.5.weight" in refused(tmp_path, state)


def test_a_lost_bias_of_the_first_convolution_is_missed_by_its_name(tmp_path: Path) -> None:
    """It is what tells whether convolutions have biases."""
    state = state_of(theirs.resnet(theirs.plain))
    del state["model.1.bias"]
    text = refused(tmp_path, state)
    assert "missing: model.1.bias" in text and "not explained" not in text


def test_one_tensor_too_many_is_not_explained(tmp_path: Path) -> None:
    text = refused(tmp_path, state_of(theirs.patchgan(theirs.plain)) | {"model.11.extra": torch.ones(3)})
    assert "not explained: model.11.extra" in text


def test_a_tensor_of_another_shape_is_named_with_both(tmp_path: Path) -> None:
    state = state_of(theirs.resnet(theirs.plain))
    state["model.4.weight"] = torch.zeros(8, 5, 3, 3)
    assert "model.4.weight is 8x5x3x3 in the place of 8x4x3x3" in refused(tmp_path, state)


def test_a_misspelt_name_is_found_among_those_that_are_not_explained(tmp_path: Path) -> None:
    state = state_of(theirs.unet(theirs.batch))
    state["model.model.1.model.2.wieght"] = state.pop("model.model.1.model.2.weight")
    text = refused(tmp_path, state, options={"norm": "batch"})
    assert "did you mean" in text and "model.model.1.model.2.wieght" in text


@pytest.mark.parametrize("make", [lambda: theirs.resnet(theirs.plain), lambda: theirs.unet(theirs.plain)])
@pytest.mark.parametrize("half", [0, 1])
def test_half_of_a_network_is_refused(make: Any, half: int, tmp_path: Path) -> None:
    names = [*(state := state_of(make()))]
    kept = names[: len(names) // 2] if half == 0 else names[len(names) // 2 :]
    refused(tmp_path, {name: state[name] for name in kept})


def test_statistics_of_instance_norm_are_left_out_and_that_is_said(tmp_path: Path) -> None:
    state = state_of(theirs.resnet(theirs.tracking, blocks=2))
    (found,) = brought(tmp_path, state)
    statistics = {name for name in state if "running" in name or "tracked" in name}
    assert set(found.fitted.left_out) == statistics and len(statistics) == 3 * 9
    assert {"running statistics" in why for why in found.fitted.left_out.values()} == {True}


def test_batch_norms_that_count_no_batches_are_those_of_older_files(tmp_path: Path) -> None:
    state = {k: v for k, v in state_of(theirs.resnet(theirs.batch)).items() if not k.endswith("num_batches_tracked")}
    (found,) = brought(tmp_path, state)
    assert {pair.change for pair in found.fitted.pairs if pair.theirs is None} == {
        "0: older files do not count batches"
    }


def test_the_blur_of_cut_is_refused_by_its_name(tmp_path: Path) -> None:
    state = state_of(theirs.resnet(theirs.plain)) | {"model.7.filt": torch.ones(8, 1, 3, 3)}
    assert "anti-alias" in refused(tmp_path, state)


def test_what_tensors_cannot_tell_is_said_and_options_override_it(tmp_path: Path) -> None:
    state = state_of(theirs.unet(theirs.batch))
    (found,) = brought(tmp_path, state)
    assert found.config.dropout == 0.5 and found.config.statistics == "picture"  # type: ignore[attr-defined]
    assert any("dropout" in text for text in found.said) and any("--eval" in text for text in found.said)
    (found,) = brought(tmp_path, state, options={"dropout": 0.0, "statistics": "running"})
    assert found.config.dropout == 0 and found.config.statistics == "running"  # type: ignore[attr-defined]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_refused(value: float, tmp_path: Path) -> None:
    state = state_of(theirs.patchgan(theirs.plain))
    state["model.5.weight"][0, 0, 0, 0] = value
    text = refused(tmp_path, state)
    assert "not finite" in text and "model.5.weight" in text


def test_float64_that_float32_cannot_hold_is_refused(tmp_path: Path) -> None:
    state = {name: value.double() for name, value in state_of(theirs.patchgan(theirs.plain)).items()}
    state["model.5.weight"][0] = 1e300
    assert "model.5.weight" in refused(tmp_path, state)


@pytest.mark.parametrize("kind", [torch.int64, torch.complex64, torch.bool])
def test_weights_that_are_no_real_numbers_are_refused(kind: torch.dtype, tmp_path: Path) -> None:
    state = state_of(theirs.patchgan(theirs.plain))
    state["model.0.weight"] = torch.ones(4, 3, 4, 4).to(kind)
    assert "no real numbers" in refused(tmp_path, state)


def test_a_network_that_nobody_knows_is_refused_with_how_to_choose_one(tmp_path: Path) -> None:
    text = refused(tmp_path, {"fc.weight": torch.zeros(3, 4), "fc.bias": torch.zeros(3)})
    assert "fc.weight 3x4" in text or "weight 3x4" in text
    assert "--architecture" in text


def test_an_option_that_the_component_does_not_have_is_refused(tmp_path: Path) -> None:
    text = refused(tmp_path, state_of(theirs.resnet(theirs.plain)), options={"blokcs": 6})
    assert "blokcs" in text and "blocks" in text


def test_options_against_the_tensors_are_refused(tmp_path: Path) -> None:
    refused(tmp_path, state_of(theirs.resnet(theirs.plain)), options={"blocks": 5})
    refused(tmp_path, state_of(theirs.resnet(theirs.plain)), options={"width": 5})
    refused(tmp_path, state_of(theirs.resnet(theirs.plain)), options={"norm": "batch"})


def test_names_cannot_ask_for_a_network_of_any_size(tmp_path: Path) -> None:
    state = state_of(theirs.resnet(theirs.plain))
    far = {**state, "model.99999999.conv_block.1.weight": torch.zeros(1)}
    refused(tmp_path, far)
    deep = state_of(theirs.unet(theirs.plain)) | {"model.model.1.model." + "3.model." * 60 + "1.weight": torch.zeros(1)}
    refused(tmp_path, deep)


# --- checkpoints of several networks, names and translations ---


def test_two_generators_become_one_model_with_two_translations(tmp_path: Path) -> None:
    files = []
    for seed, name in enumerate(("latest_net_G_A.pth", "latest_net_G_B.pth", "latest_net_D_A.pth")):
        network = theirs.patchgan(theirs.plain) if "D" in name else theirs.resnet(theirs.plain)
        files.append(saved(tmp_path, theirs.shaken(network, seed).state_dict(), name))
    out = tmp_path / "anime.safetensors"
    found = toonforge.import_weights(files, out, translations=("anime", "photo"), card={"license": "MIT"})
    assert [each.name for each in found] == ["G_A", "G_B", "D_A"]
    model = toonforge.load(out, cpu=True)
    assert {domain: str(expr) for domain, expr in model.translations.items()} == {
        "anime": "G_A(photo)",
        "photo": "G_B(anime)",
    }
    x = torch.rand(1, 3, 16, 16) * 2 - 1
    for seed, domain in enumerate(("anime", "photo")):
        original = theirs.shaken(theirs.resnet(theirs.plain), seed).eval()
        assert torch.allclose(model.compute(x, domain), original(x), atol=1e-5)
    assert model.card["license"] == "MIT"
    assert model.card["source"] == "G_A: latest_net_G_A.pth; G_B: latest_net_G_B.pth; D_A: latest_net_D_A.pth"
    with safe_open(out, framework="pt") as file:
        about = json.loads(file.metadata()["toonforge"])
    assert about["networks"]["D_A"]["kind"] == "discriminators"
    assert found[0].sha256 in about["card"]["sha256"]


def test_a_checkpoint_of_several_networks_gives_all_or_the_wanted(tmp_path: Path) -> None:
    generator, judge = state_of(theirs.resnet(theirs.plain)), state_of(theirs.patchgan(theirs.plain))
    adam = {"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": [{"lr": 0.1}]}
    whole = {"epoch": 7, "state_dict": {"netG_A": generator, "netD_B": judge}, "optimizer": adam}
    assert [each.name for each in brought(tmp_path, whole)] == ["G_A", "D_B"]
    (found,) = brought(tmp_path, whole, parts=("state_dict.netD_B",))
    assert found.name == "D_B" and found.component == "cyclegan/patchgan"
    with pytest.raises(RunError, match=r"did you mean .*'state_dict\.netD_B'"):
        brought(tmp_path, whole, parts=("state_dict.netD_A",))
    flat = {f"netG.{k}": v for k, v in generator.items()} | {f"netD.{k}": v for k, v in judge.items()}
    assert [each.component for each in brought(tmp_path, {"state_dict": flat})] == [
        "cyclegan/resnet",
        "cyclegan/patchgan",
    ]


@pytest.mark.parametrize(
    ("translations", "what"),
    [(("a", "b"), "as many"), (("two words",), "cannot be called"), (("1st",), "cannot be called")],
)
def test_translations_that_cannot_be_are_refused(translations: tuple[str, ...], what: str, tmp_path: Path) -> None:
    assert what in refused(tmp_path, state_of(theirs.resnet(theirs.plain)), translations=translations)


def test_a_generator_of_other_channels_offers_no_translation(tmp_path: Path) -> None:
    brought(tmp_path, state_of(theirs.resnet(theirs.plain, channels=(1, 3))))
    with pytest.raises(RunError, match="offers no translation"):
        toonforge.load(tmp_path / "model.safetensors")


# --- a chosen architecture ---


@pytest.fixture
def own() -> tuple[nn.Module, dict[str, Any]]:
    options = {"blocks": 2, "width": 3, "norm": "batch"}
    torch.manual_seed(0)
    return toonforge.generators["cyclegan/resnet"](**options).build(), options  # type: ignore[arg-type]


CHOSEN = "cyclegan/resnet"


@pytest.mark.parametrize("prefix", ["", "module.", "G."])
def test_our_own_names_are_taken_as_they_are(
    own: tuple[nn.Module, dict[str, Any]], prefix: str, tmp_path: Path
) -> None:
    state = {prefix + name: value for name, value in own[0].state_dict().items()}
    (found,) = brought(tmp_path, dict(reversed(state.items())), architecture=CHOSEN, options=own[1])
    assert not found.by_order
    assert all(torch.equal(found.state[name], value) for name, value in own[0].state_dict().items())


def test_other_names_are_paired_by_order_where_that_is_sure(
    own: tuple[nn.Module, dict[str, Any]], tmp_path: Path
) -> None:
    state = own[0].state_dict()
    other = {f"layer{at}.{name.rpartition('.')[2]}": value for at, (name, value) in enumerate(state.items())}
    (found,) = brought(tmp_path, other, architecture=CHOSEN, options=own[1])
    assert found.by_order and all(torch.equal(found.state[name], value) for name, value in state.items())


def test_pairings_that_are_not_sure_are_refused(own: tuple[nn.Module, dict[str, Any]], tmp_path: Path) -> None:
    from safetensors.torch import save_file

    affine = own[1] | {"norm": "instance-affine"}  # no counts, which nameless could not be told apart
    values = toonforge.generators[CHOSEN](**affine).build().state_dict().values()  # type: ignore[arg-type]
    nameless = {f"t{at}": value for at, value in enumerate(values)}
    assert "not sure" in refused(tmp_path, nameless, architecture=CHOSEN, options=affine)
    shuffled = {f"x{at}.{k.rpartition('.')[2]}": v for at, (k, v) in enumerate(reversed(own[0].state_dict().items()))}
    assert "not sure" in refused(tmp_path, shuffled, architecture=CHOSEN, options=own[1])
    words = {
        f"{'abcdefgh'[at % 8]}{at}.{k.rpartition('.')[2]}": v.clone()
        for at, (k, v) in enumerate(own[0].state_dict().items())
    }
    save_file(words, tmp_path / "G.safetensors")  # which forgets the order
    with pytest.raises(RunError, match="not sure"):
        toonforge.import_weights(
            tmp_path / "G.safetensors", tmp_path / "model.safetensors", architecture=CHOSEN, options=own[1]
        )


def test_another_architecture_is_refused_with_what_is_too_much_and_too_little(tmp_path: Path) -> None:
    state = {
        f"l{at}.{k.rpartition('.')[2]}": v for at, (k, v) in enumerate(state_of(theirs.patchgan(theirs.plain)).items())
    }
    text = refused(tmp_path, state, architecture=CHOSEN)
    assert "too many" in text and "too few" in text
    assert "cyclegan/resnet" in refused(tmp_path, state, architecture="cyclegan/rsenet")
