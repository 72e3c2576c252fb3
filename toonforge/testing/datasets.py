"""What data sets promise."""

from __future__ import annotations

import itertools
import pickle
from pathlib import Path
from typing import ClassVar

from toonforge.components import Dataset, DrawsAlone, Locates, Narrows
from toonforge.testing.components import ComponentSuite
from toonforge.testing.untouched import untouched


class DatasetSuite(ComponentSuite):
    """All parts are there and share nothing, and items have the announced fields, shapes and range.

    Attributes:
        component: the config under test, pointing at pictures that exist.
    """

    component: ClassVar[Dataset]

    def test_verifies(self) -> None:
        self.component.verify()

    def test_items_are_as_announced(self) -> None:
        import numpy as np
        import torch

        groups = self.component.groups()
        for split in self.component.splits:
            source = self.component.build(split)
            assert set(source.sizes) == set(groups), f"{split} has groups {set(source.sizes)}, announced {set(groups)}"
            for group, fields in groups.items():
                assert source.sizes[group] > 0, f"group {group!r} of {split} is empty"
                for index in {*range(min(source.sizes[group], 8)), source.sizes[group] - 1}:
                    for rng in (None, np.random.default_rng(0)):
                        try:
                            item = source.item(group, index, rng)
                        except Exception as error:
                            raise AssertionError(
                                f"item {index} of {group!r} in {split} fails {'without' if rng is None else 'with'} a "
                                f"generator: {type(error).__name__}: {error}"
                            ) from error
                        assert set(item) == set(fields), f"{group!r} yields {set(item)}, announced {set(fields)}"
                        for name, tensor in item.items():
                            assert tuple(tensor.shape) == fields[name], (
                                f"{name!r} has shape {tuple(tensor.shape)}, and groups() announced {fields[name]}: "
                                "recipes are checked by groups(), so mend whichever is wrong"
                            )
                            if tensor.dtype != torch.uint8:
                                kinds = "expected uint8 of 0 to 255, or float32 in [-1, 1]"
                                assert tensor.dtype == torch.float32, f"{name!r} is {tensor.dtype}, {kinds}"
                                assert -1 <= tensor.min() <= tensor.max() <= 1, (
                                    f"{name!r} leaves [-1, 1] ({tensor.min():.2f} to {tensor.max():.2f}): divide by "
                                    "127.5 and take 1 away, or yield uint8 and let the engine do it"
                                )
                assert source.name(group, 0), "items need names, for messages and files"

    def test_augmentation_depends_on_the_generator_alone(self) -> None:
        import numpy as np
        import torch

        source = self.component.build("train")
        # Of several items: two flips that are drawn for one would be alike half of the time.
        for group, index in ((group, index) for group, size in source.sizes.items() for index in range(min(size, 8))):
            one, two = (source.item(group, index, np.random.default_rng(7)) for _ in range(2))
            plain, again = (source.item(group, index, None) for _ in range(2))
            for name in one:
                assert torch.equal(one[name], two[name]), (
                    f"{name!r} differs for one seed: draw from `rng` only, so that a resumed run sees the same pictures"
                )
                assert torch.equal(plain[name], again[name]), (
                    f"{name!r} varies without a generator: rng=None means no augmentation, for validation"
                )

    def test_built_twice_it_is_the_same(self) -> None:
        """A resumed run builds it anew: the same pictures must stand at the same numbers."""
        import torch

        for split in self.component.splits:
            one, two = self.component.build(split), self.component.build(split)
            assert dict(one.sizes) == dict(two.sizes), f"built twice, {split} has {one.sizes} and {two.sizes} pictures"
            for group, size in one.sizes.items():
                names = [[source.name(group, index) for index in range(size)] for source in (one, two)]
                assert names[0] == names[1], (
                    f"built twice, {group!r} of {split} is in another order: sort what you list"
                )
                last, again = (source.item(group, size - 1, None) for source in (one, two))
                for field, tensor in last.items():
                    assert torch.equal(tensor, again[field]), (
                        f"built twice, {field!r} of the last item is another picture"
                    )

    def test_train_and_validation_share_no_item(self) -> None:
        sources = {split: self.component.build(split) for split in self.component.splits}
        assert {"train", "validation"} <= sources.keys(), f"there are {', '.join(sources)}: training needs both parts"
        for (one, first), (two, second) in itertools.combinations(sources.items(), 2):
            for group in first.sizes:
                names = [{source.name(group, i) for i in range(source.sizes[group])} for source in (first, second)]
                both = sorted(names[0] & names[1])
                assert not both, (
                    f"{both[:3]} stand in both parts, {one} and {two}: numbers measured on pictures that were trained "
                    "on say nothing; and two items need two names"
                )

    def test_says_how_pictures_are_prepared(self) -> None:
        for split in self.component.splits:
            said = self.component.preparation(split)
            assert isinstance(said, str) and "\n" not in said, (
                f'preparation({split!r}) gave {said!r}, expected a phrase to stand beside numbers, or ""'
            )

    def test_can_be_sent_to_another_process(self) -> None:
        """To the processes that load pictures where `train.workers` says so; not all systems fork."""
        import torch

        source = self.component.build("train")
        try:
            copy = pickle.loads(pickle.dumps(source))
        except Exception as error:
            raise AssertionError(
                f"it cannot be pickled, and so not be read by workers on macOS and Windows: {type(error).__name__}: "
                f"{error}\nkeep open files, locks and lambdas out of what build() returns, or leave them out in "
                "__getstate__ and open them when an item is read"
            ) from error
        for group in source.sizes:
            for field, tensor in source.item(group, 0, None).items():
                assert torch.equal(copy.item(group, 0, None)[field], tensor), f"its copy yields another {field!r}"

    def test_draws_alone_where_it_says_so(self) -> None:
        """One that says `draws_alone` is not seeded for each item."""
        import numpy as np

        source = self.component.build("train")
        if isinstance(source, DrawsAlone) and source.draws_alone:
            for group in source.sizes:
                with untouched(
                    f"an item of {group!r}",
                    why="it says `draws_alone`, so nobody seeds that for it: draw from `rng` only, or do not say so",
                ):
                    source.item(group, 0, np.random.default_rng(1))

    def test_leaves_out_what_nobody_uses(self) -> None:
        """One with `only`: what stays is as it was."""
        import numpy as np
        import torch

        source = self.component.build("train")
        if isinstance(source, Narrows):
            for group in source.sizes:
                whole = source.item(group, 0, np.random.default_rng(5))
                for field, tensor in whole.items():
                    left = source.only(frozenset({field})).item(group, 0, np.random.default_rng(5))
                    assert field in left and torch.equal(left[field], tensor), (
                        f"only({{{field!r}}}) yields another picture than all fields together: draw the same numbers "
                        "whatever is left out"
                    )

    def test_tells_where_pictures_lie(self) -> None:
        """One with `where`: files are named by absolute paths."""
        source = self.component.build("train")
        if isinstance(source, Locates):
            for group in source.sizes:
                places, fields = source.where(group, 0), self.component.groups()[group]
                assert places.keys() <= set(fields), (
                    f"where() names {sorted(places)}, and the fields are {sorted(fields)}"
                )
                for field, place in places.items():
                    assert Path(place).is_absolute() or not Path(place).exists(), (
                        f"where() names {place!r} for {field!r}: give absolute paths, runs are looked at from elsewhere"
                    )
