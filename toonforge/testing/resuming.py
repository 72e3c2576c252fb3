"""What an op or a loss remembers from step to step: a checkpoint must have it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

STEPS = 4


def assert_resumes(build: Callable[[], Any], call: Callable[[Any, int], Any], file: Path) -> None:
    """Assert that one that was called a few times, saved and loaded into a new one goes on as that one does.

    One that remembers nothing needs no state.

    Args:
        build: a new one.
        call: what a step does with one, given the step's number; yields a tensor. Steps are seeded.
        file: to be written.
    """
    import torch
    from safetensors.torch import load_file, save_file

    from toonforge.data.seeds import seed_all
    from toonforge.train.state import Memory

    def new() -> Any:
        seed_all(0)
        return build()

    def steps(part: Any, first: int) -> list[torch.Tensor]:
        outputs = []
        for step in range(first, first + STEPS):
            seed_all(step)
            outputs.append(call(part, step))
        return outputs

    used, other = new(), new()
    memory = Memory({"it": used})
    steps(used, 0)
    try:
        tensors = memory.tensors()
    except TypeError as error:
        raise AssertionError(f"a checkpoint cannot hold what it remembers: {error}") from error
    save_file({key: value.detach().cpu().clone() for key, value in tensors.items()}, file)
    Memory({"it": other}).load(load_file(file))
    alike = all(torch.equal(*pair) for pair in zip(steps(used, STEPS), steps(other, STEPS), strict=True))
    assert alike, (
        "after a resume it goes on otherwise: put all that it remembers into state_dict(), and take it back in "
        "load_state_dict(); of a module, into buffers (register_buffer)"
        if memory.parts
        else "it remembers earlier calls, and a checkpoint does not: build() must return an object with "
        "state_dict() and load_state_dict() of tensors"
    )
