"""toonforge's conformance suites on everything that the plugin supplies."""

from __future__ import annotations

from toonforge_cartoongan import PatchGAN, Resnet

from toonforge.testing import DiscriminatorSuite, GeneratorSuite, PluginSuite, RecipeSuite


class TestPlugin(PluginSuite):
    plugin = "cartoongan"


class TestResnet(GeneratorSuite):
    component = Resnet()
    compiles = True
    exports_onnx = True


class TestResizingResnet(GeneratorSuite):
    component = Resnet(upsample="resize", norm="layer", padding="replicate")


class TestShufflingResnet(GeneratorSuite):
    component = Resnet(upsample="pixel-shuffle", norm="none", padding="zero")


class TestResidualResnet(GeneratorSuite):
    component = Resnet(norm="group", residual=True)


class TestPatchGAN(DiscriminatorSuite):
    component = PatchGAN()


class TestSpectralPatchGAN(DiscriminatorSuite):
    component = PatchGAN(norm="none", spectral_norm=True)


class TestPaperRecipe(RecipeSuite):
    recipe = "cartoongan/cartoongan"


class TestOriginalRecipe(RecipeSuite):
    recipe = "cartoongan/original"


class TestTrainedFeaturesRecipe(RecipeSuite):
    recipe = "cartoongan/trained-features"
