"""Measuring steps side by side: the step by hand is ours, and the protocol and the tables say what happened."""

from __future__ import annotations

import math
import mmap
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
FEW = {"size": 32, "width": 4, "blocks": 6, "levels": 5, "batch": 2, "dropout": False}


@pytest.fixture(autouse=True)
def _on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def stub(tmp_path: Path, body: str) -> str:
    """A program of a few lines, which needs no torch: `answer` what it is asked."""
    path = tmp_path / f"stub{len(list(tmp_path.iterdir()))}.py"
    lines = ["import json, sys", "for line in sys.stdin:", "    asked = json.loads(line)", *body.splitlines()]
    path.write_text("\n".join([*lines[:3], *("    " + line for line in lines[3:])]) + "\n")
    return f"{sys.executable} {path}"


def answering(fool: float, seconds: float = 1.0) -> str:
    return (
        f"losses = {{'fool': {fool}}}\n"
        f"print(json.dumps({{'program': 'a stub', 'seconds': {seconds}, 'peak': 7, 'losses': losses}}), flush=True)"
    )


TRICKS = [
    "quick-norms",
    "channels-last",
    "matrix-convolutions",
    "fused-optimizers",
    "step-in-backward",
    "split-backward",
    "batched-calls",
]


WIDE = {**FEW, "width": 64, "batch": 1}
"""Some tricks are for convolutions with a million weights."""


@pytest.mark.parametrize(
    ("method", "speed", "sizes"),
    [
        ("cyclegan", ["safe"], FEW),
        ("cyclegan", TRICKS, FEW),
        ("pix2pix", ["safe"], FEW),
        ("pix2pix", TRICKS, FEW),
        ("pix2pix", TRICKS, WIDE),
    ],
    ids=["cyclegan, safe", "cyclegan", "pix2pix, safe", "pix2pix", "pix2pix, wide"],
)
def test_the_step_by_hand_is_ours_in_double_precision(
    method: str, speed: list[str], sizes: dict[str, Any], tmp_path: Path
) -> None:
    from programs.ours import Ours
    from programs.protocol import Start
    from reference import cyclegan, pix2pix
    from safetensors.torch import load_file
    from step import draw_weights, pictures

    start = Start(method=method, weights=str(tmp_path), precision="fp64", **sizes)
    draw_weights(start)
    ours = Ours(speed)
    ours.start(start)
    if method == "cyclegan":
        networks = cyclegan.build(start.width, start.blocks)
    else:
        networks = pix2pix.build(start.width, start.levels, dropout=False)
    for name, state in start.states().items():
        networks[name].load_state_dict(state)
        networks[name].double()
    classic = cyclegan.CycleGAN(networks) if method == "cyclegan" else pix2pix.Pix2Pix(networks)
    (tmp_path / "in").mkdir()
    for _, path in zip(range(3), pictures(start, tmp_path / "in")):
        batch = {field: value.double() for field, value in load_file(path).items()}
        found = ours.losses(ours.step(batch))
        expected = {name: float(value) for name, value in classic.step(**batch).items()}
        assert {name: float(value) for name, value in found.items()} == pytest.approx(expected, rel=1e-9)


def test_weights_are_named_as_in_the_classic_codes_files(tmp_path: Path) -> None:
    from reference import cyclegan, pix2pix

    from tests import foreign_networks as foreign

    theirs = {
        "resnet": foreign.resnet(foreign.plain, blocks=9, width=4),
        "unet": foreign.unet(foreign.batch, levels=8, width=4),
        "patches": foreign.patchgan(foreign.plain, width=4),
        "pairs": foreign.patchgan(foreign.batch, width=4, channels=6),
    }
    of_cyclegan, of_pix2pix = cyclegan.build(4), pix2pix.build(4)
    ours = {
        "resnet": of_cyclegan["G"],
        "unet": of_pix2pix["G"],
        "patches": of_cyclegan["D_photo"],
        "pairs": of_pix2pix["D"],
    }
    for name, network in ours.items():
        shapes = {key: value.shape for key, value in network.state_dict().items()}
        assert shapes == {key: value.shape for key, value in theirs[name].state_dict().items()}, name


def test_the_pool_shows_what_it_is_given_until_it_is_full_and_never_makes_anything_up() -> None:
    from reference.pool import Pool

    pool = Pool(5)
    given = [torch.full((1, 1, 1, 1), float(number)) for number in range(60)]
    shown = [float(pool(picture)) for picture in given]
    assert shown[:5] == [0, 1, 2, 3, 4]
    assert all(value <= number for number, value in enumerate(shown))
    assert len({value for number, value in enumerate(shown) if value < number}) > 5, "no earlier picture is ever shown"


def test_a_program_answers_through_whatever_it_prints(tmp_path: Path) -> None:
    from programs.protocol import Client, Start

    program = tmp_path / "program.py"
    program.write_text(
        f"import sys; sys.path.insert(0, {str(BENCHMARKS)!r})\n"
        "from programs.protocol import serve\n"
        "class Program:\n"
        "    def start(self, start):\n"
        "        print('{noise on stdout}')\n"
        "        return f'{start.method} of {start.size} pixels'\n"
        "    def step(self, pictures):\n"
        "        if pictures['photo'].shape[0] > 1: raise ValueError('one picture, please')\n"
        "        return pictures['photo'].sum()\n"
        "    def losses(self, done):\n"
        "        return {'sum': done}\n"
        "serve(Program())\n"
    )
    for count in (1, 2):
        save_file({"photo": torch.ones(count, 3, 2, 2)}, tmp_path / f"{count}.safetensors")
    with Client("it", f"{sys.executable} {program}") as client:
        assert client.start(Start(method="cyclegan", weights=str(tmp_path), size=2)) == "cyclegan of 2 pixels"
        answer = client.step(tmp_path / "1.safetensors")
        assert answer["losses"] == {"sum": 12} and answer["seconds"] > 0 and answer["peak"] > 10**7
        with pytest.raises(RuntimeError, match="it: ValueError: one picture, please"):
            client.step(tmp_path / "2.safetensors")
        assert client.step(tmp_path / "1.safetensors")["losses"] == {"sum": 12}, "an error is not the end"
    assert client.process.returncode == 0


def test_a_program_that_ends_is_told(tmp_path: Path) -> None:
    from programs.protocol import Client

    with (
        Client("brief", stub(tmp_path, "sys.exit(3)")) as client,
        pytest.raises(RuntimeError, match="brief ended with status 3"),
    ):
        client.ask(do="start")


def test_lines_that_are_no_answer_are_passed_over(tmp_path: Path) -> None:
    from programs.protocol import Client

    with Client("chatty", stub(tmp_path, "print('hello')\n" + answering(1))) as client:
        assert client.ask(do="start")["program"] == "a stub"


@pytest.mark.parametrize(
    ("fool", "alike"), [(1.00001, True), (1.01, False), (float("inf"), False)], ids=["rounding", "wrong", "infinite"]
)
def test_losses_that_differ_are_found(
    fool: float, alike: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from programs.protocol import Start
    from step import compare

    programs = {"ours": stub(tmp_path, answering(fool).replace("inf", "1e400")), "theirs": stub(tmp_path, answering(1))}
    start = Start(method="pix2pix", weights=str(tmp_path), size=8)
    assert compare(programs, start, 2, {}, loud=True) is alike
    assert ("NOT THE SAME" in capsys.readouterr().out) is not alike


def test_other_terms_are_never_the_same_losses() -> None:
    from step import largest_difference

    assert largest_difference({"fool": 1.0}, {"fool": 1.0, "pixels": 2.0}) == math.inf
    assert largest_difference({"fool": 1.1}, {"fool": 1.0}) == pytest.approx(0.1)
    assert largest_difference({"fool": math.nan, "pixels": 1.0}, {"fool": 1.0, "pixels": 1.0}) == math.inf


def test_programs_take_turns_and_each_is_measured_by_the_others_turn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from programs.protocol import Start
    from step import measure

    programs = {"ours": stub(tmp_path, answering(1, 0.5)), "theirs": stub(tmp_path, answering(1, 2))}
    given = Namespace(turns=3, warmup=1, seconds=None, precision="fp32", loud=True)
    start = Start(method="cyclegan", weights=str(tmp_path), size=8, batch=2)
    head, _, ours, theirs, *said = measure(programs, start, given, {})
    assert head == "3 turns; ratios of time and memory to: theirs (a stub)"
    assert " ".join(ours.split()) == "ours 0.500 (0.500 to 0.500) 4.00 0.250 (0.250 to 0.250) 0 1.00"
    assert theirs.split()[:2] == ["theirs", "2.000"] and said == ["ours is a stub", "theirs is a stub"]
    told = capsys.readouterr()
    assert [line.partition(",")[0] for line in told.err.splitlines()] == [f"turn {n} of 4" for n in (1, 2, 3, 4)]
    assert told.out == "" and told.err.endswith(", 0 s left\n")


def test_a_ratio_is_the_median_of_the_turns_ratios() -> None:
    from step import table

    # The machine is slow in the second turn, for both: the medians' ratio would be 0.25, no turn's.
    times = {"ours": [1.0, 10.0, 1.0], "theirs": [2.0, 20.0, 4.0]}
    _, _, ours, _, *_ = table(times, {"ours": [30], "theirs": [60]}, dict.fromkeys(times, "it"), 1)
    assert "0.500" in ours and ours.endswith("0.50")


def test_memory_is_counted_from_the_first_step_on() -> None:
    from programs.protocol import forget_peak, peak

    def hold() -> mmap.mmap:
        """200 MB that go back to the system when it is closed, whatever earlier tests did to the allocator."""
        held = mmap.mmap(-1, 2 * 10**8)
        held.write(b"x" * (2 * 10**8))
        return held

    device = torch.device("cpu")
    forget_peak(device)
    with hold():
        before = peak(device)
    forget_peak(device)
    if sys.platform == "linux":
        assert peak(device) < before - 10**8
        with hold():
            assert peak(device) > before - 10**8


@pytest.mark.soak
@pytest.mark.parametrize(
    "words",
    [
        ["step.py", "cyclegan", "--size", "32", "--width", "4", "--blocks", "6", "--turns", "2"],
        ["step.py", "pix2pix", "--size", "32", "--width", "4", "--turns", "2", "--ours", "auto", "safe"],
        ["processes.py", "--size", "32", "--width", "4", "--turns", "2"],
        ["translate_against.py", "--size", "32", "--pictures", "3", "--width", "4", "--blocks", "6", "--turns", "1"],
    ],
    ids=["cyclegan", "pix2pix", "processes", "translate"],
)
def test_every_command_measures(words: list[str]) -> None:
    """pytest -m soak tests/test_benchmark_step.py"""
    done: Any = subprocess.run(
        [sys.executable, str(BENCHMARKS / words[0]), *words[1:]], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1.00" in done.stdout and "NOT THE SAME" not in done.stdout
