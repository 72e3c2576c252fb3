"""Which checkpoint of a run is used: the best where the run keeps one, else the latest, or the one that is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from tests import test_use_translate
from toonforge.cli import main
from toonforge.errors import RunError
from toonforge.use.model import load, load_networks
from toonforge.weights.chosen import choose_checkpoint

STEPS = {100: 0.1, 300: 0.3, 1000000: 0.9}
"""Step -> the one weight of its network, by which the tests tell whose it is."""


def about(network: str) -> dict[str, Any]:
    return test_use_translate.about(network, {"anime": "G(photo)"})


def save(folder: Path, name: str, scale: float, network: str | None = None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    metadata = {"toonforge": json.dumps(about(network or name))}
    save_file({"scale": torch.tensor([scale])}, folder / f"{name}.safetensors", metadata)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with three checkpoints of two networks each."""
    folder = tmp_path / "run"
    for step, scale in STEPS.items():
        for name in ("G", "D"):
            save(folder / f"checkpoints/step-{step:06d}", name, scale)
    (folder / "checkpoints/latest").write_text("step-1000000\n", "utf-8")
    (folder / "resolved.toml").write_text("", "utf-8")
    return folder


def keep_best(run: Path, step: int = 300) -> None:
    (run / "checkpoints/best").write_text(f"step-{step:06d}\n", "utf-8")


def scale(path: Path, **options: Any) -> float:
    x = torch.full((1, 3, 2, 2), 0.5)
    return round(float(-load(path, **options)(x).mean()) / 0.5, 4)


def test_without_a_best_checkpoint_the_latest_is_used(run: Path) -> None:
    assert scale(run) == 0.9
    assert (load(run).step, load(run).checkpoint.name) == (1000000, "latest")


def test_the_best_checkpoint_is_used_where_the_run_keeps_one(run: Path) -> None:
    keep_best(run)
    assert scale(run) == scale(run / "checkpoints") == 0.3
    assert (load(run).step, load(run).checkpoint.name) == (300, "best")


@pytest.mark.parametrize(("checkpoint", "expected"), [("latest", 0.9), ("best", 0.3), (100, 0.1), ("000300", 0.3)])
def test_a_checkpoint_is_chosen_by_name_and_by_step(run: Path, checkpoint: str | int, expected: float) -> None:
    keep_best(run)
    assert scale(run, checkpoint=checkpoint) == expected


@pytest.mark.parametrize("checkpoint", [200, "200", "lastest", "-1", "1e2", "../x", "step-000100", "", "²", True])
def test_a_checkpoint_that_is_not_there_is_answered_with_those_on_disk(run: Path, checkpoint: str | int) -> None:
    with pytest.raises(RunError) as caught:
        choose_checkpoint(run, checkpoint)
    (problem,) = caught.value.problems
    assert problem.expected == "latest, or a step on disk: 100, 300, 1000000"
    if checkpoint == "lastest":
        assert problem.hint == "did you mean 'latest'?"


def test_a_long_list_of_checkpoints_is_shortened(run: Path) -> None:
    for step in range(1, 20):
        save(run / f"checkpoints/step-{step:06d}", "G", 1.0)
    with pytest.raises(RunError, match=r"on disk: 1, 2, …, 300, 1000000"):
        choose_checkpoint(run, 50)


def test_no_best_checkpoint_is_told_so_and_how_to_keep_one(run: Path) -> None:
    with pytest.raises(RunError, match=r"has no best checkpoint[\s\S]*train\.metrics\.best"):
        load(run, checkpoint="best")


@pytest.mark.parametrize("text", ["step-000200", "../../elsewhere", "", "step-000100/G.safetensors", "."])
def test_a_name_file_that_names_no_checkpoint_is_a_clear_error(run: Path, text: str) -> None:
    (run / "checkpoints/best").write_text(text, "utf-8")
    with pytest.raises(RunError, match=r"best names no checkpoint"):
        load(run)
    assert scale(run, checkpoint="latest") == 0.9


def test_where_there_is_one_checkpoint_only_none_can_be_chosen(run: Path) -> None:
    one = run / "checkpoints/step-000100"
    assert scale(one) == scale(one / "G.safetensors") == 0.1
    assert load(one).step == load(one / "G.safetensors").step == 100
    for path in (one, one / "G.safetensors"):
        with pytest.raises(RunError, match="no checkpoint to choose"):
            load(path, checkpoint="best")


def test_weights_copied_elsewhere_have_no_step(run: Path, tmp_path: Path) -> None:
    save(tmp_path / "copied", "G", 0.7)
    assert scale(tmp_path / "copied") == 0.7
    assert load(tmp_path / "copied").step is None


def test_a_run_without_checkpoints_is_told_so_whatever_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "resolved.toml").write_text("", "utf-8")
    for checkpoint in (None, "best", 3):
        with pytest.raises(RunError, match="no checkpoint yet"):
            load(tmp_path, checkpoint=checkpoint)


def weight(module: Any) -> float:
    return round(module.scale.item(), 4)


def test_all_networks_of_a_checkpoint_can_be_loaded_and_moving_averages_are_told_apart(run: Path) -> None:
    save(run / "checkpoints/step-000300", "G.ema", 0.33, network="G")
    loaded = load_networks(run, 300)
    assert {name: weight(module) for name, module in loaded.modules.items()} == {"D": 0.3, "G": 0.33}
    assert loaded.averaged == {"G"}
    assert not any(module.training for module in loaded.modules.values())
    trained = load_networks(run, 300, averaged=False)
    assert {name: weight(module) for name, module in trained.modules.items()} == {"D": 0.3, "G": 0.3}
    assert trained.averaged == frozenset()
    assert set(load_networks(run, names=["D"]).modules) == {"D"}
    assert load_networks(run).checkpoint.step == 1000000


def test_a_network_that_the_checkpoint_lacks_is_named(run: Path) -> None:
    with pytest.raises(RunError, match=r"step-000100 has no weights of F, H[\s\S]*one of D, G"):
        load_networks(run, 100, ["G", "F", "H"])


def test_translate_takes_a_checkpoint_and_says_which(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    keep_best(run)
    Image.new("RGB", (8, 8), (255, 255, 255)).save("white.png")
    for words, said, value in [
        ([], ", best checkpoint, step 300,", 0.3),
        (["--checkpoint", "latest"], ", latest checkpoint, step 1000000,", 0.9),
        (["--checkpoint", "100"], ", checkpoint of step 100,", 0.1),
    ]:
        assert main(["translate", str(run), "white.png", "-o", "out.png", "--force", "--cpu", *words]) == 0
        assert said in capsys.readouterr().out
        with Image.open("out.png") as picture:
            assert abs(picture.getpixel((0, 0))[0] - (1 - value) * 127.5) <= 1  # type: ignore[index]
    assert main(["translate", str(run), "white.png", "--checkpoint", "7"]) == 2
    assert "a step on disk: 100, 300, 1000000" in capsys.readouterr().err
