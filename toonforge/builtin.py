"""The core's own components, registered through the same hooks as a plugin's, under bare names."""

from __future__ import annotations

from collections.abc import Mapping

from toonforge.components import Dataset, Loss, Metric, Op, Optimizer, OtherNetwork, Schedule
from toonforge.data import (
    CartoonizedFolder,
    HuggingFace,
    ListedPictures,
    PairedFolders,
    SideBySide,
    Synthetic,
    UnpairedFolders,
    WebDataset,
)
from toonforge.losses import BCE, L1, L2, LSGAN, FeatureL1, GradientPenalty, Hinge, TotalVariation, Wasserstein
from toonforge.metrics import (
    FID,
    KID,
    LPIPS,
    PSNR,
    SSIM,
    ClassifierGap,
    ContentPreservation,
    CosineDissimilarity,
    Fourier,
    PixelL1,
    WeightedFID,
)
from toonforge.nn.features import VGG16, VGG19, EfficientNetLite0
from toonforge.ops import Augment, Blur, Cat, Crop, Gray, Noise, Pool
from toonforge.optimizers import SGD, Adam, AdamW, RMSprop
from toonforge.plugins.hookspecs import hookimpl
from toonforge.schedules import Constant, Cosine, LinearDecay, MultiStep


@hookimpl
def toonforge_losses() -> Mapping[str, type[Loss]]:
    """Losses that no single method owns."""
    return {
        "bce": BCE,
        "feature-l1": FeatureL1,
        "gradient-penalty": GradientPenalty,
        "hinge": Hinge,
        "l1": L1,
        "l2": L2,
        "lsgan": LSGAN,
        "tv": TotalVariation,
        "wasserstein": Wasserstein,
    }


@hookimpl
def toonforge_datasets() -> Mapping[str, type[Dataset]]:
    """Pictures of the user's own, in folders, lists, tables and shards, and pictures made up."""
    return {
        "cartoonized-folder": CartoonizedFolder,
        "hugging-face": HuggingFace,
        "listed": ListedPictures,
        "paired-folders": PairedFolders,
        "side-by-side": SideBySide,
        "synthetic": Synthetic,
        "unpaired-folders": UnpairedFolders,
        "webdataset": WebDataset,
    }


@hookimpl
def toonforge_metrics() -> Mapping[str, type[Metric]]:
    """Distances between pictures or sets of them."""
    return {
        "classifier-gap": ClassifierGap,
        "content-preservation": ContentPreservation,
        "cosine-dissimilarity": CosineDissimilarity,
        "fid": FID,
        "fourier": Fourier,
        "kid": KID,
        "lpips": LPIPS,
        "pixel-l1": PixelL1,
        "psnr": PSNR,
        "ssim": SSIM,
        "weighted-fid": WeightedFID,
    }


@hookimpl
def toonforge_networks() -> Mapping[str, type[OtherNetwork]]:
    """Feature networks."""
    return {"efficientnet-lite0": EfficientNetLite0, "vgg16": VGG16, "vgg19": VGG19}


@hookimpl
def toonforge_ops() -> Mapping[str, type[Op]]:
    """What expressions may call."""
    return {
        "augment": Augment,
        "blur": Blur,
        "cat": Cat,
        "crop": Crop,
        "gray": Gray,
        "noise": Noise,
        "pool": Pool,
    }


@hookimpl
def toonforge_optimizers() -> Mapping[str, type[Optimizer]]:
    """Torch's optimizers."""
    return {
        "adam": Adam,
        "adamw": AdamW,
        "rmsprop": RMSprop,
        "sgd": SGD,
    }


@hookimpl
def toonforge_schedules() -> Mapping[str, type[Schedule]]:
    """Learning rates over time."""
    return {
        "constant": Constant,
        "cosine": Cosine,
        "linear-decay": LinearDecay,
        "multi-step": MultiStep,
    }
