"""Conformance suites: subclass one in your plugin's tests, name your component, and pytest does the rest.

from toonforge.testing import GeneratorSuite
from my_plugin.plugin import MyGenerator

class TestMyGenerator(GeneratorSuite):
    component = MyGenerator()
"""

from toonforge.testing.datasets import DatasetSuite
from toonforge.testing.losses import LossSuite
from toonforge.testing.networks import DiscriminatorSuite, GeneratorSuite, NetworkSuite
from toonforge.testing.recipes import RecipeSuite

__all__ = ["DatasetSuite", "DiscriminatorSuite", "GeneratorSuite", "LossSuite", "NetworkSuite", "RecipeSuite"]
