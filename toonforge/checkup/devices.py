"""What computes: GPUs that torch can use, and those that it cannot, with the reason."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from toonforge.checkup.finding import Finding

PCI = Path("/sys/bus/pci/devices")
NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")
AMD_DRIVER = Path("/dev/kfd")
_DISPLAY = "0x03"
"""What the class of a display controller, a GPU among them, begins with."""
_MAKERS = {"0x10de": "NVIDIA", "0x1002": "AMD"}
_WHEELS = "choose its wheel on https://pytorch.org/get-started/locally"


def look(
    torch: Mapping[str, Any], pci: Path = PCI, nvidia: Path = NVIDIA_DRIVER, amd: Path = AMD_DRIVER
) -> list[Finding]:
    """What torch computes on, and what it leaves lying.

    Args:
        torch: what `Probe` says.
        pci: where the system lists its cards.
        nvidia, amd: what is there where the driver is.
    """
    if "error" in torch:
        return [
            Finding(
                area="devices",
                name="PyTorch",
                status="broken",
                text=f"does not load: {torch['error']}",
                advice="install it anew: pip install --force-reinstall torch",
            )
        ]
    found = [_gpu(gpu, torch["hip"] is not None or compiled_for(gpu["code"], gpu["archs"])) for gpu in torch["gpus"]]
    if torch.get("mps"):
        found.append(Finding(area="devices", name="GPU", text="Apple's, by MPS"))
    if torch.get("xpu"):
        found.append(Finding(area="devices", name="GPU", text="Intel's, by XPU"))
    if not found:
        found = _unused(torch, _makers(pci), nvidia.exists(), amd.exists())
    if not found and platform.system() == "Darwin" and platform.machine() == "arm64":
        found = [_left("Apple's GPU", "this PyTorch does not use it", "it needs macOS 12.3 or later, and arm64 Python")]
    return found or [Finding(area="devices", name="CPU", status="note", text="no GPU: the CPU computes")]


def compiled_for(code: str, archs: Sequence[str]) -> bool:
    """Whether a torch built for these runs on an NVIDIA chip.

    What is compiled for a chip (sm_80) runs on those of its generation that came with it or later (sm_86); a PTX
    (compute_80) is compiled on the spot for any later chip. One for a single chip alone (sm_90a) runs on no other.

    Args:
        code: of the chip: "sm_86".
        archs: as `torch.cuda.get_arch_list` has them.
    """
    major, minor = _generation(code)
    for arch in archs:
        kind, _, number = arch.partition("_")
        if not number.isdecimal():
            continue
        if kind == "sm" and _generation(arch)[0] == major and _generation(arch)[1] <= minor:
            return True
        if kind == "compute" and _generation(arch) <= (major, minor):
            return True
    return False


def _generation(code: str) -> tuple[int, int]:
    number = code.partition("_")[2]
    return int(number[:-1] or 0), int(number[-1])


def _gpu(gpu: Mapping[str, Any], known: bool) -> Finding:
    text = f"{gpu['name']}, {gpu['memory'] / (1 << 30):.0f} GiB"
    if known:
        return Finding(area="devices", name="GPU", text=text)
    return Finding(
        area="devices",
        name="GPU",
        status="warning",
        text=f"{text}: this PyTorch has nothing compiled for it ({gpu['code']})",
        advice=f"another PyTorch may have: {_WHEELS}; until then train with --cpu",
    )


def _unused(torch: Mapping[str, Any], makers: set[str], nvidia: bool, amd: bool) -> list[Finding]:
    """GPUs that are there, or whose driver is, and that torch does not see."""
    found = []
    if "NVIDIA" in makers or nvidia:
        if not nvidia:
            why, advice = "its driver is not loaded", "install NVIDIA's driver, or load it: nvidia-smi says more"
        elif torch["cuda"] is None:
            why = f"PyTorch {torch['torch']} is built without CUDA"
            advice = f"pip install --force-reinstall torch --index-url of a CUDA wheel: {_WHEELS}"
        else:
            why = torch.get("refused") or f"PyTorch, built for CUDA {torch['cuda']}, sees none"
            advice = (
                "a driver too old for that CUDA, CUDA_VISIBLE_DEVICES, or a container begun without its GPUs (docker "
                "run --gpus all): nvidia-smi says more"
            )
        found.append(_left("NVIDIA GPU", why, advice))
    if amd and torch["hip"] is None:
        found.append(_left("AMD GPU", f"PyTorch {torch['torch']} is built without ROCm", _WHEELS))
    elif amd:
        why = torch.get("refused") or f"PyTorch, built for ROCm {torch['hip']}, sees none"
        advice = (
            "a user outside of the groups render and video, a GPU that ROCm does not know, HIP_VISIBLE_DEVICES, or a "
            "container begun without --device /dev/kfd --device /dev/dri: rocminfo says more"
        )
        found.append(_left("AMD GPU", why, advice))
    return found


def _left(name: str, why: str, advice: str) -> Finding:
    return Finding(area="devices", name=name, status="warning", text=f"not used: {why}", advice=advice)


def _makers(pci: Path) -> set[str]:
    """Who made the GPUs that the system lists, whether they have a driver or not."""
    makers: set[str] = set()
    try:
        cards = [*pci.iterdir()]
    except OSError:  # not Linux
        return makers
    for card in cards:
        try:
            maker, kind = ((card / name).read_text().strip() for name in ("vendor", "class"))
        except OSError:
            continue
        if kind.startswith(_DISPLAY) and maker in _MAKERS:
            makers.add(_MAKERS[maker])
    return makers
