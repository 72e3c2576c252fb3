"""What data sets promise."""

from __future__ import annotations

from typing import ClassVar

from toonforge.components import Dataset
from toonforge.testing.components import ComponentSuite


class DatasetSuite(ComponentSuite):
    """Both parts are there, and items have the announced fields, shapes and range.

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
        for split in ("train", "validation"):
            source = self.component.build(split)
            assert set(source.sizes) == set(groups), f"{split} has groups {set(source.sizes)}, announced {set(groups)}"
            for group, fields in groups.items():
                assert source.sizes[group] > 0, f"group {group!r} of {split} is empty"
                for index in {0, source.sizes[group] - 1}:
                    for rng in (None, np.random.default_rng(0)):
                        item = source.item(group, index, rng)
                        assert set(item) == set(fields), f"{group!r} yields {set(item)}, announced {set(fields)}"
                        for name, tensor in item.items():
                            assert tuple(tensor.shape) == fields[name], f"{name!r}: {tuple(tensor.shape)}"
                            if tensor.dtype != torch.uint8:
                                kinds = "expected uint8 of 0 to 255, or float32 in [-1, 1]"
                                assert tensor.dtype == torch.float32, f"{name!r} is {tensor.dtype}, {kinds}"
                                assert -1 <= tensor.min() <= tensor.max() <= 1, f"{name!r} leaves [-1, 1]"
                assert source.name(group, 0), "items need names, for messages and files"

    def test_augmentation_depends_on_the_generator_alone(self) -> None:
        import numpy as np
        import torch

        source = self.component.build("train")
        for group in source.sizes:
            one, two = (source.item(group, 0, np.random.default_rng(7)) for _ in range(2))
            plain, again = (source.item(group, 0, None) for _ in range(2))
            for name in one:
                assert torch.equal(one[name], two[name]), f"{name!r} differs for one seed: draw from `rng` only"
                assert torch.equal(plain[name], again[name]), f"{name!r} varies without a generator"

    def test_train_and_validation_share_no_item(self) -> None:
        train, validation = self.component.build("train"), self.component.build("validation")
        for group in train.sizes:
            names = [{source.name(group, i) for i in range(source.sizes[group])} for source in (train, validation)]
            assert not names[0] & names[1], f"{sorted(names[0] & names[1])[:3]} stand in both parts"
