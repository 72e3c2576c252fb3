"""What a new plugin may begin with: for each kind its example, and the templates that make it."""

from __future__ import annotations

from collections.abc import Mapping

import attrs


@attrs.frozen(kw_only=True)
class Kind:
    """One kind of thing that a plugin supplies.

    Attributes:
        doc: what a thing of this kind is, in a few words.
        example: the name of the one that is written, without its namespace; None where it has no name.
        what: what that one does, in a phrase.
        base: the class of `toonforge` that components of the kind derive from; None for what is no component.
        files: path in the package's module -> template. The first one is where the example stands.
        tests: path in the package's folder -> template, beside the tests of every plugin.
    """

    doc: str
    example: str | None
    what: str
    base: str | None
    files: Mapping[str, str]
    tests: Mapping[str, str] = attrs.field(factory=dict)


def _files(*names: str) -> Mapping[str, str]:
    return {name: f"{name}.j2" for name in names}


KINDS: Mapping[str, Kind] = {
    "generator": Kind(
        doc="a network from pictures to pictures",
        example="generator",
        what="a generator of a few convolutions",
        base="Generator",
        files=_files("generators.py", "generator_network.py"),
    ),
    "discriminator": Kind(
        doc="a network that judges pictures",
        example="discriminator",
        what="a discriminator of patches",
        base="Discriminator",
        files=_files("discriminators.py", "discriminator_network.py"),
    ),
    "network": Kind(
        doc="any other network, such as an encoder",
        example="encoder",
        what="an encoder of strided convolutions",
        base="OtherNetwork",
        files=_files("networks.py", "encoder_network.py"),
    ),
    "loss": Kind(
        doc="a term of an objective",
        example="charbonnier",
        what="the loss of Charbonnier, a soft L1",
        base="Loss",
        files=_files("losses.py"),
    ),
    "dataset": Kind(
        doc="where pictures come from",
        example="discs",
        what="a data set of made-up discs",
        base="Dataset",
        files=_files("datasets.py"),
    ),
    "metric": Kind(
        doc="a number over the validation pictures",
        example="colour-distance",
        what="a metric, the distance of mean colours",
        base="Metric",
        files=_files("metrics.py"),
    ),
    "op": Kind(
        doc="a function that expressions call",
        example="contrast",
        what="an op that changes a picture's contrast",
        base="Op",
        files=_files("ops.py"),
    ),
    "optimizer": Kind(
        doc="how weights are updated",
        example="radam",
        what="the optimizer RAdam",
        base="Optimizer",
        files=_files("optimizers.py"),
    ),
    "schedule": Kind(
        doc="the learning rate over time",
        example="polynomial",
        what="a schedule that falls as a power",
        base="Schedule",
        files=_files("schedules.py"),
    ),
    "hook": Kind(
        doc="something that listens to runs",
        example=None,
        what="a listener that leaves a summary of every run",
        base=None,
        files=_files("listeners.py"),
        tests={"tests/test_listeners.py": "test_listeners.py.j2"},
    ),
    "command": Kind(
        doc="a verb of the command line",
        example=None,
        what="a command that tells the mean colour of pictures",
        base=None,
        files=_files("commands.py"),
        tests={"tests/test_commands.py": "test_commands.py.j2"},
    ),
    "recipe": Kind(
        doc="a packaged recipe; every new plugin has one",
        example="first",
        what="a recipe that trains in seconds",
        base=None,
        files={"recipes/first.toml": "first.toml.j2"},
    ),
}
"""Kind -> what is written for it, in the order of the help."""

ALWAYS: Mapping[str, str] = {
    "pyproject.toml": "pyproject.toml.j2",
    "README.md": "README.md.j2",
    ".gitignore": "gitignore.j2",
    ".github/workflows/test.yml": "workflow.yml.j2",
    "tests/test_conformance.py": "test_conformance.py.j2",
}
"""Path in the package's folder -> template, whatever the kinds."""
