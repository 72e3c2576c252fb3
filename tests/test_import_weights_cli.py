"""`toonforge import`: what it prints, refuses and writes, and the commands of its page."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests import foreign_networks as theirs
from toonforge.cli import main

PAGE = (Path(__file__).parent.parent / "docs" / "how-to" / "import-weights.md").read_text("utf-8")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that the page names, made up, and a photograph."""
    networks = {
        "latest_net_G.pth": theirs.unet(theirs.batch),
        "latest_net_G_A.pth": theirs.resnet(theirs.plain, blocks=9),
        "latest_net_G_B.pth": theirs.resnet(theirs.tracking, blocks=9),
        "latest_net_D.pth": theirs.patchgan(theirs.batch, channels=6),
        "Hayao_net_G_float.pth": theirs.Transformer(),
    }
    for name, network in networks.items():
        torch.save(theirs.shaken(network).state_dict(), tmp_path / name)
    generator, judge = theirs.shaken(theirs.resnet(theirs.plain)), theirs.shaken(theirs.patchgan(theirs.plain))
    whole = {"epoch": 40, "netG": generator.state_dict(), "netD": judge.state_dict()}
    torch.save(whole, tmp_path / "checkpoint.ckpt")
    own = theirs.shaken(theirs.resnet(theirs.plain, width=16, blocks=2)).state_dict()
    torch.save({f"part{at}.{k.rpartition('.')[2]}": v for at, (k, v) in enumerate(own.items())}, tmp_path / "mine.pth")
    pixels = np.random.default_rng(0).integers(0, 256, (40, 56, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["import", *words]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def test_the_commands_of_the_page_do_what_it_says(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"^```sh\n(.*?)```", PAGE, re.M | re.S)
    lines = "".join(blocks).replace("\\\n", "").splitlines()
    assert len(lines) >= 8
    for line in lines:
        words = shlex.split(line, comments=True)
        assert words[0] == "toonforge"
        assert main(words[1:]) == 0, f"{line}\n{capsys.readouterr().err}"
    out = capsys.readouterr().out
    for text in re.findall(r"^```text\n(.*?)```", PAGE, re.M | re.S):
        for line in text.splitlines():
            assert line in out, line
    assert Image.open(folder / "translated" / "photo.jpg").size == (56, 40)


def test_what_was_assumed_and_left_out_is_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = " ".join(said(capsys, "latest_net_G_B.pth", "-o", "b.safetensors").split())
    assert "cyclegan/resnet" in out and "resnet_9blocks, instance norm" in out
    assert "69 left out (model.2.running_mean, …): running statistics of instance norm" in out
    out = " ".join(said(capsys, "latest_net_G.pth", "-o", "u.safetensors").split())
    assert "test.py leaves it on" in out and "--set statistics=" in out


def test_every_pair_is_printed_where_it_is_asked_for(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = said(capsys, "latest_net_G_A.pth", "-o", "a.safetensors", "--pairs")
    for name in torch.load("latest_net_G_A.pth", weights_only=True):
        assert re.search(rf"^ +{re.escape(name)} ", out, re.M)
    out = " ".join(said(capsys, "Hayao_net_G_float.pth", "-o", "h.safetensors", "--pairs").split())
    assert "input channels turned round" in out


def test_listing_writes_nothing_and_says_what_each_part_is(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(path.name for path in folder.iterdir())
    out = said(capsys, "checkpoint.ckpt", "mine.pth", "--list")
    assert "netG: pytorch-CycleGAN-and-pix2pix: resnet_6blocks" in out and "epoch: int" in out
    assert "not recognised" in out and "netD.model.0.weight" in out
    assert sorted(path.name for path in folder.iterdir()) == before


def test_a_file_that_is_there_is_kept_without_force(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.safetensors").write_text("mine")
    assert main(["import", "latest_net_G_A.pth", "-o", "a.safetensors"]) == 2
    assert "--force" in capsys.readouterr().err and Path("a.safetensors").read_text() == "mine"
    said(capsys, "latest_net_G_A.pth", "-o", "a.safetensors", "--force")
    assert main(["import", "latest_net_G_A.pth", "-o", "nowhere/a.safetensors"]) == 2
    assert not list(folder.glob(".*partial"))


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["latest_net_G.pth"], "--out"),
        (["latest_net_G.pth", "-o", "model.pth"], ".safetensors"),
        (["latest_net_G.pth", "-o", "m.safetensors", "--set", "norm"], "KEY=VALUE"),
        (["latest_net_G.pth", "-o", "m.safetensors", "--set", "norm=batch"], "norm=\"batch\""),
        (["latest_net_G.pth", "-o", "m.safetensors", "--card", "MIT"], "KEY=VALUE"),
        (["latest_net_G.pth", "-o", "m.safetensors", "--set", 'norm="bach"'], "bach"),
        (["latest_net_G.pth", "latest_net_G.pth", "-o", "m.safetensors"], "two translations"),
    ],
)  # fmt: skip
def test_bad_words_are_refused(words: list[str], what: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", *words]) == 2
    error = capsys.readouterr().err
    assert what in error and "Traceback" not in error
    assert not Path("m.safetensors").exists()


def test_help_and_bad_words_load_no_torch() -> None:
    for words in (["--help"], ["x.pth"], ["x.pth", "-o", "y.pth"], ["x.pth", "-o", "y.safetensors", "--set", "a"]):
        code = f"import sys; from toonforge.cli import main; main(['import', *{words!r}]); sys.exit('torch' in sys.modules)"
        assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


@pytest.mark.soak
def test_the_packaged_checkpoint_equals_its_own_network(tmp_path: Path) -> None:
    """Needs `pip install --no-deps vintagify==0.1.2 torchvision matplotlib` (42 MB), which holds weights and network:

    pytest -m soak tests/test_import_weights_cli.py
    """
    import importlib.util

    import toonforge

    home = importlib.util.find_spec("vintagify")
    assert home is not None and home.submodule_search_locations, "pip install --no-deps vintagify==0.1.2"
    package = Path(home.submodule_search_locations[0])
    spec = importlib.util.spec_from_file_location("vintagify_generator", package / "generator.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    weights = package / "resources" / "G_A2B_epoch33.pth"
    original = module.ResnetGenerator().eval()
    original.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    toonforge.import_weights(weights, tmp_path / "vintage.safetensors", translations=("vintage",))
    model = toonforge.load(tmp_path / "vintage.safetensors", cpu=True)
    x = torch.rand(1, 3, 128, 160) * 2 - 1
    with torch.no_grad():
        assert (original(x) - model.compute(x)).abs().max() <= 1e-5


def test_lines_are_broken_for_the_terminal_and_the_last_says_what_is_next(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    lines = said(capsys, "latest_net_G.pth", "-o", "G.safetensors").splitlines()
    assert max(map(len, lines)) <= 50
    assert lines[-1] == "next: toonforge translate G.safetensors photo.jpg"
