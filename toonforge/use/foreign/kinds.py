"""Files of other kinds, told apart before anything of them is read, each with what to do about it."""

from __future__ import annotations

from pathlib import Path

from toonforge.errors import Problem, RunError
from toonforge.names import did_you_mean
from toonforge.runs.header import read_header

LOADED = "load it in the program that wrote it, and save the network's weights as a state dict of PyTorch"
KINDS = {
    ".t7": (
        "a file of Torch7, the Lua program",
        "such files can hold code, and no reader for tensors alone exists: take the port's .pth instead "
        "(Yijunmaverick's CartoonGAN-Test-Pytorch-Torch has {Hayao,Hosoda,Paprika,Shinkai}_net_G_float.pth), or "
        "convert it in Torch7",
    ),
    ".h5": ("a file of Keras", LOADED),
    ".hdf5": ("a file of Keras", LOADED),
    ".keras": ("a file of Keras", LOADED),
    ".pb": ("a network of TensorFlow", LOADED),
    ".index": ("a checkpoint of TensorFlow", LOADED),
    ".tflite": ("a network of TensorFlow Lite", LOADED),
    ".onnx": ("an ONNX network", "its weights have lost their names: import what it was exported from"),
    ".npy": ("one array of NumPy", 'torch.save({"name": torch.from_numpy(numpy.load(file)), …}, "weights.pth")'),
    ".npz": ("arrays of NumPy", 'torch.save({"name": torch.from_numpy(array), …}, "weights.pth")'),
    ".toml": ("a recipe", "give the file that holds the weights"),
}


def refuse_other_kinds(path: Path) -> None:
    """Raise `RunError` for what is no file, or one of another program than PyTorch, or of toonforge already."""
    if not path.is_file():
        near = [str(path.parent / other.name) for other in path.parent.iterdir()] if path.parent.is_dir() else []
        what = "is a folder" if path.is_dir() else "is no regular file" if path.exists() else "is not there"
        raise RunError(
            Problem(message=f"{path} {what}", expected="a file of weights", hint=did_you_mean(str(path), near))
        )
    kind = KINDS.get(path.suffix.lower())
    if kind is None and ".data-" in path.name:
        kind = KINDS[".index"]
    if kind is not None:
        raise RunError(Problem(message=f"{path} is {kind[0]}", expected="a .pth of PyTorch", hint=kind[1]))
    if path.suffix == ".safetensors" and _is_ours(path):
        raise RunError(
            Problem(
                message=f"{path} is a file of toonforge already", hint=f"use it as it is: toonforge translate {path} …"
            )
        )


def _is_ours(path: Path) -> bool:
    try:
        return "toonforge" in read_header(path).about
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return False  # whoever reads it says what is wrong with it
