"""What would cut networks into pieces is refused in plain words, before PyTorch is loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
from accelerate.utils import DistributedType
from hypothesis import given
from hypothesis import strategies as st

from toonforge import recipe as recipes
from toonforge.errors import RunError
from toonforge.train.sharding import BACKEND, KINDS, refuse_kind, refuse_sharding
from toonforge.train.step import Training, make_accelerator

ON, OFF = ("true", "True", "1", "yes"), ("", "false", "False", "0", "no", "NO")


@given(st.dictionaries(st.sampled_from(sorted(KINDS)), st.sampled_from(OFF)), st.sampled_from(["", "no", "NO"]))
def test_what_is_off_is_no_reason_to_refuse(environment: dict[str, str], backend: str) -> None:
    refuse_sharding({**environment, BACKEND: backend})
    refuse_sharding(environment)


@given(
    st.sampled_from(sorted(KINDS)), st.sampled_from(ON), st.dictionaries(st.sampled_from([*KINDS]), st.just("false"))
)
def test_what_is_on_is_named_with_its_variable(name: str, value: str, others: dict[str, str]) -> None:
    with pytest.raises(RunError) as caught:
        refuse_sharding({**others, name: value})
    (problem,) = caught.value.problems
    assert KINDS[name] in problem.message
    assert problem.found == f"{name}={value}"
    assert "--processes" in (problem.hint or "")


def test_compiling_by_accelerate_is_refused_with_the_recipes_way() -> None:
    with pytest.raises(RunError) as caught:
        refuse_sharding({BACKEND: "INDUCTOR"})
    assert "train.speed" in (caught.value.problems[0].hint or "")


def test_no_accelerator_is_made_of_such_an_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    with pytest.raises(RunError, match="FSDP"):
        make_accelerator("fp32", cpu=True)


@pytest.mark.parametrize("kind", list(DistributedType))
def test_an_accelerator_made_elsewhere_is_refused_by_its_kind_alone(kind: DistributedType) -> None:
    cuts = kind in (DistributedType.FSDP, DistributedType.DEEPSPEED, DistributedType.MEGATRON_LM)
    if not cuts:
        refuse_kind(kind.value)
        return
    with pytest.raises(RunError, match="cannot train several networks"):
        refuse_kind(kind.value)


def test_a_training_refuses_such_an_accelerator_before_it_builds_anything(tiny: None) -> None:
    recipe = recipes.loads("""
    name = "sharded"
    data = { type = "tiny/pictures", fields = ["photo"] }
    generators.G = { type = "tiny/generator" }
    [train]
    steps = 1
    [phases.one]
    updates = ["G"]
    losses.a = { type = "l1", input = "G(photo)", target = "photo" }
    """)
    with pytest.raises(RunError, match="FSDP"):
        Training(recipe, 1, 1, SimpleNamespace(distributed_type=DistributedType.FSDP))  # type: ignore[arg-type]


def test_the_command_says_it_without_torch() -> None:
    code = (
        "import sys; from toonforge.cli import main; "
        "code = main(['run', 'cyclegan/cyclegan']); sys.exit(code if 'torch' not in sys.modules else 99)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "ACCELERATE_USE_DEEPSPEED": "true"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert "DeepSpeed cannot train several networks" in done.stderr
    assert "Traceback" not in done.stderr
