"""What metrics promise."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from toonforge.components import DrawsPicture, Keeps, Metric, Shape, expressions
from toonforge.testing.claims import where
from toonforge.testing.components import ComponentSuite
from toonforge.testing.untouched import untouched

if TYPE_CHECKING:
    import torch

    from toonforge.components import BuiltMetric


class MetricSuite(ComponentSuite):
    """A metric's numbers are finite, the same for the same pictures, and do not depend on how these arrive.

    Attributes:
        component: the config under test; its `tiny()` is what gets built.
        shapes: shape of one sample for each `Expr` field; (3, 32, 32) where it says nothing.
        count: how many pictures of each field it is given, at least 4.
        tolerance: how far two numbers may lie apart that should be equal, as a share of the larger.
        best_of_equals: a picture that equals its counterpart gets the best value there is. For metrics of two fields in
            `together`.
    """

    component: ClassVar[Metric]
    shapes: ClassVar[Mapping[str, Shape]] = {}
    count: ClassVar[int] = 4
    tolerance: ClassVar[float] = 1e-4
    best_of_equals: ClassVar[bool] = True

    def values(self, seed: int = 3) -> dict[str, torch.Tensor]:
        """`count` pictures in [-1, 1] of each field: slopes of colour with noise; override for another kind."""
        import torch

        generator = torch.Generator().manual_seed(seed)
        found = {}
        for name in expressions(self.component):
            channels, height, width = self.shapes.get(name, (3, 32, 32))
            slope = torch.linspace(-0.7, 0.7, width).expand(self.count, channels, height, width)
            share = torch.rand(self.count, channels, 1, 1, generator=generator)
            found[name] = (slope * share + 0.3 * torch.randn(slope.shape, generator=generator)).clamp(-1, 1)
        return found

    def measured(
        self, values: Mapping[str, torch.Tensor], sizes: tuple[int, ...] = (), built: BuiltMetric | None = None
    ) -> dict[str, float]:
        """The results over copies of these pictures, which arrive in batches of such sizes.

        Fields of `together` arrive in one call.
        """
        return self._measured({name: value.clone() for name, value in values.items()}, sizes, built)

    def _measured(
        self, values: Mapping[str, torch.Tensor], sizes: tuple[int, ...] = (), built: BuiltMetric | None = None
    ) -> dict[str, float]:
        import torch

        metric = built or self.component.tiny().build(torch.device("cpu"))
        together = self.component.together
        pairs = tuple(name for name in values if name in together)
        with torch.no_grad():
            for names in filter(None, [pairs, *((name,) for name in values if name not in together)]):
                for batch in zip(*(torch.split(values[name], [*sizes] or self.count) for name in names), strict=True):
                    given = dict(zip(names, batch, strict=True))
                    self._assert_takes(metric, given)
                    metric.update(**given)
            return dict(metric.compute())

    def _assert_takes(self, metric: BuiltMetric, given: Mapping[str, torch.Tensor]) -> None:
        signature = inspect.signature(metric.update)
        try:
            signature.bind(**given)
        except TypeError as error:
            fields = ", ".join(f'"{name}"' for name in expressions(self.component) if name in signature.parameters)
            raise AssertionError(
                f"update() cannot be given {' and '.join(given)} alone: {error}\nits class says which fields arrive in "
                f"one call: together = ({fields})"
            ) from error

    def test_results_are_finite_numbers(self) -> None:
        results = self.measured(self.values())
        assert "" in results, f'results are named {sorted(results)}: the headline has the key ""'
        for name, value in results.items():
            assert isinstance(name, str) and isinstance(value, float | int) and not isinstance(value, bool), (
                f"result {name!r} is {type(value).__name__}: yield Python floats, of tensors float(...)"
            )
            assert math.isfinite(value), f"result {name!r} is {value} over {self.count} pictures of each field"

    def test_flat_pictures_are_measured(self) -> None:
        """Of one colour: where there is no contrast, so is what a standard deviation or a norm is divided by."""
        import torch

        flat, advice = {name: torch.zeros_like(x) for name, x in self.values().items()}, "look for a division 0/0"
        try:
            results = self.measured(flat)
        except ArithmeticError as error:
            raise AssertionError(f"pictures of one gray raise {type(error).__name__}: {error}; {advice}") from error
        for name, value in results.items():
            assert not math.isnan(value), (
                f"result {name!r} is nan for pictures of one gray, which generators yield: {advice}"
            )

    def test_does_not_depend_on_batches(self) -> None:
        """Pictures arrive in batches of any size: the last one is often smaller."""
        values = self.values()
        one, two = self.measured(values), self.measured(values, (self.count - 1, 1))
        self._assert_same(
            one, two, "in batches of other sizes the same pictures give another number: collect sums and counts, or all"
        )

    def test_measures_the_same_again(self) -> None:
        values = self.values()
        one = self.measured(values)
        with untouched("measuring", may_draw=True):
            two = self.measured(values)
        self._assert_same(one, two, "measured twice, the same pictures give another number: seed what it draws")

    def test_changes_no_picture(self) -> None:
        values = self.values()
        before = {name: value.clone() for name, value in values.items()}
        self._measured(values)
        for name, value in values.items():
            assert value.equal(before[name]), (
                f"update() changes the pictures of {name!r} in place: other metrics get them too"
            )

    def test_says_how_it_is_made(self) -> None:
        text = self.component.protocol()
        assert text.strip() and "\n" not in text, (
            "protocol() should say in one line how the number is made: formula, extractor, resize; it stands beside "
            "the number"
        )

    def test_cautions_are_sentences(self) -> None:
        for count in (0, 1, 2, 10_000):
            said = self.component.cautions(dict.fromkeys(expressions(self.component), count))
            assert isinstance(said, tuple) and all(isinstance(text, str) and text.strip() for text in said), (
                f"cautions() gave {said!r} for {count} pictures, expected a tuple of sentences"
            )

    def test_names_its_own_fields(self) -> None:
        keys = set(expressions(self.component))
        translated = () if self.component.translated is None else (self.component.translated,)
        for attribute, names in (
            ("together", self.component.together),
            ("independent", self.component.independent),
            ("translated", translated),
        ):
            assert set(names) <= keys, (
                f"{attribute} names {sorted(set(names) - keys)}, and its fields are {sorted(keys)}"
            )

    def test_accepts_its_shapes(self) -> None:
        self.component.check(**{name: tuple(value.shape[1:]) for name, value in self.values().items()})

    @where("best_of_equals")
    def test_equals_are_best(self) -> None:
        """Which way is better: a translation that equals what it should be is at least as good as another one."""
        component, values = self.component, self.values()
        if len(component.together) == 2 and component.lower_is_better is not None:
            first, second = component.together
            headline, other = (
                self.measured(given).get("", 0.0) for given in ({**values, first: values[second]}, values)
            )
            good = headline <= other if component.lower_is_better else headline >= other
            assert good, (
                f"pictures that equal each other get {headline:.4g}, others {other:.4g}, and lower_is_better is "
                f"{component.lower_is_better}: turn it round, or say best_of_equals = False"
            )

    def test_what_it_keeps_stays_true(self) -> None:
        """Of one with `again`: real pictures that do not arrive anew count all the same."""
        import torch

        values, built = self.values(), self.component.tiny().build(torch.device("cpu"))
        if isinstance(built, Keeps):
            expected = self.measured(values, built=built)
            for name in [name for name in values if name not in self.component.together]:
                rest = {key: value for key, value in values.items() if key != name}
                found = self.measured(rest, built=built.again(frozenset({name})))
                self._assert_same(expected, found, f"again() of {name!r} measures something else")

    def test_draws_a_picture(self) -> None:
        """Of one with `draw`."""
        import torch
        from PIL import Image

        built = self.component.tiny().build(torch.device("cpu"))
        if isinstance(built, DrawsPicture):
            self.measured(self.values(), built=built)
            drawn = built.draw()
            assert drawn is None or isinstance(drawn, Image.Image), (
                f"draw() gave {type(drawn).__name__}, expected a Pillow picture"
            )

    def _assert_same(self, one: Mapping[str, Any], two: Mapping[str, Any], advice: str) -> None:
        assert one.keys() == two.keys(), f"{advice} (results {sorted(one)} and {sorted(two)})"
        for name, value in one.items():
            far = abs(value - two[name])
            assert far <= self.tolerance * max(1e-6, abs(value)), (
                f"{advice} ({name!r}: {value:.8g} and {two[name]:.8g})"
            )
