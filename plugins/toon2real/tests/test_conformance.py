"""toonforge's conformance suites on everything that the plugin supplies."""

from __future__ import annotations

from toonforge_toon2real import PatchGAN, Resnet

from toonforge.testing import DiscriminatorSuite, GeneratorSuite, PluginSuite, RecipeSuite


class OfTheSameMethod(RecipeSuite):
    """A further recipe of a method: tests/test_exact_recipes.py resumes it, among all, in its long run."""

    test_resumes_bit_for_bit = None


class TestPlugin(PluginSuite):
    plugin = "toon2real"


class TestResnet(GeneratorSuite):
    component = Resnet()
    exports_onnx = True


class TestPrintedResnet(GeneratorSuite):
    component = Resnet(as_printed=True)


class TestResizingResnet(GeneratorSuite):
    component = Resnet(upsample="resize", norm="layer")


class TestPatchGAN(DiscriminatorSuite):
    component = PatchGAN()


class TestPlainPatchGAN(DiscriminatorSuite):
    component = PatchGAN(spectral_norm=False)


class TestPrintedPatchGAN(DiscriminatorSuite):
    component = PatchGAN(as_printed=True)


class TestPlainPrintedPatchGAN(DiscriminatorSuite):
    component = PatchGAN(as_printed=True, spectral_norm=False)


class TestToon2real(RecipeSuite):
    recipe = "toon2real/toon2real"


class TestToon2realAsPrinted(OfTheSameMethod):
    recipe = "toon2real/toon2real"
    overrides = ("generators.G_r.as_printed=true",)


class TestWithoutSpectralNorm(OfTheSameMethod):
    recipe = "toon2real/without-spectral-norm"
