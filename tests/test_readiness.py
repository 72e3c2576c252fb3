"""What a machine lacks for a recipe, and phases that never run, are known before anything is loaded or trained."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.pictures import fill
from toonforge import extras
from toonforge.errors import DataError, Problem, RecipeError, ToonforgeError
from toonforge.recipe import load, loads, verify
from toonforge.train.trainer import train

RECIPE = """name = "ready"
data = { type = "synthetic", fields = { pair = ["photo", "cartoon"] }, count = 8, image_size = 64 }
generators.G = { type = "cyclegan/unet", levels = 4, width = 4 }
networks.V = { type = "vgg19", weights = "random" }
phases.first = { updates = ["G"], losses.content = { type = "feature-l1", input = "G(photo)", target = "photo", features = "V" } }
train = { steps = 4 }
"""


def problems(path: Path, text: str, *overrides: str) -> tuple[Problem, ...]:
    file = path / "recipe.toml"
    file.write_text(text)
    with pytest.raises(ToonforgeError) as caught:
        verify(load(file, overrides), file, overrides)
    return caught.value.problems


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with none of the extras."""
    monkeypatch.setattr(extras, "find_spec", lambda name: None)


@pytest.mark.parametrize(
    ("line", "key", "extra"),
    [
        ('networks.V = { type = "efficientnet-lite0" }', "networks.V", "features"),
        ('networks.V = { type = "vgg19" }', "networks.V", "vision"),
        ('metrics.far = { type = "kid", generated = "G(photo)", reference = "cartoon" }', "metrics.far", "features"),
        ('metrics.far = { type = "fid", generated = "G(photo)", reference = "cartoon" }', "metrics.far", "features"),
        ('metrics.far = { type = "fourier", input = "photo", output = "G(photo)" }', "metrics.far", "plots"),
        (
            'metrics.far = { type = "classifier-gap", input = "G(photo)", target = "cartoon" }',
            "metrics.far",
            "classifier",
        ),
    ],
)
def test_a_missing_extra_is_named_at_its_line(bare: None, tmp_path: Path, line: str, key: str, extra: str) -> None:
    own = 'networks.V = { type = "vgg19", weights = "random" }'
    text = RECIPE.replace(own, line) if line.startswith("networks") else RECIPE + line
    (problem,) = problems(tmp_path, text)
    assert problem.key == key and problem.where is not None
    assert problem.where.line == 1 + text[: text.index(line)].count("\n")
    assert f'pip install "toonforge[{extra}]"' in str(problem.hint)


def test_all_that_is_missing_is_told_at_once(bare: None, tmp_path: Path) -> None:
    fill(tmp_path / "photo", 4)
    text = RECIPE.replace('weights = "random"', 'weights = "nowhere.pth"').replace(
        '{ type = "synthetic", fields = { pair = ["photo", "cartoon"] }, count = 8, image_size = 64 }',
        f'{{ type = "unpaired-folders", fields = {{ photo = "{tmp_path}/photo" }}, image_size = 64, '
        'filtered = { cartoon = "cartoonize(photo)" } }',
    )
    found = problems(tmp_path, text + 'metrics.far = { type = "fourier", input = "photo", output = "G(photo)" }')
    assert [problem.key for problem in found] == ["data", "networks.V.weights", "metrics.far"]
    assert all(problem.where is not None for problem in found)


def test_missing_pictures_are_a_data_error_at_their_key(tmp_path: Path) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text(
        RECIPE.replace(
            '"synthetic", fields = { pair = ["photo", "cartoon"] }, count = 8,',
            '"unpaired-folders", fields = { photo = "nowhere" },',
        )
    )
    with pytest.raises(DataError, match=r"recipe.toml:2:\d+: data.fields.photo: the folder nowhere does not exist"):
        verify(load(file), file)


def test_a_packaged_recipe_without_pictures_says_how_to_name_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = "cyclegan/cyclegan"
    with pytest.raises(DataError) as caught:
        verify(load(name), name)
    problem = caught.value.problems[0]
    own = f"name your own: --set {problem.key}='\"PATH\"', or edit a copy: toonforge cp {name}"
    assert problem.hint == f"it is looked for in {tmp_path}; {own}"


def test_a_classifier_that_is_not_there_is_named_at_its_key(tmp_path: Path) -> None:
    line = 'metrics.gap = { type = "classifier-gap", input = "G(photo)", target = "cartoon", model = "nowhere.onnx" }'
    (problem,) = problems(tmp_path, RECIPE + line)
    assert problem.key == "metrics.gap.model" and "does not exist" in problem.message


SECOND = (
    'phases.second = { updates = ["G"], %s, losses.same = { type = "l1", input = "G(photo)", target = "cartoon" } }'
)


@pytest.mark.parametrize(
    ("train", "phase"),
    [
        ("train.epochs=1", "from = 600"),
        ("train.steps=8", "from = { epochs = 5 }"),
        ("train.steps=8", "from = 4, until = { epochs = 0.5 }"),
        ("train.epochs=2", "from = 16"),
    ],
)
def test_a_phase_that_never_runs_is_refused_once_the_data_says_so(tmp_path: Path, train: str, phase: str) -> None:
    text = RECIPE.replace("train = { steps = 4 }", "train = { steps = 1000 }") + SECOND % phase
    (problem,) = problems(tmp_path, text, train)
    assert problem.key == "phases.second.from" and problem.where is not None and problem.where.line == 7
    assert "an epoch of this data is 8 steps" in str(problem.found)


@pytest.mark.parametrize(
    ("train", "phase"), [("train.epochs=2", "from = 15"), ("train.steps=41", "from = { epochs = 5 }")]
)
def test_a_phase_that_runs_for_one_step_is_not(tmp_path: Path, train: str, phase: str) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text(RECIPE.replace("train = { steps = 4 }", "train = { steps = 1000 }") + SECOND % phase)
    verify(load(file, [train]), file, [train])


def test_training_from_python_refuses_as_well(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="never active"):
        train(loads(RECIPE + SECOND % "from = { epochs = 5 }"), folder=tmp_path / "run", cpu=True)
    assert not (tmp_path / "run").exists()


def test_looking_loads_neither_torch_nor_what_it_looks_for() -> None:
    code = (
        "import sys; from toonforge.cli import main; main(['check', 'recipes/cartoon_pix2pix.toml']);"
        "sys.exit(bool({'torch', 'cv2', 'onnxruntime', 'matplotlib', 'torchvision'} & set(sys.modules)))"
    )
    root = Path(__file__).parent.parent
    assert subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True).returncode == 0
