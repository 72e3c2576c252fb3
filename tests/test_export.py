"""`toonforge export`: what is written does what the model does, or is not there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import click
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from toonforge_cyclegan.generators import DoubleUnet, Resnet

import toonforge
from tests import tiny
from tests.exporting import model_of
from toonforge.cli import main
from toonforge.errors import RunError
from toonforge.use.export import comparing
from toonforge.use.export.comparing import LIMIT, compare, pictures, sizes
from toonforge.use.export.formats import SUFFIXES, refuse_targets, target_of, targets
from toonforge.use.model import Model, load

tiny.register()
RUN = Path(__file__).parent / "data/checkpoints/format-2"


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return model_of(tmp_path, DoubleUnet(levels=2, width=4))


def about(path: Path) -> dict[str, Any]:
    with safe_open(path, framework="pt") as file:
        description: dict[str, Any] = json.loads(file.metadata()["toonforge"])
        return description


# -- one file that says what it is ------------------------------------------------------------------------------------


def test_a_model_file_is_the_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "one.safetensors"
    assert main(["export", str(RUN), "-o", str(out), "--card", "license=CC0-1.0", "--card", "credit=Jo = me"]) == 0
    run, one = load(RUN, cpu=True), load(out, cpu=True)
    batch = pictures(2, 13, 21)
    for domain in run.translations:
        assert torch.equal(one.compute(batch, domain), run.compute(batch, domain))
    assert (one.recipe, one.step, one.image_size, list(one.translations)) == (
        run.recipe,
        run.step,
        run.image_size,
        list(run.translations),
    )
    assert one.averaged == run.averaged
    assert one.card["license"] == "CC0-1.0" and one.card["credit"] == "Jo = me" and one.card["title"] == run.recipe
    assert about(out)["value_range"] == [-1, 1]
    said = capsys.readouterr().out
    assert str(out) in said and "largest difference" in said


def test_a_model_file_holds_what_its_translations_need_and_no_more(tmp_path: Path) -> None:
    model = model_of(
        tmp_path,
        {"G": DoubleUnet(levels=1, width=4), "F": Resnet(width=4, blocks=1)},
        {"anime": "G(soft)", "photo": "F(anime)"},
        signals={"soft": "blur(photo, 0.5)", "unused": "gray(photo)"},
    )
    toonforge.export(model, tmp_path / "one.safetensors", to="anime")
    one = load(tmp_path / "one.safetensors", cpu=True)
    assert list(one.translations) == ["anime"] and list(one.configs) == ["G"]
    said = about(tmp_path / "one.safetensors")
    assert list(said["signals"]) == ["soft"] and list(said["networks"]) == ["G"]
    both = toonforge.export(model, tmp_path / "both.safetensors")
    assert both.translations == ("anime", "photo") and list(load(both.path, cpu=True).configs) == ["G", "F"]


def test_an_exported_file_can_be_exported_again_and_keeps_its_card(tmp_path: Path, model: Model) -> None:
    first = toonforge.export(model, tmp_path / "a.safetensors", card={"title": "Small", "license": "MIT", "data": "x"})
    again = toonforge.export(first.path, tmp_path / "b.safetensors", card={"license": "CC0-1.0", "data": ""})
    assert load(again.path, cpu=True).card == {"title": "Small", "license": "CC0-1.0"}
    assert again.difference == 0


def test_half_the_size_with_a_difference_that_is_said(tmp_path: Path, model: Model) -> None:
    whole = toonforge.export(model, tmp_path / "whole.safetensors")
    half = toonforge.export(model, tmp_path / "half.safetensors", half=True, limit=0.05)
    assert half.size < 0.7 * whole.size
    assert whole.difference == 0 < half.difference < 0.05
    assert all(each.dtype == torch.float32 for each in load(half.path, cpu=True).inference.networks["G"].parameters())


def test_half_is_refused_above_the_limit_and_leaves_nothing(tmp_path: Path, model: Model) -> None:
    out = tmp_path / "half.safetensors"
    with pytest.raises(RunError, match=r"does not do what the model does: 1 x 32x32") as caught:
        toonforge.export(model, out, half=True, limit=1e-9)
    assert "a difference of" in (caught.value.problems[0].found or "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.safetensors"]


def test_a_run_tells_what_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "run/checkpoints/step-000004"
    folder.parent.mkdir(parents=True)
    folder.symlink_to(RUN / "checkpoints/step-000004")
    (tmp_path / "copy").mkdir()
    for file in (RUN / "checkpoints/step-000004").glob("*.safetensors"):
        (tmp_path / "copy" / file.name).write_bytes(file.read_bytes())
    text = '#:schema ./toonforge.schema.json\n# Photos to\n# cartoons.\n#\n# More.\nname = "x"\n'
    (tmp_path / "copy/recipe.toml").write_text(text)
    (tmp_path / "copy/resolved.toml").write_text('[data]\ntype = "samples/photo-cartoon"\n')
    done = toonforge.export(tmp_path / "copy", tmp_path / "one.safetensors")
    card = load(done.path, cpu=True).card
    assert card["description"] == "Photos to cartoons." and card["data"] == "samples/photo-cartoon"


# -- what is compared -------------------------------------------------------------------------------------------------


def test_the_sizes_are_those_of_training_odd_ones_small_ones_and_two_at_once() -> None:
    for side in (8, 32, 64, 100, 256, 512):
        chosen = sizes(side)
        assert chosen[0] == (1, side, side) and len(set(chosen)) == len(chosen)
        assert any(count == 2 for count, _, _ in chosen)
        assert any(height % 2 and height > side for _, height, _ in chosen)
        assert any(height % 8 and width % 8 and height != width for _, height, width in chosen)
        assert min(height for _, height, _ in chosen) == 1


def test_pictures_are_in_range_and_not_flat() -> None:
    for count, height, width in sizes(64)[:-1]:
        batch = pictures(count, height, width)
        assert batch.shape == (count, 3, height, width) and batch.abs().max() <= 1
        assert batch.std((2, 3)).min() > 0.1
        assert torch.equal(batch, pictures(count, height, width))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda x: x + 0.0011, "a difference of 0.0011 (0.1 steps of 8 bits)"),
        (lambda x: x * float("nan"), "a difference of nan"),
        (lambda x: x[..., :-1], "it gives [1, 3, 16, 15], not [1, 3, 16, 16]"),
        (lambda x: x.view(7), "it fails: RuntimeError: shape '[7]' is invalid"),
    ],
)  # fmt: skip
def test_what_is_unlike_the_model_is_named_with_size_and_difference(wrong: Any, said: str) -> None:
    with pytest.raises(RunError) as caught:
        list(compare(lambda x: x, wrong, 16, "a.onnx"))
    problem = caught.value.problems[0]
    assert problem.message == "a.onnx does not do what the model does: 1 x 16x16 pixels (width x height)"
    assert said in (problem.found or "")


def test_every_size_is_looked_at() -> None:
    for bad in sizes(16):
        with pytest.raises(RunError, match=f"{bad[0]} x {bad[2]}x{bad[1]}"):
            list(
                compare(lambda x: x, lambda x, bad=bad: x.new_zeros(9) if (len(x), *x.shape[2:]) == bad else x, 16, "f")
            )


def test_sizes_that_the_model_refuses_are_left_out() -> None:
    def picky(batch: torch.Tensor) -> torch.Tensor:
        if batch.shape[-1] % 4:
            raise RunError()
        return batch

    assert [each.size for each in compare(picky, picky, 16, "f")] == ["1 x 16x16"]
    assert LIMIT == 1e-3


def test_what_cannot_be_compared_at_any_size_is_no_export() -> None:
    def refuses(batch: torch.Tensor) -> torch.Tensor:
        raise RunError()

    with pytest.raises(RunError, match="cannot be compared"):
        list(compare(refuses, refuses, 16, "f"))


def test_the_table_is_in_both_units() -> None:
    one = comparing.Comparison(count=2, height=3, width=5, difference=0.0008)
    from toonforge.cli.export import summary
    from toonforge.use.export import Exported

    done = Exported(path=Path("a.onnx"), format="onnx", translations=("anime",), size=1234567, comparisons=(one,))
    assert done.difference == 0.0008
    text = click.unstyle(summary([done]))
    assert "a.onnx  1.2 MB  to anime" in text and "2 x 5x3" in text and "8.0e-04" in text and "0.1020" in text


# -- where to ---------------------------------------------------------------------------------------------------------


def test_the_format_follows_the_ending() -> None:
    for format, suffix in SUFFIXES.items():
        assert target_of(Path(f"a{suffix}")).format == target_of(Path("a.bin"), format).format == format
        assert [each.path for each in targets([], [format], "run")] == [Path(f"run{suffix}")]
    assert targets([], [], "run")[0].path == Path("run.safetensors")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-o", "a.bin"], "its ending names no format"),
        (["-o", "a"], "its ending names no format"),
        (["-o", "a.onnx", "--format", "torch"], "is called like onnx, not like torch"),
        (["--format", "onx"], "did you mean 'onnx'"),
        (["-o", "a.onnx", "-o", "b.pt2", "--format", "onnx"], "--format says what one file is"),
        (["-o", "no/folder/a.onnx"], "there is no folder"),
        (["-o", "a.onnx", "-o", "./a.onnx"], "is named twice"),
        (["-o", "a.onnx", "--half"], "--half is for .safetensors files"),
        (["-o", "a.safetensors", "--limit", "0.1"], "--limit is for what --half changes"),
        (["-o", "a.safetensors", "--half", "--limit", "-1"], "--limit is for what --half changes"),
        (["-o", "a.safetensors", "--half", "--limit", "nan"], "--limit is for what --half changes"),
        (["-o", "a.safetensors", "--card", "license"], "has no key and value"),
        (["-o", "a.safetensors", "--card", "=x"], "has no key and value"),
        (["-o", "folder.onnx"], "it is a folder"),
        (["-o", "there.safetensors"], "is there already"),
        (["-o", "a.safetensors", "--to", "manga"], "does not translate to 'manga'"),
        (["-o", "a.safetensors", "--checkpoint", "9"], "no checkpoint of step 9"),
    ],
)  # fmt: skip
def test_wrong_words_are_one_message_and_write_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.safetensors").write_bytes(b"mine")
    (tmp_path / "folder.onnx").mkdir()
    assert main(["export", str(RUN), *words]) == 2
    said = capsys.readouterr()
    assert message in said.err and "Traceback" not in said.err
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["folder.onnx", "there.safetensors"]
    assert (tmp_path / "there.safetensors").read_bytes() == b"mine"


def test_force_replaces_a_file_but_never_the_model_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = tmp_path / "one.safetensors"
    one.write_bytes(b"mine")
    assert main(["export", str(RUN), "-o", str(one), "--force"]) == 0
    kept = one.read_bytes()
    assert len(kept) > 1000
    assert main(["export", str(one), "-o", str(one), "--force", "--half"]) == 2
    assert "is the model itself" in capsys.readouterr().err
    assert one.read_bytes() == kept


@pytest.mark.parametrize("missing", ["onnx", "onnxruntime"])
def test_a_missing_package_is_said_before_anything_is_loaded(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toonforge.extras.find_spec", lambda name: None if name == missing else object())
    with pytest.raises(toonforge.errors.ToonforgeError, match="not installed") as caught:
        refuse_targets([target_of(Path("a.onnx"))], force=False, half=False)
    assert "toonforge[" in (caught.value.problems[0].hint or "")


def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path, model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: Any, **more: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("toonforge.weights.tensors.save_file", full)
    with pytest.raises(RunError, match="cannot write") as caught:
        toonforge.export(model, tmp_path / "a.safetensors")
    assert caught.value.problems[0].found == "No space left on device"
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


def test_progress_counts_to_its_end(tmp_path: Path, model: Model) -> None:
    told: list[tuple[str, int, int]] = []
    toonforge.export(model, tmp_path / "a.safetensors", progress=lambda *step: told.append(step))
    done = [step[1] for step in told]
    assert done == sorted(done) and told[0][0] == "write a.safetensors" and told[-1][1] <= told[-1][2]


def test_attributes_of_comparisons_are_frozen() -> None:
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        comparing.Comparison(count=1, height=1, width=1, difference=None).count = 2  # type: ignore[misc]


def test_half_keeps_every_weight_in_16_bits(tmp_path: Path, model: Model) -> None:
    half = toonforge.export(model, tmp_path / "half.safetensors", half=True, limit=0.05)
    kinds = {value.dtype for value in load_file(half.path).values() if value.is_floating_point()}
    assert kinds == {torch.float16} and any(value.ndim == 1 for value in load_file(half.path).values())
