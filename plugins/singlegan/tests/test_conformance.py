"""toonforge's conformance suites on everything that the plugin supplies."""

from __future__ import annotations

from toonforge_singlegan import MultiScale, Resnet

from toonforge.testing import DiscriminatorSuite, GeneratorSuite, PluginSuite, RecipeSuite

PICTURE = (3, 64, 64)


class TestPlugin(PluginSuite):
    plugin = "singlegan"


class TestResnet(GeneratorSuite):
    component = Resnet()
    inputs = ((PICTURE, 0), (PICTURE, 1), ((3, 65, 97), 1), ((3, 3, 1), 0))


class TestResnetOfThreeDomains(GeneratorSuite):
    component = Resnet(domains=3, spectral_norm=False, norm="group", upsample="resize", residual=True)
    inputs = ((PICTURE, 0), (PICTURE, 1), (PICTURE, 2), ((3, 37, 64), 2))
    exports_onnx = True


class TestMultiScale(DiscriminatorSuite):
    component = MultiScale()
    inputs = ((PICTURE, 0), (PICTURE, 1), ((6, 64, 64), 0), ((3, 70, 91), 1))


class TestSingleGAN(RecipeSuite):
    recipe = "singlegan/singlegan"
