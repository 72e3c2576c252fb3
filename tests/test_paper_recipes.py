"""Every number of the recipes in recipes/paper against the documents, each with its place; typed from them, not read.

The packaged recipes that they extend are held to the authors' public code where the documents are silent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import tomli

from toonforge.recipe import load
from toonforge.recipe.graph import Graph
from toonforge.recipe.resolved import dump

ROOT = Path(__file__).parent.parent

Rows = dict[str, tuple[Any, str]]
"""Where a value stands in the resolved recipe -> (what the document says, where it says it)."""

# cGANs for Cartoon to Real-life Images
ADAM_OF_TABLE_1: Rows = {
    "train.batch_size": (1, "Table 1, Batch Size"),
    "train.optimizer.type": ("adam", "Table 1, Optimization Method"),
    "train.optimizer.lr": (0.0002, "Table 1, Learning Rate"),
    "train.optimizer.betas": ([0.5, 0.9999], "Table 1, Beta1 and Beta2"),
    "train.optimizer.eps": (1e-08, "Table 1, Epsilon"),
    "train.optimizer.weight_decay": (0, "Table 1, Weight Decay"),
    "train.epochs": (200, "section 3.3"),
    "data.image_size": (256, "section 3.3: re-sized to 256x256"),
    "data.validation": (0.2, "section 2.1.2: 20% for validation"),
    "data.test": (0.2, "section 2.1.2: 20% for testing"),
}
FACES: Rows = ADAM_OF_TABLE_1 | {
    "generators.G.type": ("pix2pix/unet", "Table 1, Generator Network"),
    "generators.G.levels": (8, "Table 1, U-Net 256: 2^8 pixels to one"),
    "discriminators.D.type": ("pix2pix/patchgan", "Table 1, Discriminator Network"),
    "phases.generator.losses.pixels.type": ("l1", "equation 3"),
    "phases.generator.losses.pixels.weight": (100.0, "Table 1, L1"),
    "metrics.cosine.type": ("cosine-dissimilarity", "section 4.6.1, equation 5"),
    "metrics.gap.model": ("gender", "section 4.6.2, Table 4"),
    "translations.photo": ("G(cartoon)", "section 1: from the cartoon to the photograph"),
}
ONE_CARTOONIZER: Rows = {"data.styles": (["classic"], "section 2.1.1: one script")}

# Toon2real
TOON2REAL: Rows = {
    "train.epochs": (200, "figure 3: up to 200 epochs"),
    "generators.G_r.blocks": (6, "Table 1, layers 4 to 9"),
    "generators.G_c.blocks": (6, "Table 1, layers 4 to 9"),
    "generators.G_r.width": (64, "Table 1, layer 1"),
    "generators.G_r.norm": ("instance", "Table 1"),
    "discriminators.D_r.width": (64, "Table 2, layer 1"),
    "discriminators.D_r.kernel": (4, "Table 2"),
    "discriminators.D_r.norm": ("instance", "Table 2"),
    "phases.generators.losses.fool_r.type": ("lsgan", "equation 1"),
    "phases.generators.losses.fool_c.type": ("lsgan", "section 3: the same for the cartoons"),
    "phases.generators.losses.forward.input": ("G_c(fake_photo)", "equation 2"),
    "phases.generators.losses.backward.input": ("G_r(fake_cartoon)", "equation 3"),
    "phases.generators.losses": ({"fool_r", "fool_c", "forward", "backward"}, "section 3: no identity term"),
    "metrics.weighted_fid.target_weight": (0.8, "section 4, evaluation metric: 80% and 20%"),
    "metrics.fid.features": ("inception", "section 4, evaluation metric: Inception-v3"),
    "metrics.weighted_fid.features": ("inception", "section 4, evaluation metric: Inception-v3"),
    "metrics.weighted_fid.target": ("photo", "section 4, evaluation metric"),
    "metrics.weighted_fid.input": ("cartoon", "section 4, evaluation metric"),
    # Not in the document: the method it is built on.
    "train.optimizer.lr": (0.0002, "CycleGAN, appendix 7.1"),
    "train.optimizer.betas": ([0.5, 0.999], "CycleGAN's code, options"),
    "train.batch_size": (1, "CycleGAN, appendix 7.1"),
    "train.schedule.start.epochs": (100, "CycleGAN, appendix 7.1"),
    "phases.generators.losses.forward.weight": (10, "CycleGAN, section 4"),
    "phases.generators.losses.backward.weight": (10, "CycleGAN, section 4"),
}

# Toon2real's Table 3, of whose UNIT the document says nothing more; U: mingyuliutw/UNIT, configs/unit_*.yaml
UNIT: Rows = {
    "metrics.weighted_fid.target_weight": (0.8, "section 4, evaluation metric: 80% and 20%"),
    "metrics.fid.features": ("inception", "section 4, evaluation metric: Inception-v3"),
    "metrics.weighted_fid.features": ("inception", "section 4, evaluation metric: Inception-v3"),
    "metrics.weighted_fid.target": ("photo", "section 4, evaluation metric"),
    "metrics.weighted_fid.input": ("cartoon", "section 4, evaluation metric"),
    "train.steps": (1_000_000, "U, max_iter"),
    "train.batch_size": (1, "U, batch_size"),
    "train.optimizer.lr": (1e-4, "U, lr"),
    "train.optimizer.betas": ([0.5, 0.999], "U, beta1 and beta2"),
    "train.optimizer.weight_decay": (1e-4, "U, weight_decay"),
    "train.schedule.every": (100_000, "U, step_size"),
    "train.schedule.gamma": (0.5, "U, gamma"),
    "networks.E_r.width": (64, "U, gen dim"),
    "networks.E_r.downsamples": (2, "U, gen n_downsample"),
    "networks.E_r.blocks": (4, "U, gen n_res"),
    "networks.E_r.padding": ("reflect", "U, gen pad_type"),
    "networks.G_r.upsamples": (2, "U, gen n_downsample"),
    "networks.G_r.blocks": (4, "U, gen n_res"),
    "discriminators.D_r.width": (64, "U, dis dim"),
    "discriminators.D_r.layers": (4, "U, dis n_layer"),
    "discriminators.D_r.scales": (3, "U, dis num_scales"),
    "phases.generators.losses.fool_r_2.type": ("lsgan", "U, gan_type"),
    "phases.generators.losses.fool_r_2.weight": (1, "U, gan_w"),
    "phases.generators.losses.same_r.weight": (10, "U, recon_x_w"),
    "phases.generators.losses.kl_r.weight": (0.01, "U, recon_kl_w"),
    "phases.generators.losses.cycle_r.weight": (10, "U, recon_x_cyc_w"),
    "phases.generators.losses.kl_cycle_r.weight": (0.01, "U, recon_kl_cyc_w"),
    "data.load_size": (286, "as in recipes/paper/toon2real.toml, measured alike; U, new_size: 256"),
    "data.image_size": (256, "U, crop_image_height"),
    "data.flip": (True, "U, utils.py: RandomHorizontalFlip"),
}

# Photo-Anime Translation based on Cycle-Consistent Adversarial Networks
ANIME: Rows = {
    "train.optimizer.type": ("adam", "section 4.3"),
    "train.optimizer.betas": ([0.5, 0.999], "section 4.3"),
    "train.optimizer.lr": (1e-4, "figure 4 (c)"),
    "train.batch_size": (1, "section 4.3"),
    "train.schedule.type": ("linear-decay", "section 4.3: decreases"),
    "train.schedule.start.epochs": (100, "section 4.3: after 100 epochs"),
    "phases.generators.losses.cycle_photo.weight": (25, "figure 4 (c)"),
    "phases.generators.losses.cycle_anime.weight": (25, "figure 4 (c)"),
    "phases.generators.losses.cycle_photo.type": ("l1", "equation 5"),
    "phases.generators.losses.identity_anime.type": ("l1", "equation 6"),
    "phases.generators.losses.fool_anime.type": ("lsgan", "equation 4"),
    "phases.discriminators.losses.reals_anime.weight": (0.5, "equation 8"),
    "phases.discriminators.losses.fakes_anime.weight": (0.5, "equation 8"),
    "phases.pretraining.updates": (["D_anime", "D_photo"], "section 5.1: a pre-trained discriminator"),
    "phases.pretraining.losses.reals_photo.weight": (0.5, "equation 8"),
    "phases.pretraining.until.epochs": (5, "section 5.1, without a length: ours"),
    "phases.generators.from.epochs": (5, "after the pre-training"),
    "phases.discriminators.from.epochs": (5, "after the pre-training"),
    "train.epochs": (5 + 200, "pre-training, then CycleGAN's 200"),
    "discriminators.D_anime.type": ("cyclegan/plain", "section 4.1"),
    "discriminators.D_photo.type": ("cyclegan/plain", "section 4.1"),
    "metrics.fourier_anime.type": ("fourier", "section 5.2, equation 9"),
    # Not in the document: the method it is built on.
    "phases.generators.losses.identity_anime.weight": (5, "CycleGAN, section 5.2"),
    "data.load_size": (286, "CycleGAN's code, options"),
    "data.image_size": (256, "CycleGAN's code, options"),
}

# CartoonGAN, and its overview
CARTOONGAN: Rows = {
    "generators.G.blocks": (8, "section 3.1, figure 2; slides, generator architecture"),
    "generators.G.width": (64, "figure 2"),
    "discriminators.D.width": (32, "figure 2"),
    "networks.V.layer": ("conv4_4", "section 3.2.2"),
    "networks.V.activated": (False, "the authors' code: before the ReLU"),
    "phases.initialisation.losses": ({"content"}, "section 3.3"),
    "phases.initialisation.losses.content.weight": (10, "section 3.2: omega"),
    "phases.initialisation.until.epochs": (10, "section 3.3"),
    "phases.generator.losses.content.type": ("l1", "section 3.2.2"),
    "phases.generator.losses.content.weight": (10, "section 3.2: omega"),
    "phases.generator.from.epochs": (10, "section 3.3"),
    "phases.discriminator.losses.cartoons.type": ("bce", "adversarial loss, first term"),
    "phases.discriminator.losses.smoothed.logits": ("D(smooth)", "adversarial loss, second term"),
    "phases.discriminator.losses.generated.type": ("bce", "adversarial loss, third term"),
    "train.epochs": (10 + 200, "sections 3.3 and 4"),
    "data.image_size": (256, "section 4"),
    "data.filtered.smooth": ("smooth_edges(anime)", "section 3.2.1: S(e)"),
    # Not in the document: the re-implementation with this loss, znxlwm/pytorch-CartoonGAN.
    "train.optimizer.lr": (2e-4, "znxlwm"),
    "train.optimizer.betas": ([0.5, 0.999], "znxlwm"),
    "train.batch_size": (8, "znxlwm"),
    "train.schedule.type": ("multi-step", "znxlwm"),
    "train.schedule.milestones": ([0.5, 0.75], "znxlwm"),
    "train.schedule.gamma": (0.1, "znxlwm"),
    "phases.initialisation.schedule.type": ("constant", "znxlwm: the milestones count the epochs after it"),
}

# Pix2Pix: Image Cartoonization (slides)
MHA: Rows = {
    "data.image_size": (512, "our initial architecture: 512x512"),
    "generators.G.levels": (8, "our initial architecture: 8 layers"),
    "generators.G.width": (512 // 8, "our initial architecture: 2x2x512, eight times the first stage"),
    "generators.G.last_kernel": (5, "and finally: 5x5"),
    "train.steps": (42_000, "outputs: 42,000+ steps"),
    "phases.generator.losses.closely.type": ("l1", "loss function"),
    # Not in the slides: their code.
    "phases.generator.losses.closely.weight": (50, "the code, lambda"),
    "train.optimizer.lr": (3e-4, "the code"),
    "train.batch_size": (4, "the code"),
    "generators.G.norm": ("batch", "the code"),
    "generators.G.dropout": (0.5, "the code"),
}

# Of the authors' public code, J: junyanz/pytorch-CycleGAN-and-pix2pix
CYCLEGAN: Rows = {
    "generators.G.blocks": (9, "J, resnet_9blocks; appendix 7.2"),
    "generators.G.width": (64, "J, ngf"),
    "generators.G.norm": ("instance", "J, norm"),
    "generators.G.padding": ("reflect", "J, networks"),
    "generators.G.dropout": (0, "J, no_dropout"),
    "discriminators.D_anime.width": (64, "J, ndf"),
    "discriminators.D_anime.layers": (3, "J, 70x70 patches"),
    "discriminators.D_anime.kernel": (4, "J, networks"),
    "phases.generators.losses.fool_photo.type": ("lsgan", "J, gan_mode"),
    "phases.generators.losses.cycle_anime.weight": (10, "J, lambda_B"),
    "phases.generators.losses.identity_photo.weight": (0.5 * 10, "J, lambda_identity"),
    "phases.discriminators.losses.fakes_photo.logits": ("D_photo(pool(fake_photo))", "J, pool_size 50, pool's own"),
    "phases.discriminators.losses.fakes_photo.weight": (0.5, "J, loss_D"),
    "train.epochs": (100 + 100, "J, n_epochs and n_epochs_decay"),
    "train.schedule.start.epochs": (100, "J, n_epochs"),
}
PIX2PIX: Rows = {
    "generators.G.levels": (8, "J, unet_256"),
    "generators.G.width": (64, "J, ngf"),
    "generators.G.norm": ("batch", "J, norm"),
    "generators.G.dropout": (0.5, "J, networks"),
    "discriminators.D.in_channels": (6, "J, input_nc + output_nc"),
    "phases.generator.losses.fool.type": ("bce", "J, gan_mode vanilla"),
    "phases.generator.losses.pixels.weight": (100, "J, lambda_L1"),
    "phases.discriminator.losses.fakes.logits": ("D(cat(cartoon, fake))", "J, pool_size 0"),
    "phases.discriminator.losses.fakes.weight": (0.5, "J, loss_D"),
    "train.schedule.start.epochs": (100, "J, n_epochs"),
    "data.load_size": (286, "J, load_size"),
    "data.image_size": (256, "J, crop_size"),
}
ORIGINAL: Rows = {
    "generators.G.blocks": (8, "options.lua, n_block_G"),
    "generators.G.norm": ("instance-affine", "InstanceNormalization.lua"),
    "networks.V.preprocessing": ("caffe", "BGR less the mean"),
    "networks.V.size": (224, "the code"),
    "data.image_size": (256, "options.lua"),
    "data.flip": (True, "options.lua"),
    "train.batch_size": (8, "options.lua"),
    "train.optimizer.lr": (1e-5, "options.lua"),
    "train.epochs": (10 + 10 + 100 + 100, "options.lua"),
    "phases.initialisation.optimizer.lr": (2e-4, "options.lua"),
    "phases.discriminator.losses.generated.logits": ("D(pool(fake_anime, 50))", "options.lua, pool"),
    "phases.generator.losses.fool.type": ("lsgan", "options.lua, use_lsgan"),
    "phases.generator.losses.content.weight": (10, "options.lua"),
}

# S: Xiaoming-Yu/SingleGAN, options/*.py, models/*.py, scripts/train_base.sh
SINGLEGAN: Rows = {
    "generators.G.domains": (2, "S, d_num"),
    "generators.G.width": (64, "S, ngf"),
    "generators.G.blocks": (6, "S, e_blocks"),
    "generators.G.norm": ("instance", "S, norm"),
    "generators.G.upsample": ("transposed", "S, up_type Trp"),
    "generators.G.spectral_norm": (True, "S, Conv2dBlock"),
    "discriminators.D_photo.width": (64, "S, ndf"),
    "discriminators.D_photo.scales": (2, "S, D_NET_Multi"),
    "discriminators.D_photo.layers": (3, "S, block_num"),
    "discriminators.D_photo.spectral_norm": (True, "S, Conv2dBlock"),
    "phases.generator.losses.fool_photo_half.type": ("lsgan", "S, c_gan_mode"),
    "phases.generator.losses.cycle_photo.weight": (10 / 2, "S, lambda_cyc, of a mean over both domains"),
    "phases.generator.losses.identity_photo.weight": (0, "S, lambda_ide"),
    "phases.discriminators.losses.fakes_photo.weight": (1, "S, update_D"),
    "train.optimizer.type": ("adam", "S, define_optimizer"),
    "train.optimizer.lr": (1e-4, "S, lr"),
    "train.optimizer.betas": ([0.5, 0.999], "S, define_optimizer"),
    "train.batch_size": (1, "S, batchSize"),
    "train.epochs": (100 + 100, "S, NITER and NITER_DECAY"),
    "train.schedule.type": ("linear-decay", "S, train.py"),
    "train.schedule.start.epochs": (101, "S, train.py: the rate of epoch 102, counted from 1, is the first lower one"),
    "data.flip": (True, "S, is_flip"),
}

ANIMEGAN: Rows = {
    "generators.G.width": (32, "C, net/generator.py"),
    "generators.G.blocks": (4, "C, net/generator.py"),
    "discriminators.D.width": (32, "C, main.py: ch 64, halved"),
    "discriminators.D.spectral_norm": (True, "C, main.py: sn"),
    "networks.V.layer": ("conv4_4", "C, tools/ops.py"),
    "networks.V.activated": (False, "C, tools/ops.py: conv4_4_no_activation"),
    "phases.initialisation.until.epochs": (10, "C, main.py: init_epoch"),
    "phases.initialisation.optimizer.lr": (2e-4, "C, main.py: init_lr"),
    "phases.initialisation.losses": ({"content"}, "C, AnimeGANv2.py"),
    "phases.discriminator.optimizer.lr": (4e-5, "C, main.py: d_lr"),
    "phases.generator.optimizer.lr": (2e-5, "C, main.py: g_lr"),
    "phases.generator.optimizer.betas": ([0.5, 0.999], "C, AnimeGANv2.py"),
    "phases.generator.losses.fool.weight": (300, "C, main.py: g_adv_weight"),
    "phases.generator.losses.content.weight": (1.5, "C, main.py: con_weight"),
    "phases.generator.losses.style.weight": (2.5, "C, main.py: sty_weight"),
    "phases.generator.losses.colour.weight": (15, "C, main.py: color_weight"),
    "phases.generator.losses.smooth.weight": (0.5, "C, main.py: tv_weight 1, of halved squares"),
    "train.epochs": (101, "C, main.py: epoch"),
    "train.batch_size": (12, "C, main.py: batch_size"),
    "data.image_size": (256, "C, main.py: img_size"),
    "data.flip": (False, "C, tools/data_loader.py"),
}
"""C: TachibanaYoshino/AnimeGANv2."""

TABLES: Mapping[str, Rows] = {
    "recipes/paper/faces_pix2pix.toml": FACES | ONE_CARTOONIZER,
    "recipes/paper/faces_pix2pix_filtered.toml": FACES | ONE_CARTOONIZER,
    "recipes/paper/faces_pix2pix_augmented.toml": FACES
    | {
        "data.styles": (
            ["classic", "soft", "muted", "bold"],
            "section 2.1.3: four types by blurring and share of gray",
        ),
        "data.filtered.sketch": ("cartoonize(photo, sketch)", "section 4.4, figure 8"),
        "data.filtered.poster": ("cartoonize(photo, poster)", "section 4.4: out of the distribution"),
    },
    "recipes/paper/faces_cyclegan.toml": ADAM_OF_TABLE_1
    | ONE_CARTOONIZER
    | {
        "generators.F.type": ("cyclegan/resnet", "section 4.5"),
        "generators.F.blocks": (9, "CycleGAN, appendix 7.2: no change"),
        "phases.generators.losses.cycle_photo.weight": (10, "CycleGAN, section 4: no change"),
        "phases.generators.losses.identity_photo.weight": (5, "CycleGAN, section 5.2: no change"),
        "metrics.cosine.input": ("F(anime)", "section 4.6.1"),
    },
    "recipes/paper/toon2real.toml": TOON2REAL
    | {
        "discriminators.D_r.spectral_norm": (True, "section 3, training stabilization"),
        "discriminators.D_c.spectral_norm": (True, "section 3, training stabilization"),
    },
    "recipes/paper/toon2real_unit.toml": UNIT,
    "recipes/paper/toon2real_without_spectral_norm.toml": TOON2REAL
    | {
        "discriminators.D_r.spectral_norm": (False, "figure 3 (a)"),
        "discriminators.D_c.spectral_norm": (False, "figure 3 (a)"),
    },
    "recipes/paper/toon2real_singlegan.toml": SINGLEGAN
    | {
        "generators.G.type": ("singlegan/resnet", "section 4: SingleGAN's base model"),
        "translations.photo": ("G(cartoon, 1)", "the title: cartoons to photographs"),
        "metrics.weighted_fid.target_weight": (0.8, "section 4, evaluation metric: 80% and 20%"),
        "metrics.fid.features": ("inception", "section 4, evaluation metric: Inception-v3"),
        "metrics.weighted_fid.features": ("inception", "section 4, evaluation metric: Inception-v3"),
        # Not in the document.
        "data.load_size": (286, "S, loadSize"),
        "data.image_size": (256, "S, fineSize"),
    },
    "singlegan/singlegan": SINGLEGAN
    | {
        "data.load_size": (143, "S, scripts, LOAD_SIZE"),
        "data.image_size": (128, "S, scripts, FINE_SIZE"),
    },
    "recipes/paper/anime_resnet.toml": ANIME
    | {
        "generators.G.type": ("cyclegan/resnet", "section 4.1"),
        "generators.G.blocks": (9, "section 4.1: nine"),
        "generators.F.blocks": (9, "section 4.1: nine"),
    },
    "recipes/paper/anime_unet.toml": ANIME
    | {
        "generators.G.type": ("cyclegan/unet", "section 4.1"),
        "generators.F.type": ("cyclegan/unet", "section 4.1"),
    },
    "recipes/paper/anime_animegan.toml": ANIMEGAN,
    "recipes/paper/anime_cartoongan.toml": CARTOONGAN,
    "recipes/paper/mha_unet.toml": MHA
    | {
        "generators.G.heads": (8, "and finally: 8 heads"),
        "translations.cartoon": ("G(photo)", "outputs (with MHA)"),
    },
    "recipes/paper/mha_unet_without_attention.toml": MHA
    | {
        "generators.G.heads": (0, "and finally: without MHA"),
        "translations.cartoon": ("blur(G(photo), 0.7)", "and finally: a little smoothing; 3x3 in the code"),
    },
    "cyclegan/cyclegan": CYCLEGAN,
    "cyclegan/cyclegan-128": CYCLEGAN
    | {
        "generators.G.blocks": (6, "appendix 7.2; options.lua, resnet_6blocks"),
        "data.load_size": (143, "options.lua"),
        "data.image_size": (128, "options.lua"),
    },
    "pix2pix/pix2pix": PIX2PIX,
    "cartoongan/original": ORIGINAL,
}


def rows() -> Iterator[Any]:
    for name, table in TABLES.items():
        for path, (expected, place) in table.items():
            yield pytest.param(name, path, expected, place, id=f"{Path(name).stem}-{path}")


@pytest.fixture(scope="module")
def resolved() -> dict[str, dict[str, Any]]:
    """Each recipe with every default filled in."""
    return {name: tomli.loads(dump(load(ROOT / name if name.startswith("recipes") else name))) for name in TABLES}


@pytest.mark.parametrize(("name", "path", "expected", "place"), list(rows()))
def test_the_recipe_has_the_documents_value(
    resolved: dict[str, dict[str, Any]], name: str, path: str, expected: object, place: str
) -> None:
    value: Any = resolved[name]
    for key in path.split("."):
        value = value[key]
    found = set(value) if isinstance(expected, set) else value
    assert found == expected, f"{name}: {path} is {found!r}, and {expected!r} in {place}"


def test_every_paper_recipe_has_its_table() -> None:
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "recipes/paper").glob("*.toml")}
    assert files == {name for name in TABLES if name.startswith("recipes")}


def test_held_out_styles_reach_no_loss() -> None:
    """Section 4.4: poster and sketch are only measured and shown."""
    recipe = load(ROOT / "recipes/paper/faces_pix2pix_augmented.toml")
    graph = Graph({*recipe.generators, *recipe.discriminators}, recipe.signals)
    assert graph.trained_fields(recipe.phases) == {"cartoon", "photo"}
    assert set(recipe.data.styles).isdisjoint({"poster", "sketch"})
    measured = {str(metric.input) for name, metric in recipe.metrics.items() if name.endswith(("poster", "sketch"))}
    assert measured == {"G(poster)", "G(sketch)"}
