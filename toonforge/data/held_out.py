"""Base of data sets that hold some of their pictures out, for validation and for testing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, ClassVar

from toonforge.components import component, param
from toonforge.data.picture_set import PictureSet
from toonforge.data.split import SPLITS, parts_of
from toonforge.errors import DataError, FieldError, Problem
from toonforge.names import is_identifier

if TYPE_CHECKING:
    from toonforge.data.pictures import Indices, Pictures


@component
class HeldOut(PictureSet):
    """Pictures whose names decide which part they are in."""

    too_few_hint: ClassVar[str] = "add pictures"

    validation: float = param(
        0.1,
        doc="share of the pictures held out for validation; a file's name decides, so adding files moves none",
        above=0,
        below=1,
    )
    test: float = param(
        0.0,
        doc="share held out for testing, apart from training and validation; decided by the file's name too",
        at_least=0,
        below=1,
    )
    split_seed: int = param(0, doc="another number holds out other pictures", at_least=0)

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.validation + self.test >= 1:
            raise FieldError("test", self.test, f"with validation, {self.validation:g}, less than 1: some must be left")

    @property
    def splits(self) -> tuple[str, ...]:
        """The parts that there are."""
        return SPLITS if self.test else SPLITS[:2]

    def check_split(self, split: str) -> None:
        """Raise `DataError` for the test part where nothing is held out for it, ValueError for an unknown part."""
        if split not in SPLITS:
            raise ValueError(f"unknown split {split!r}: there are {', '.join(map(repr, SPLITS))}")
        if split not in self.splits:
            raise DataError(
                Problem(
                    message="no pictures are held out for testing",
                    key="data.test",
                    found=f"{self.test:g}",
                    expected="a share greater than 0",
                    hint="set data.test = 0.2; it takes pictures from training, none from validation",
                )
            )

    def check_parts(self, find: Callable[[str], object]) -> None:
        """Call `find` for every part; raise one `DataError` with the problems of all, each once."""
        problems: list[Problem] = []
        for split in self.splits:
            try:
                find(split)
            except DataError as error:
                problems.extend(problem for problem in error.problems if problem not in problems)
        if problems:
            raise DataError(*problems)

    def choose(
        self, split: str, pictures: Pictures, *, key: str, what: str, validation: float | None = None
    ) -> Indices:
        """The numbers of those pictures that belong to a part, ascending.

        Args:
            split: the part.
            pictures: all of them; their names decide.
            key, what: where the recipe says which these are, and what they are, for the error.
            validation: share for validation, 0 where these pictures are not for it; `self.validation` when left out.

        Raises:
            DataError: there are fewer names than parts, or nothing is held out for this part.
            ValueError: there is no such part.
        """
        import numpy as np

        self.check_split(split)
        share = self.validation if validation is None else validation
        names = map(pictures.name, range(len(pictures)))
        parts = parts_of(names, validation=share, test=self.test, seed=self.split_seed)
        chosen = np.flatnonzero(parts == SPLITS.index(split))
        uses = [use for use, share in (("validation", share), ("testing", self.test)) if share]
        if len(np.unique(parts)) <= len(uses):
            raise DataError(
                Problem(
                    message=f"there are too few pictures to hold some out for {' and '.join(uses)}",
                    key=key,
                    found=what,
                    expected=f"at least {len(uses) + 1}",
                    hint=self.too_few_hint,
                )
            )
        return chosen


def check_fields(fields: Iterable[str], where: str) -> None:
    """Raise `FieldError` where there are no fields, or one has no proper name. `where`: what says where each lies."""
    fields = tuple(fields)
    if not fields:
        raise FieldError("fields", {}, f"at least one batch field and {where}")
    for field in fields:
        if not is_identifier(field):
            raise FieldError("fields", field, "a name of letters, digits and underscores")


def field_groups(fields: Iterable[str], paired: bool) -> Mapping[str, tuple[str, ...]]:
    """Group -> its fields: one group, "pair", or a group a field where they are not paired or there is only one."""
    fields = tuple(fields)
    return {"pair": fields} if paired and len(fields) > 1 else {field: (field,) for field in fields}
