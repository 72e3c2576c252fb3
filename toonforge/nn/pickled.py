"""Pickles of tensors that anybody may have made: held against what a state dict needs before torch reads them.

torch's own reader for tensors alone calls nothing but what makes tensors, some of which make them of any size and of
whatever lies in memory.
"""

from __future__ import annotations

import errno
import io
import pickletools
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, UntypedStorage

LONGEST = 4 << 20
"""Bytes of a file's pickles, which hold names and shapes: reading them takes a hundred times as much memory."""
SPARE = 1 << 20
"""Bytes that a zip file may hold besides what it is long: its own tables."""
ZIP = b"PK\x03\x04"
"""By which torch tells a zip file from the older format, five pickles and the numbers after them."""
MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""What the older format begins with: the first of its pickles."""
PICKLES = 5
CUT_SHORT = "the file is cut short"
_TENSORS = {
    "collections OrderedDict",
    "torch._utils _rebuild_tensor",
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_parameter",
    "torch._utils _rebuild_parameter_with_state",
}
"""What a state dict's pickle asks for; and the kinds of its storages, which are names and nothing that is called."""
_VALUES = {"collections Counter", "__builtin__ set", "builtins set", "torch Size", "torch device"}
"""What schedulers and the like hold that lie beside it in a checkpoint."""
_NAMES = re.compile(
    r"torch(\.cuda)? (Double|Float|Half|BFloat16|Long|Int|Short|Char|Byte|Bool|ComplexDouble|ComplexFloat)Storage"
    r"|torch (bool|b?float\d+|u?int\d+|complex\d+)"
)


def load_tensors(path: Path) -> object:
    """What torch.save wrote, on the CPU: tables, numbers, texts, and tensors whose numbers are all in the file.

    Raises:
        Exception: of torch, pickle and the system, for anything else.
    """
    if path.stat().st_size == 0:
        raise ValueError("the file is empty")
    in_zip = _refuse_other_globals(path)
    storages = _Storages(path.stat().st_size + SPARE, empty=not in_zip)
    map_location: Any = storages  # torch's annotation knows an older kind of storage alone
    try:
        value: object = torch.load(path, map_location=map_location, weights_only=True)
    except OSError as error:
        if error.errno != errno.EINVAL:  # torch asks for a place before the file's beginning
            raise
        raise ValueError(CUT_SHORT) from None
    storages.refuse_others(value)
    return value


def _refuse_other_globals(path: Path) -> bool:
    """Raise `ValueError` where the file's pickles ask for more than tensors, or it would unpack to more than it is.

    Returns:
        Whether torch takes it for a zip file.
    """
    with path.open("rb") as file:
        start = file.read(LONGEST + 1)
    in_zip = start.startswith(ZIP)
    stream = io.BytesIO(_in_zip(path) if in_zip else start)
    for _ in range(1 if in_zip else PICKLES):
        try:
            for operation, argument, _position in pickletools.genops(stream):
                if operation.name == "GLOBAL" and not _is_harmless(str(argument)):
                    raise _AsksFor(f"GLOBAL {str(argument).replace(' ', '.')}")
        except ValueError as error:
            if not isinstance(error, _AsksFor) and len(stream.getbuffer()) > LONGEST and stream.read(1) == b"":
                raise ValueError(f"a pickle of more than {LONGEST:,} bytes") from None
            if not isinstance(error, _AsksFor) and start.startswith(MAGIC) and stream.read(1) == b"":
                raise ValueError(CUT_SHORT) from None
            raise
    return in_zip


class _AsksFor(ValueError):
    """A pickle that would have something called."""


def _is_harmless(name: str) -> bool:
    return name in _TENSORS or name in _VALUES or _NAMES.fullmatch(name) is not None


def _in_zip(path: Path) -> bytes:
    """The pickle that torch will find in a zip file; `ValueError` where the file is packed, which torch never does."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except zipfile.BadZipFile as error:  # its table is its end
        raise ValueError(f"{CUT_SHORT}, or damaged: {error}") from None
    size, unpacked = path.stat().st_size, sum(member.file_size for member in members)
    if unpacked > size + SPARE:
        raise ValueError(f"it would unpack to far more than it is long: {unpacked:,} bytes in a file of {size:,}")
    longest = max((member.file_size for member in members if member.filename.endswith("data.pkl")), default=0)
    if longest > LONGEST:
        raise ValueError(f"a pickle of {longest:,} bytes, more than {LONGEST:,}")
    content: bytes = torch._C.PyTorchFileReader(str(path)).get_record("data.pkl")
    return content


class _Storages:
    """Takes note of every storage that torch makes while it reads a file: it is called with each.

    Args:
        most: bytes that the file's numbers may take.
        empty: whether they are yet to be filled, as far as the file has numbers for them.
    """

    def __init__(self, most: int, empty: bool) -> None:
        self.most = most
        self.empty = empty
        self.known: dict[int, tuple[UntypedStorage, int]] = {}

    def __call__(self, storage: Any, location: str) -> Any:
        """The storage, on the CPU as it is; an empty one holds zeros, not what lay in memory."""
        self.known[storage._cdata] = (storage, storage.nbytes())
        if sum(size for _, size in self.known.values()) > self.most:
            raise ValueError("claims more numbers than it holds")
        if self.empty:
            storage.fill_(0)
        return storage

    def refuse_others(self, value: object) -> None:
        """Raise `ValueError` where a tensor's numbers are of no storage of the file, or of one that grew since."""
        for tensor in _tensors(value):
            storage = tensor.untyped_storage()
            known = self.known.get(storage._cdata)
            if known is None or known[1] != storage.nbytes():
                raise ValueError("a tensor claims more numbers than the file holds of it")


def _tensors(value: object) -> Iterator[Tensor]:
    """All tensors in tables and sequences, of which each is looked into once: a pickle can make circles."""
    seen: set[int] = set()
    left: list[Any] = [value]
    while left:
        item = left.pop()
        if isinstance(item, Tensor):
            yield item
        elif isinstance(item, Mapping | list | tuple) and id(item) not in seen:
            seen.add(id(item))
            left += item.values() if isinstance(item, Mapping) else item
