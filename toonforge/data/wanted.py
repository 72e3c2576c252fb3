"""What a recipe asks for of a table of pictures."""

from __future__ import annotations

from collections.abc import Mapping

import attrs


@attrs.frozen(kw_only=True)
class Wanted:
    """What to read of a table.

    Attributes:
        columns: column of picture files -> the key of the recipe that names it, for errors.
        part_column: the column that says which part a row is in, if one does.
        where: column -> the value that a row must have there to be read at all.
    """

    columns: Mapping[str, str]
    part_column: str | None = None
    where: Mapping[str, str] = attrs.field(factory=dict)

    @property
    def keys(self) -> Mapping[str, str]:
        """Every column -> the key of the recipe that names it."""
        part = {} if self.part_column is None else {self.part_column: "data.part_column"}
        return {**{column: f"data.where.{column}" for column in self.where}, **part, **self.columns}
