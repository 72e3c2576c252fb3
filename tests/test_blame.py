"""Mistakes in a plugin's code that only a training meets: one message that names the component and its plugin."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from tests.pictures import save
from tests.test_engine_equality import CASES
from tests.tiny import TinyMetric, TinyPictures
from toonforge import recipe as recipes
from toonforge import registries
from toonforge.blame import of_component
from toonforge.cli import main
from toonforge.components import Generator, Loss, Op, Optimizer, Shape, component, param
from toonforge.errors import ComponentFault, PluginError, RunError, ToonforgeError
from toonforge.recipe.expr import Expr
from toonforge.registry import Provenance
from toonforge.train.trainer import train

WHO = Provenance(plugin="oops", distribution="toonforge-oops", version="0.1.0")
OF = "of toonforge-oops 0.1.0"


class Mistake:
    """Which one the components below make; set by each test."""

    now: ClassVar[str] = ""


def _fail() -> None:
    if Mistake.now == "package":
        import kornia_that_nobody_has.filters  # noqa: F401
    if Mistake.now == "own module":
        import tests.that_is_gone  # noqa: F401
    if Mistake.now == "memory":
        raise MemoryError
    if Mistake.now == "disk":
        raise OSError(errno.ENOSPC, "No space left on device")
    if Mistake.now == "weights":
        raise ToonforgeError("no weights")
    if Mistake.now == "build":
        raise KeyError("width")


class Module(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 1)

    def forward(self, x: torch.Tensor) -> Any:
        leaf = x.requires_grad and x.is_leaf
        if Mistake.now == ("forward" if self.training else "evaluated") or (
            leaf and Mistake.now == "asked for its input's gradient"
        ):
            raise ZeroDivisionError("no pixels")
        made = self.layer(x)
        return {"none": None, "smaller": made[..., :-1], "one": made[:1], "tuple": (made,), "flat": made.mean()}.get(
            Mistake.now, made
        )


@component
class OopsNet(Generator):
    """A layer."""

    def shape(self, *inputs: Shape) -> Shape:
        return inputs[0]

    def build(self) -> nn.Module:
        _fail()
        return Module()


@component
class OopsLoss(Loss):
    """Squares."""

    input: Expr = param(doc="a picture")

    def build(self) -> Any:
        _fail()

        def loss(input: torch.Tensor) -> Any:
            if Mistake.now == "float":
                return float(input.detach().mean())
            if Mistake.now == "call":
                raise ZeroDivisionError("no pixels")
            return input if Mistake.now == "picture" else input.square().mean()

        return loss


@component
class OopsOp(Op):
    """As it was."""

    def shape(self, *inputs: Shape | float) -> Shape:
        return inputs[0]  # type: ignore[return-value]

    def build(self) -> Any:
        _fail()

        def op(x: torch.Tensor) -> Any:
            if Mistake.now == "call":
                raise ZeroDivisionError("no pixels")
            made = {"none": None, "smaller": x[..., :-1], "one": x[:1], "tuple": (x,), "array": x.detach().numpy()}
            return made.get(Mistake.now, x)

        return op


@component
class OopsPictures(TinyPictures):
    """Pictures."""

    def build(self, split: str) -> Any:
        _fail()
        return super().build(split)


@component
class OopsMetric(TinyMetric):
    """A metric."""

    def build(self, device: torch.device) -> Any:
        _fail()
        return super().build(device)


@component
class OopsSteps(Optimizer):
    """Descent."""

    def build(self, parameters: Any) -> Any:
        _fail()
        return torch.optim.SGD(parameters, 0.1)


OOPS: dict[str, tuple[type, str]] = {
    "generators": (OopsNet, 'G = {{ type = "tiny/generator", dropout = 0.5 }}|G = {{ type = "oops/it" }}'),
    "losses": (
        OopsLoss,
        'pixels = {{ type = "l1", input = "fake", target = "photo", weight = 100 }}|pixels = {{ type = "oops/it", input = "fake" }}',
    ),
    "ops": (OopsOp, 'input = "fake"|input = "oops/it(fake)"'),
    "datasets": (OopsPictures, 'type = "tiny/pictures"|type = "oops/it"'),
    "metrics": (OopsMetric, '[train]|[metrics]\nmean = {{ type = "oops/it", input = "fake" }}\n[train]'),
    "optimizers": (OopsSteps, '{train}|optimizer = {{ type = "oops/it" }}'),
}
"""Kind -> its component, and what to put in place of what in the recipe."""
PLACES = {
    "generators": "generators.G",
    "losses": "phases.generator.losses.pixels",
    "ops": "oops/it(fake)",
    "datasets": "data",
    "metrics": "metrics.mean",
    "optimizers": "train.optimizer",
}


@pytest.fixture
def oops(tiny: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind, (cls, _) in OOPS.items():
        registry: Any = registries.plugins.registries[kind]
        if "oops/it" not in registry:
            registry.add("oops/it", cls, WHO)
    monkeypatch.setattr(Mistake, "now", "")


def text(kind: str) -> str:
    old, new = OOPS[kind][1].split("|")
    recipe, data, _ = CASES["pix2pix"]
    assert old in recipe
    return recipe.replace(old, new).format(data=data, train="")


def trained(kind: str, mistake: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Mistake, "now", mistake)
    train(recipes.loads(text(kind)), folder=folder / "run", cpu=True)


@pytest.mark.parametrize("kind", OOPS)
def test_what_makes_no_mistake_trains(oops: None, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained(kind, "", tmp_path, monkeypatch)


@pytest.mark.parametrize(("mistake", "found"), [("picture", "a tensor of shape (2, 3, 16, 16)"), ("float", None)])
def test_a_loss_that_is_not_one_number(
    oops: None, mistake: str, found: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RunError) as caught:
        trained("losses", mistake, tmp_path, monkeypatch)
    (problem,) = caught.value.problems
    assert problem.key == f"phases.generator.losses.pixels (oops/it {OF})"
    assert problem.expected == "a tensor of shape ()"
    if found is None:
        assert isinstance(float(str(problem.found)), float) and problem.hint is None
    else:
        assert problem.found == found and ".mean()" in str(problem.hint)


@pytest.mark.parametrize(
    ("mistake", "found"),
    [
        ("smaller", "a tensor of shape (2, 3, 16, 15)"),
        ("one", "a tensor of shape (1, 3, 16, 16)"),
        ("none", "None"),
        ("flat", "a tensor of shape ()"),
        ("tuple", "a tuple of 1"),
    ],
)
@pytest.mark.parametrize("speed", ['"safe"', '["batched-calls", "split-backward"]'])
def test_a_network_whose_output_is_not_as_announced(
    oops: None, mistake: str, found: str, speed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Mistake, "now", mistake)
    recipe = recipes.loads(text("generators").replace('"safe"', speed))
    with pytest.raises(RunError) as caught:
        train(recipe, folder=tmp_path / "run", cpu=True)
    (problem,) = caught.value.problems
    assert problem.key == f"generators.G (oops/it {OF})"
    assert str(problem.found).startswith(found)
    assert problem.expected == "a tensor of shape (2, 3, 16, 16)"
    assert "forward() and shape() must agree" in str(problem.hint)


@pytest.mark.parametrize(
    ("mistake", "found"),
    [("smaller", "a tensor of shape (2, 3, 16, 15)"), ("none", "None"), ("array", "a ndarray")],
)
def test_an_op_whose_output_is_not_as_announced(
    oops: None, mistake: str, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RunError) as caught:
        trained("ops", mistake, tmp_path, monkeypatch)
    (problem,) = caught.value.problems
    assert problem.key == f"oops/it(fake) (oops/it {OF})"
    assert (problem.found, problem.expected) == (found, "a tensor of shape (2, 3, 16, 16)")
    assert "build() and shape() must agree" in str(problem.hint)


@pytest.mark.parametrize("kind", OOPS)
def test_a_package_that_build_lacks(oops: None, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PluginError) as caught:
        trained(kind, "package", tmp_path, monkeypatch)
    (problem,) = caught.value.problems
    assert problem.key == f"{PLACES[kind]} (oops/it {OF})"
    assert "No module named 'kornia_that_nobody_has'" in problem.message
    assert "install what brings kornia_that_nobody_has" in str(problem.hint)
    assert "-p no:oops" in str(problem.hint)


@pytest.mark.parametrize("kind", OOPS)
@pytest.mark.parametrize(
    ("mistake", "words"), [("build", "KeyError: 'width'"), ("own module", "No module named 'tests.that_is_gone'")]
)
def test_what_build_raises(
    oops: None, kind: str, mistake: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ComponentFault) as caught:
        trained(kind, mistake, tmp_path, monkeypatch)
    said = str(caught.value)
    assert said.startswith(f"in the plugin oops (toonforge-oops 0.1.0): {PLACES[kind]} (oops/it) build() failed: ")
    assert words in said


@pytest.mark.parametrize(
    ("mistake", "words"),
    [("memory", "out of memory while building"), ("disk", "the disk is full"), ("weights", "no weights")],
)
def test_what_is_no_fault_of_the_code_passes(
    oops: None, mistake: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ToonforgeError, match=words) as caught:
        trained("generators", mistake, tmp_path, monkeypatch)
    assert "oops" not in str(caught.value)


@pytest.mark.parametrize(("kind", "mistake"), [("generators", "forward"), ("losses", "call"), ("ops", "call")])
def test_what_a_call_raises(
    oops: None, kind: str, mistake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ComponentFault, match=r"in the plugin oops .*\(oops/it\) failed: ZeroDivisionError: no pixels"):
        trained(kind, mistake, tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        ("call", r"in the plugin oops .*: oops/it\(fake\) \(oops/it\) failed: ZeroDivisionError: no pixels"),
        ("tuple", r"oops/it\(fake\) \(oops/it of .*\): the op did not return a tensor\n *found: *a tuple of 1"),
    ],
)
def test_an_op_that_only_a_metric_calls(
    oops: None, mistake: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Mistake, "now", mistake)
    recipe, data, _ = CASES["pix2pix"]
    measured = recipe.replace("[train]", '[metrics]\nmean = {{ type = "tiny/mean", input = "oops/it(fake)" }}\n[train]')
    with pytest.raises(ComponentFault if mistake == "call" else RunError, match=said):
        train(recipes.loads(measured.format(data=data, train="")), folder=tmp_path / "run", cpu=True)


def test_a_network_that_fails_outside_training_alone(
    oops: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Mistake, "now", "evaluated")
    measured = text("generators").replace(
        "[train]", '[metrics]\nmean = { type = "tiny/mean", input = "fake" }\n[train]'
    )
    words = r"in the plugin oops .*: generators\.G \(oops/it\) failed: ZeroDivisionError: no pixels"
    with pytest.raises(ComponentFault, match=words):
        train(recipes.loads(measured), folder=tmp_path / "run", cpu=True)


def test_what_fails_where_a_picture_is_translated(
    oops: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    translated = text("generators").replace("[train]", '[translations]\ncartoon = "oops/it(G(photo))"\n[train]')
    train(recipes.loads(translated), folder=tmp_path / "run", cpu=True)
    save(tmp_path / "a.png")
    command = ["translate", str(tmp_path / "run"), str(tmp_path / "a.png"), "-o", str(tmp_path / "out"), "--cpu"]
    of = "(in the plugin oops (toonforge-oops 0.1.0):"
    for mistake, said in (
        ("array", f"oops/it(G(photo)) (oops/it {OF}): the op did not return a tensor (a ndarray)"),
        ("call", f"{of} oops/it(G(photo)) (oops/it) failed: ZeroDivisionError"),
        ("evaluated", f"{of} generators.G (oops/it) failed: ZeroDivisionError"),
    ):
        monkeypatch.setattr(Mistake, "now", mistake)
        assert main(command) == 2
        assert said in " ".join(capsys.readouterr().err.split())


def test_a_network_that_fails_where_a_loss_calls_it(
    oops: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Mistake, "now", "asked for its input's gradient")
    penalty = 'penalty = {{ type = "gradient-penalty", discriminator = "G", real = "photo", fake = "cartoon" }}'
    recipe, data, _ = CASES["pix2pix"]
    old, new = OOPS["generators"][1].split("|")
    recipe = recipe.replace(old, new).replace("reals = {{", f"{penalty}\nreals = {{{{")
    with pytest.raises(ComponentFault) as caught:
        train(recipes.loads(recipe.format(data=data, train="")), folder=tmp_path / "run", cpu=True)
    said = str(caught.value)
    assert said.startswith("in the plugin oops (toonforge-oops 0.1.0): generators.G (oops/it) failed, called by ")
    assert said.endswith("phases.discriminator.losses.penalty: ZeroDivisionError: no pixels")


def test_a_loss_that_fails_by_itself_is_named_though_it_called_a_network(oops: None) -> None:
    loss, module = OopsLoss(input=Expr.parse("photo")), Module()

    def call() -> None:
        with of_component(loss, "phases.generator.losses.it", lent=[(OopsNet(), "generators.G", module)]):
            module(torch.zeros(1, 3, 2, 2))
            raise ZeroDivisionError("no pixels")

    with pytest.raises(ComponentFault, match=r"losses\.it \(oops/it\) failed: ZeroDivisionError: no pixels$"):
        call()


def test_exit_codes_and_the_first_line(
    oops: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "r.toml").write_text(text("losses"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    command = ["run", str(tmp_path / "r.toml"), "--cpu", "--out"]
    said = {}
    for mistake, code in (("picture", 2), ("package", 2), ("build", 1)):
        monkeypatch.setattr(Mistake, "now", mistake)
        assert main([*command, str(tmp_path / mistake)]) == code, mistake
        said[mistake] = capsys.readouterr().err
    place = f"phases.generator.losses.pixels (oops/it {OF})"
    assert f"error: {place}: the loss did not return one number" in said["picture"]
    assert f"error: {place}: build() failed: ModuleNotFoundError" in said["package"]
    assert "error: in the plugin oops (toonforge-oops 0.1.0): phases.generator.losses.pixels" in said["build"]
    assert "internal error" not in said["build"] and "not yours" not in said["build"]
    assert "Traceback: " in said["build"] and len([*tmp_path.glob("toonforge-error-*")]) == 1
