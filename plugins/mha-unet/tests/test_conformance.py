"""toonforge's conformance suites on everything that the plugin supplies."""

from __future__ import annotations

from toonforge_mha_unet import PatchGAN, Unet

from toonforge.testing import DiscriminatorSuite, GeneratorSuite, PluginSuite, RecipeSuite


class OfTheSameMethod(RecipeSuite):
    """A further recipe of a method: tests/test_exact_recipes.py resumes it, among all, in its long run."""

    test_resumes_bit_for_bit = None


class TestPlugin(PluginSuite):
    plugin = "mha-unet"


class TestUnet(GeneratorSuite):
    component = Unet()
    exports_onnx = True


class TestUnetWithoutAttention(GeneratorSuite):
    component = Unet(heads=0)


class TestResizingUnet(GeneratorSuite):
    component = Unet(upsample="resize", interpolation="bilinear", norm="group", dropout=0.0)


class TestPatchGAN(DiscriminatorSuite):
    component = PatchGAN()


class TestSpectralPatchGAN(DiscriminatorSuite):
    component = PatchGAN(norm="none", spectral_norm=True)


class TestPackagedRecipe(RecipeSuite):
    recipe = "mha-unet/mha-unet"


class TestAblation(OfTheSameMethod):
    recipe = "mha-unet/without-attention"
