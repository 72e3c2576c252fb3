"""`fuzzed` makes a test of a judge and a strategy: a short one for every day, a long one behind the marker `fuzz`."""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.strategies import SearchStrategy

from tests.fuzz.worker import MEGABYTES, SECONDS, Found, Judge, Worker
from toonforge.errors import ToonforgeError

EXAMPLES = int(os.environ.get("TOONFORGE_FUZZ_EXAMPLES", "2000"))
"""Of each target, in the long run."""
SEED = int(os.environ.get("TOONFORGE_FUZZ_SEED") or random.randrange(2**32))
"""Of the long run; the report names it."""

VALID, REFUSED = "valid", "refused"
LONGEST = 4000
"""Characters that a message may have."""


def fuzzed(
    examples: SearchStrategy[Any],
    *,
    short: int = 100,
    share: float = 1.0,
    corpus: Sequence[Any] = (),
    megabytes: int = MEGABYTES,
    seconds: float = SECONDS,
) -> Callable[[Judge], Callable[..., None]]:
    """A test that no example is anything but valid or cleanly refused.

    Args:
        examples: drawn from it.
        short: how many are drawn every day; the same ones every time.
        share: of the examples of a long run, for targets that are slow.
        corpus: judged first: what was once found.
        megabytes, seconds: what one may take.
    """

    def made(judge: Judge) -> Callable[..., None]:
        @pytest.mark.parametrize("long", [False, pytest.param(True, marks=pytest.mark.fuzz)], ids=["short", "long"])
        def test(long: bool, request: pytest.FixtureRequest) -> None:
            seen: Counter[str] = Counter(examples=0)
            with Worker(judge, megabytes, seconds) as worker:

                def one(example: Any) -> None:
                    seen["examples"] += 1
                    try:
                        seen[worker(example)] += 1
                    except Found:
                        seen["findings"] += 1
                        raise

                for example in corpus:
                    one(example)
                drawn = hypothesis.given(examples)(one)
                if long:
                    drawn = hypothesis.seed(SEED)(drawn)
                count = max(1, round(EXAMPLES * share)) if long else short
                try:
                    settings(
                        max_examples=count,
                        deadline=None,
                        database=None,
                        derandomize=not long,
                        suppress_health_check=list(HealthCheck),
                        print_blob=False,
                    )(drawn)()
                finally:
                    if long:
                        request.node.user_properties.append(("fuzz", json.dumps({"seed": SEED, **seen})))

        test.__doc__ = judge.__doc__
        test.__name__ = judge.__name__
        test.__module__ = judge.__module__
        return test

    return made


def outcome(call: Callable[[], object], error: type[ToonforgeError] = ToonforgeError) -> str:
    """VALID, or REFUSED with an error that reads well; any other exception goes on."""
    try:
        call()
    except error as refusal:
        reads_well(refusal)
        return REFUSED
    return VALID


def reads_well(error: ToonforgeError) -> None:
    """An error holds problems, and each is a text that a terminal can show and a person can read."""
    assert error.problems, "an error without a problem"
    for problem in error.problems:
        text = str(problem)
        assert problem.message.strip(), f"no message: {problem!r}"
        assert len(text) <= LONGEST, f"{len(text):,} characters: {text[:200]!r}"
        assert "Traceback" not in text
