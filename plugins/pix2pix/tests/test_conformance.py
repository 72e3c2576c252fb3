"""toonforge's conformance suites on everything that the plugin supplies."""

from __future__ import annotations

from toonforge_pix2pix import PatchGAN, PixelGAN, Unet

from toonforge.testing import DiscriminatorSuite, GeneratorSuite, PluginSuite, RecipeSuite


class TestPlugin(PluginSuite):
    plugin = "pix2pix"


class TestUnet(GeneratorSuite):
    component = Unet()
    compiles = True
    exports_onnx = True


class TestUnetWithTrackedStatistics(GeneratorSuite):
    component = Unet(statistics="running", upsample="resize", interpolation="bilinear", padding="reflect")


class TestShufflingUnet(GeneratorSuite):
    component = Unet(norm="group", upsample="pixel-shuffle", dropout=0.0)


class TestPatchGAN(DiscriminatorSuite):
    component = PatchGAN()


class TestSpectralPatchGAN(DiscriminatorSuite):
    component = PatchGAN(norm="none", spectral_norm=True)


class TestPixelGAN(DiscriminatorSuite):
    component = PixelGAN()


class TestPackagedRecipe(RecipeSuite):
    recipe = "pix2pix/pix2pix"
