"""Freed memory stays with the process while it is asked for, and goes back to the system afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from toonforge.recipe.loading import loads
from toonforge.speed import pages
from toonforge.train.trainer import train

# As tensors do, a bytearray asks the C library for its memory. Without torch, a process takes a moment.
SCRIPT = """
import json, resource, sys
from toonforge.speed import pages

MB = 1 << 20

def held():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("VmRSS"))

def work():
    '''What a step does: take, fill, free. Pages taken from the system meanwhile.'''
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        parts = [bytearray(b"x") * (40 * MB) for _ in range(3)]
        del parts
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def small():
    '''The same with blocks of 4 MB, one after the other.'''
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(50):
        bytearray(b"x") * (4 * MB)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

small()
told = {"torch": "torch" in sys.modules, "never": small(), "before": work(), "start": held()}
told["keeps"] = pages.keep_pages()
work()
told |= {"kept": work(), "large": held(), "gives": pages.give_back(), "small": held(), "after": work()}
small()
told |= {"given": small(), "again": pages.give_back(), "trims": pages.trim()}
print(json.dumps(told))
"""
MB = 1 << 20
PAGES = 40 * MB // os.sysconf("SC_PAGESIZE")


@pytest.fixture(scope="module")
def told() -> dict[str, int]:
    """What a process says that works before, while and after its pages are kept."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def test_kept_memory_needs_no_new_pages(told: dict[str, int]) -> None:
    assert told["before"] > 5 * PAGES, "otherwise there is nothing to gain"
    assert told["keeps"] and told["kept"] < PAGES / 10


def test_kept_memory_goes_back_to_the_system_in_the_end(told: dict[str, int]) -> None:
    assert told["large"] > told["start"] + 100 * MB
    assert told["gives"] and told["small"] < told["start"] + 20 * MB
    assert told["after"] > 5 * PAGES, "the C library goes on as it began"
    assert not told["again"] and not told["trims"], "there is nothing kept any more"


def test_smaller_blocks_come_from_kept_memory_afterwards_as_they_did_before(told: dict[str, int]) -> None:
    assert told["never"] < PAGES / 10, "glibc keeps them by itself, once one was freed"
    assert told["given"] < PAGES / 10


def test_pages_are_kept_without_torch(told: dict[str, int]) -> None:
    assert not told["torch"]


@pytest.mark.parametrize("error", [ValueError("unrecognized configuration name"), OSError(22, "invalid")])
def test_other_c_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def confstr(name: str) -> str:
        raise error

    pages.is_glibc.cache_clear()
    pages._glibc.cache_clear()
    try:
        with monkeypatch.context() as patch:
            patch.setattr(os, "confstr", confstr)
            assert not pages.is_glibc() and not pages.keep_pages() and not pages.trim() and not pages.give_back()
    finally:
        pages.is_glibc.cache_clear()
        pages._glibc.cache_clear()


RECIPE = """
name = "pages"
data = { type = "tiny/pictures", paired = true }
generators.G = { type = "tiny/generator" }
phases.p = { updates = ["G"], losses.content = { type = "l1", input = "G(photo)", target = "anime" } }
[train]
steps = 1
"""


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("speed", ['["keep-pages"]', '"safe"'])
def test_a_training_keeps_pages_where_that_is_chosen_and_gives_them_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, speed: str
) -> None:
    seen: list[tuple[int, int]] = []

    class Library:
        def mallopt(self, option: int, value: int) -> int:
            seen.append((option, value))
            return 1

        def malloc_trim(self, pad: int) -> int:
            seen.append((0, pad))
            return 1

    monkeypatch.setattr(pages, "_glibc", Library)
    train(loads(RECIPE + f"speed = {speed}"), folder=tmp_path / "run", cpu=True)
    if "safe" in speed:
        assert seen == []
    else:  # a look at the end trims, too
        assert seen[:2] == [(-4, 0), (-1, -1)] and seen[-4:] == [(0, 0), (-4, 65536), (-3, 32 << 20), (-1, 64 << 20)]
