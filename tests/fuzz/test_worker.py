"""The guard itself: each way to go wrong is found, and the next example is judged as if nothing had been."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.fuzz.fuzzed import reads_well
from tests.fuzz.worker import Found, Worker
from toonforge.errors import Problem, RunError, ToonforgeError


def judged(what: str) -> str:
    """Does it."""
    if what == "raise":
        raise KeyError(what)
    if what == "leave":
        raise SystemExit(3)
    if what == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if what == "hang":
        time.sleep(600)
    if what == "freeze":
        os.kill(os.getpid(), signal.SIGSTOP)
    if what == "swell":
        assert len(bytearray(b"x") * 400_000_000)
    return what


@pytest.mark.parametrize(
    ("what", "said"),
    [("raise", "KeyError: 'raise'"), ("leave", "SystemExit: 3"), ("crash", "SIGSEGV"), ("hang", "in judged"), ("freeze", "SIGKILL"), ("swell", "MB, of at most 256")],
)  # fmt: skip
def test_what_goes_wrong_is_found_and_the_next_example_is_judged(what: str, said: str) -> None:
    with Worker(judged, seconds={"hang": 2, "freeze": 1}.get(what, 60)) as worker:
        assert worker("first") == "first"
        with pytest.raises(Found) as found:
            worker(what)
        assert said in str(found.value)
        assert worker("next") == "next"


def test_an_error_without_a_problem_or_a_message_is_found() -> None:
    for error in (
        ToonforgeError(),
        ToonforgeError(Problem(message=" ")),
        RunError("a Traceback (most recent call last)"),
    ):
        with pytest.raises(AssertionError):
            reads_well(error)


def test_what_a_file_holds_is_shortened_in_an_error_to_what_can_be_read() -> None:
    reads_well(
        RunError(Problem(message="m" * 9999, key="k" * 9999, found="f" * 9999, expected="e" * 9999, hint="h" * 9999))
    )
