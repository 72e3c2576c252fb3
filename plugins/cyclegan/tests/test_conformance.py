"""toonforge's conformance suites on everything that the plugin supplies."""

from __future__ import annotations

from toonforge_cyclegan import DoubleUnet, PatchGAN, PixelGAN, Plain, Resnet, Unet

from toonforge.testing import DiscriminatorSuite, GeneratorSuite, PluginSuite, RecipeSuite


class OfTheSameMethod(RecipeSuite):
    """A further recipe of a method: tests/test_exact_recipes.py resumes it, among all, in its long run."""

    test_resumes_bit_for_bit = None


class TestPlugin(PluginSuite):
    plugin = "cyclegan"


class TestResnet(GeneratorSuite):
    component = Resnet()
    exports_onnx = True


class TestResizingResnet(GeneratorSuite):
    component = Resnet(upsample="resize", norm="layer", residual=True, dropout=0.5)


class TestUnet(GeneratorSuite):
    component = Unet()
    exports_onnx = True


class TestShufflingUnet(GeneratorSuite):
    component = Unet(upsample="pixel-shuffle", norm="group", padding="reflect")


class TestPatchGAN(DiscriminatorSuite):
    component = PatchGAN()
    compiles = True


class TestSpectralPatchGAN(DiscriminatorSuite):
    component = PatchGAN(norm="none", spectral_norm=True)


class TestDoubleUnet(GeneratorSuite):
    component = DoubleUnet(residual=False)


class TestNormedDoubleUnet(GeneratorSuite):
    component = DoubleUnet(norm="group", residual=False, interpolation="nearest")


class TestShufflingDoubleUnet(GeneratorSuite):
    component = DoubleUnet(upsample="pixel-shuffle", residual=False)


class TestTransposedDoubleUnet(GeneratorSuite):
    component = DoubleUnet(upsample="transposed", residual=False)


class TestPixelGAN(DiscriminatorSuite):
    component = PixelGAN()


class TestSpectralPixelGAN(DiscriminatorSuite):
    component = PixelGAN(norm="none", spectral_norm=True)


class TestPlain(DiscriminatorSuite):
    component = Plain()


class TestSpectralPlain(DiscriminatorSuite):
    component = Plain(norm="none", spectral_norm=True)


class TestPackagedRecipe(RecipeSuite):
    recipe = "cyclegan/cyclegan"


class TestPackagedRecipe128(OfTheSameMethod):
    recipe = "cyclegan/cyclegan-128"


class TestStabilisedRecipe(OfTheSameMethod):
    recipe = "cyclegan/stabilised"


class TestPhotoAnimeRecipe(OfTheSameMethod):
    recipe = "cyclegan/photo-anime"
