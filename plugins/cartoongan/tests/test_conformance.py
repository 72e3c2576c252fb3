"""toonforge's conformance suites on everything that the plugin supplies."""

from __future__ import annotations

from toonforge_cartoongan import PatchGAN, Resnet

from toonforge.testing import DiscriminatorSuite, GeneratorSuite, PluginSuite, RecipeSuite


class OfTheSameMethod(RecipeSuite):
    """A further recipe of a method: tests/test_exact_recipes.py resumes it, among all, in its long run."""

    test_resumes_bit_for_bit = None


class TestPlugin(PluginSuite):
    plugin = "cartoongan"


class TestResnet(GeneratorSuite):
    component = Resnet()
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


class TestOriginalRecipe(OfTheSameMethod):
    recipe = "cartoongan/original"


class TestTrainedFeaturesRecipe(OfTheSameMethod):
    recipe = "cartoongan/trained-features"
