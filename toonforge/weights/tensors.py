"""Files of tensors that say what they are."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor


def write_tensors(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any] | None = None) -> None:
    """Write a file of tensors; `about`: what it says of itself. `OSError` where the system refuses, a full disk too."""
    metadata = {"toonforge": json.dumps(about)} if about is not None else None
    # safetensors refuses channels-last tensors; the format is no part of the values.
    try:
        save_file({key: value.detach().contiguous() for key, value in tensors.items()}, path, metadata)
    except SafetensorError as error:
        # A full disk, say: safetensors gives the system's error number in its text alone, up to 0.5 in Rust's words.
        number = re.search(r"\(os error (\d+)\)|\bOs \{ code: (\d+),", str(error))
        if number is None:
            raise
        code = int(number[1] or number[2])
        raise OSError(code, os.strerror(code), str(path)) from error
    # Some versions of safetensors write what only its owner may read.
    path.chmod(path.parent.stat().st_mode & 0o666)
