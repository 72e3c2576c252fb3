"""Losses with and without tricks are compared by numbers that mean what they say; so are pictures of whole programs."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import toonforge
from toonforge.data.transforms import to_pictures
from toonforge.use.foreign import import_weights

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.fixture(autouse=True)
def _on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def test_other_rounding_moves_each_weight_to_a_neighbour_or_not_at_all() -> None:
    from losses import round_otherwise

    network = torch.nn.Linear(40, 50)
    before = network.weight.detach().clone()
    round_otherwise(Namespace(networks={"G": network}), 0)  # type: ignore[arg-type]
    lower = torch.nextafter(before, torch.full_like(before, -float("inf")))
    upper = torch.nextafter(before, torch.full_like(before, float("inf")))
    moved = [float((network.weight == near).float().mean()) for near in (lower, before, upper)]
    assert sum(moved) == pytest.approx(1)
    assert all(0.25 < share < 0.42 for share in moved)


def test_trainings_begin_alike_and_a_difference_is_of_their_last_quarter(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from losses import ROUNDED, SAFE, curves, difference, draw, numbers

    given = Namespace(speed="auto", steps=4, size=32, width=4, batch=1, gpu=False)
    found = curves("pix2pix/pix2pix", given)
    assert set(found) == {"auto", SAFE, ROUNDED}
    for phase, totals in found[SAFE].items():
        assert len(totals) == 4 and totals[0] != totals[1]
        for other in ("auto", ROUNDED):
            assert found[other][phase] == pytest.approx(totals, rel=1e-4)
    assert found[ROUNDED] != found[SAFE]
    assert len(list(numbers(found, 4))) == 1 + 2 * 3
    draw({"pix2pix/pix2pix": found}, tmp_path / "losses.png")
    assert Image.open(tmp_path / "losses.png").size[0] > 500
    assert difference([9.0, 9.0, 9.0, 2.0, 2.0], [0.0, 0.0, 0.0, 2.5, 1.5]) == pytest.approx(0.25)


def test_the_plain_loop_makes_the_pictures_that_an_imported_model_makes(tmp_path: Path) -> None:
    from losses import read
    from reference.networks import resnet
    from reference.translate import main
    from translate_against import largest_difference, make_pictures

    torch.manual_seed(0)
    save_file(resnet(4, 6).state_dict(), tmp_path / "G.safetensors")
    make_pictures(tmp_path / "in", 32, 3)
    main(tmp_path / "G.safetensors", tmp_path / "in", tmp_path / "plain")
    import_weights(tmp_path / "G.safetensors", tmp_path / "model.safetensors")
    model = toonforge.load(tmp_path / "model.safetensors", cpu=True)
    (tmp_path / "ours").mkdir()
    for path in sorted((tmp_path / "in").iterdir()):
        (made,) = to_pictures(model.translate(read(path, 32)[None]))
        Image.fromarray(made).save(tmp_path / "ours" / f"{path.stem}.png")
    assert largest_difference(tmp_path / "plain", tmp_path / "ours") <= 1
    (tmp_path / "ours" / "0002.png").unlink()
    assert largest_difference(tmp_path / "plain", tmp_path / "ours") == 255


def test_starting_is_left_out_of_a_rate() -> None:
    from translate_against import table

    # (one picture, eleven pictures): 10 pictures in 5 s, and in 20 s.
    _, ours, theirs = table({"ours": [(3.0, 8.0)], "theirs": [(2.0, 22.0)]}, 11)
    assert " ".join(ours.split()) == "ours 2.000 (2.000 to 2.000) 4.00 (4.00 to 4.00) 1.375 2.75 3.0"
    assert theirs.split()[1] == "0.500"
