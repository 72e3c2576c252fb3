"""Conformance suites: subclass one in your plugin's tests, name your component, and pytest does the rest.

from toonforge.testing import GeneratorSuite, PluginSuite
from my_plugin.plugin import MyGenerator

class TestPlugin(PluginSuite):
    plugin = "my-plugin"

class TestMyGenerator(GeneratorSuite):
    component = MyGenerator()
"""

from toonforge.testing.components import ComponentSuite
from toonforge.testing.datasets import DatasetSuite
from toonforge.testing.losses import LossSuite
from toonforge.testing.metrics import MetricSuite
from toonforge.testing.networks import NetworkSuite
from toonforge.testing.ops import OpSuite
from toonforge.testing.optimizers import OptimizerSuite, ScheduleSuite
from toonforge.testing.plugins import PluginSuite
from toonforge.testing.recipes import RecipeSuite
from toonforge.testing.translation import DiscriminatorSuite, GeneratorSuite

__all__ = [
    "ComponentSuite",
    "NetworkSuite",
    "GeneratorSuite",
    "DiscriminatorSuite",
    "LossSuite",
    "DatasetSuite",
    "MetricSuite",
    "OpSuite",
    "OptimizerSuite",
    "ScheduleSuite",
    "RecipeSuite",
    "PluginSuite",
]
