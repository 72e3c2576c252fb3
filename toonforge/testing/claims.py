"""Tests that a suite has only where its class claims what they test.

What nobody claims is not skipped: the test is not there. So a report never says "passed" of something untried.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Test = TypeVar("Test", bound=Callable[..., Any])

_FLAG = "toonforge_claim"


def where(flag: str) -> Callable[[Test], Test]:
    """Mark a suite's test as one that is there only where the class attribute `flag` is true."""

    def mark(test: Test) -> Test:
        setattr(test, _FLAG, flag)
        return test

    return mark


def choose(suite: type) -> None:
    """Take the tests of claims that a suite does not make out of it, and those that it makes back in.

    Called for each new suite. pytest leaves an attribute that is None alone. What the class itself writes stays.
    """
    tests: dict[str, Any] = {}
    for base in suite.__mro__:
        for name, value in vars(base).items():
            if callable(value):
                tests.setdefault(name, value)
    for name, test in tests.items():
        flag = getattr(test, _FLAG, None)
        if flag is not None and name not in vars(suite):
            setattr(suite, name, test if getattr(suite, flag) else None)
