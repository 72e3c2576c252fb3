"""Several processes as users start them: `--processes`, `torchrun`, several machines; and what refuses them.

That they train like one is held in `test_equal_processes.py`, in processes that are forked.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import toonforge
from tests.plain_recipes import EVERY
from toonforge import recipe as recipes
from toonforge.cli import worker
from toonforge.errors import RecipeError, RunError
from toonforge.recipe import load
from toonforge.recipe.model import Recipe
from toonforge.recipe.resolved import dump

ROOT = Path(__file__).parent.parent
DISCRIMINATOR_FIRST = """
name = "discriminator_first"
[data]
type = "tiny/pictures"
count = 9
paired = true
[train]
steps = 6
batch_size = 4
accumulate = 2
precision = "fp64"
optimizer = { type = "sgd", lr = 0.05 }
[generators]
G = { type = "tiny/generator" }
[discriminators]
D = { type = "tiny/discriminator" }
[signals]
fake = "G(photo)"
[phases.discriminator]
updates = ["D"]
[phases.discriminator.losses]
reals = { type = "lsgan", logits = "D(anime)", real = true }
fakes = { type = "lsgan", logits = "D(fake)", real = false }
[phases.generator]
updates = ["G"]
[phases.generator.losses]
fool = { type = "lsgan", logits = "D(fake)", real = true }
pixels = { type = "l1", input = "fake", target = "anime", weight = 10 }
"""
"""The generator's only forward pass lies in the phase before the one that its gradient belongs to."""


SMALL = """
name = "small"
[data]
type = "synthetic"
image_size = 32
count = 8
[generators]
G = { type = "cyclegan/double-unet", width = 4, levels = 1 }
[discriminators]
D = { type = "cyclegan/patchgan", width = 4, layers = 1 }
[phases.generator]
updates = ["G"]
losses.fool = { type = "lsgan", logits = "D(G(photo))", real = true }
[phases.discriminator]
updates = ["D"]
losses.real = { type = "lsgan", logits = "D(anime)", real = true }
losses.fake = { type = "lsgan", logits = "D(pool(G(photo), 4))", real = false }
[train]
steps = 2
batch_size = 4
"""


def commands(marker: str) -> list[str]:
    """The words of the command in docs/how-to/several-gpus.md after `<!-- run: MARKER -->`."""
    page = (ROOT / "docs/how-to/several-gpus.md").read_text("utf-8")
    (text,) = re.findall(rf"^<!-- run: {marker} -->\n```sh\n(.*?)```", page, re.M | re.S)
    return shlex.split(text.replace("\\\n", " "))


def as_here(words: list[str], **instead: str) -> list[str]:
    """A command of the page, with this Python and what is here in the place of what the page names."""
    programs = {
        "torchrun": [sys.executable, "-m", "torch.distributed.run"],
        "toonforge": [sys.executable, "-m", "toonforge"],
    }
    return [*programs[words[0]], *(instead.get(word, word) for word in words[1:])]


ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}


@pytest.mark.parametrize("launcher", ["processes", "torchrun"])
def test_the_commands_of_the_page_train_in_two_processes_together(tmp_path: Path, launcher: str) -> None:
    """Without --cpu, on whatever there is: each process alone would refuse the folder that the first one made."""
    (tmp_path / "small.toml").write_text(SMALL)
    command = as_here(commands(launcher), **{"recipes/anime_unet.toml": "small.toml"})
    done = subprocess.run(
        command, cwd=tmp_path, env=ONE_THREAD, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert " in 2 processes" in done.stderr and done.stdout.count("finished after step 2 of 2") == 1
    checkpoint = tmp_path / "runs/small/checkpoints/step-000002"
    assert json.loads((checkpoint / "checkpoint.json").read_text())["processes"] == 2
    assert (checkpoint / "ops.rank1.safetensors").is_file()
    assert "processes = 2" in (tmp_path / "runs/small/resolved.toml").read_text()


@pytest.mark.soak
def test_the_pages_commands_for_two_machines_train_together_and_go_on(tmp_path: Path) -> None:
    """Two torchruns on this machine, each in a folder of its own, with the run's folder shared."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    here = {
        "recipes/anime_unet.toml": "small.toml",
        "/shared/runs/anime_unet": str(tmp_path / "shared"),
        "node1": "localhost",
        "29500": port,
        "8": "1",
    }
    for steps, more in (("2", []), ("4", ["--resume"])):
        machines = []
        for number in (0, 1):
            (tmp_path / str(number)).mkdir(exist_ok=True)
            (tmp_path / str(number) / "small.toml").write_text(SMALL)
            command = [*as_here(commands(f"node {number}"), **here), "--set", f"train.steps={steps}", *more]
            machines.append(
                subprocess.Popen(
                    command,
                    cwd=tmp_path / str(number),
                    env=ONE_THREAD,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                )
            )
        for machine in machines:
            said = machine.communicate(timeout=600)[0]
            assert machine.returncode == 0, said
        assert (tmp_path / f"shared/checkpoints/step-00000{steps}/checkpoint.json").is_file()
    assert sorted(path.name for path in (tmp_path / "1").iterdir()) == ["small.toml"]


def test_a_batch_that_cannot_be_cut_is_refused_once_and_before_torch_is_imported(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(SMALL)
    stub = tmp_path / "stubs/torch.py"
    stub.parent.mkdir()
    stub.write_text("raise SystemExit('torch was imported')")
    env = {**ONE_THREAD, "PYTHONPATH": str(stub.parent)}
    for words in (["run", "small.toml", "--processes", "3"], ["check", "small.toml", "--set", "train.processes=3"]):
        done = subprocess.run(
            [sys.executable, "-m", "toonforge", *words],
            cwd=tmp_path,
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2, done.stderr
        assert done.stderr.count("train.batch_size: the batch cannot be cut evenly") == 1, done.stderr
        assert "processes 3" in done.stderr and "batch_size to 6" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_several_processes_are_refused_where_there_is_one(tiny: None, tmp_path: Path) -> None:
    """As from Python, where nobody starts the others: it would train as one, and say so nowhere."""
    recipe = recipes.loads(DISCRIMINATOR_FIRST.replace("[train]", "[train]\nprocesses = 2"))
    with pytest.raises(RunError, match=r"train\.processes") as caught:
        toonforge.run(recipe, tmp_path / "run", cpu=True)
    assert "--processes 2" in str(caught.value) and "torchrun --nproc-per-node 2" in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_mistake_under_torchrun_is_said_once_a_machine(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(SMALL)
    done = subprocess.run(
        [*as_here(commands("torchrun"), **{"recipes/anime_unet.toml": "small.toml"}), "--set", "train.stepz=3"],
        cwd=tmp_path,
        env=ONE_THREAD,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 1 and done.stderr.count("unknown path") == 1, done.stderr


@pytest.mark.parametrize(("rank", "local", "waits"), [("0", "0", 0), ("1", "1", 1), ("8", "0", 0)])
def test_a_mistake_is_left_to_the_first_process_of_a_machine(
    monkeypatch: pytest.MonkeyPatch, rank: str, local: str, waits: int
) -> None:
    """The others wait to be ended, and say it where nobody ends them; what is a process's own is said at once."""
    waited: list[float] = []
    monkeypatch.setattr(worker.time, "sleep", waited.append)
    for name, value in {"WORLD_SIZE": "16", "RANK": rank, "LOCAL_RANK": local}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(RecipeError), worker.said_once(but=RunError):
        raise RecipeError("unknown key")
    assert len(waited) == waits
    with pytest.raises(RunError), worker.said_once(but=RunError):
        raise RunError("does not see the run")
    assert len(waited) == waits
    monkeypatch.delenv("WORLD_SIZE")
    with pytest.raises(RecipeError), worker.said_once():
        raise RecipeError("unknown key")
    assert len(waited) == waits


# -- what the page says of each recipe ----------------------------------------------------------------------------------


def own_of(recipe: Recipe) -> str:
    """What each process has for itself in this recipe, in the page's words."""
    networks = [*recipe.generators.values(), *recipe.discriminators.values()]
    found = ["batch norm"] if any(getattr(config, "norm", None) == "batch" for config in networks) else []
    found += ["dropout"] if any(getattr(config, "dropout", 0) for config in networks) else []
    text = dump(recipe)
    found += [op for op in ("pool", "noise", "augment") if f"{op}(" in text]
    return ", ".join(found) or "nothing"


def test_the_pages_table_names_every_recipe_with_what_is_each_processes_own() -> None:
    page = (ROOT / "docs/how-to/several-gpus.md").read_text("utf-8")
    table = page[page.index("| recipes | of its own") :].split("\n\n")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]
    patterns = {pattern: own for names, own in rows for pattern in re.findall(r"`([^`]+)`", names)}
    for name, path in EVERY.items():
        exact = [own for pattern, own in patterns.items() if pattern == name]
        matching = exact or [own for pattern, own in patterns.items() if fnmatch.fnmatchcase(name, pattern)]
        assert matching == [own_of(load(path))], name
