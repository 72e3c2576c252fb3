"""What several metrics say alike, said once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def by_sayers(statements: Mapping[str, Sequence[str]]) -> list[tuple[str, list[str]]]:
    """Names, and the statements that all of them make and nobody else does; what few say comes first.

    Args:
        statements: metric -> clauses of its protocol, or its cautions.

    Returns:
        ("kid, fid", their clauses); ("all", …) for what every one of several says.
    """
    sayers: dict[str, list[str]] = {}
    for name, clauses in statements.items():
        for clause in filter(None, dict.fromkeys(clauses)):
            sayers.setdefault(clause, []).append(name)
    said: dict[tuple[str, ...], list[str]] = {}
    for clause, who in sayers.items():
        said.setdefault(tuple(who), []).append(clause)
    return [
        ("all" if 1 < len(who) == len(statements) else ", ".join(who), clauses)
        for who, clauses in sorted(said.items(), key=lambda each: len(each[0]))
    ]
