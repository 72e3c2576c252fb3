"""Weights of known networks: read from files, downloaded, and fitted. Nothing in a file is ever run."""

from __future__ import annotations

import sys
import tarfile
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from pickle import UnpicklingError
from urllib.error import URLError

import torch
from torch import Tensor

from toonforge.errors import Problem, ToonforgeError
from toonforge.names import shape_text
from toonforge.nn.pickled import load_tensors

__all__ = ["State", "read_state", "downloaded", "fitted_state"]

NAMED = 4  # keys that an error lists

State = Mapping[str, object]


def read_state(path: Path, key: str = "weights") -> State:
    """The state dict of a file: safetensors, or what torch saves of one.

    Args:
        key: the field to blame.

    Raises:
        ToonforgeError: a file that holds no state dict, or anything besides tensors.

    Examples:
        >>> from pathlib import Path
        >>> import torch
        >>> from toonforge.nn.weights import read_state
        >>> torch.save({"weight": torch.ones(2)}, "mine.pth")
        >>> read_state(Path("mine.pth"))["weight"]
        tensor([1., 1.])
    """
    from safetensors.torch import load_file as load_safetensors

    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise OSError("no regular file")
        if path.suffix == ".safetensors":
            return load_safetensors(path)
        if tarfile.is_tarfile(path):  # torch before 2.6 runs what such a file says, "weights_only" or not
            raise ValueError("a tar file, as very old versions of torch wrote them")
        state = load_tensors(path)
    except Exception as error:  # torch's, pickle's, safetensors' and the system's: a dozen kinds, one meaning
        first_line = str(error).strip().split("\n")[0]
        raise _unreadable(path, key, f"{type(error).__name__}: {first_line}") from error
    if not isinstance(state, Mapping):
        raise _unreadable(path, key, f"a {type(state).__name__}")
    return state


def downloaded(load: Callable[..., State], url: str, *, whose: str, key: str = "weights", otherwise: str) -> State:
    """The state dict of an address, downloaded once and checked against the hash in its name.

    Args:
        load: torch.hub.load_state_dict_from_url of this address, or torchvision's function around it.
        whose: the network that the weights are of.
        key: the field that takes a path in place of the download.
        otherwise: what else to use, as the end of a sentence.

    Raises:
        ToonforgeError: no network and no downloaded file, or a file that is not the one wanted.

    Examples:
        >>> from toonforge.nn.weights import downloaded
        >>> def load(**options):
        ...     raise OSError("no route to host")
        >>> downloaded(load, "https://example.org/brush-0123.pth", whose="mine/brush", otherwise='or "random"')
        Traceback (most recent call last):
        toonforge.errors.ToonforgeError: weights: the weights of mine/brush cannot be downloaded
          found:    https://example.org/brush-0123.pth: no route to host
        ...
    """
    try:
        with redirect_stdout(sys.stderr):  # torch says what it downloads on standard output
            return load(progress=True, check_hash=True, weights_only=True, map_location="cpu")
    except (URLError, OSError, RuntimeError, UnpicklingError) as error:
        # A RuntimeError is a download whose hash is not the one in its name, or a broken file.
        file = url.rsplit("/", 1)[-1]
        raise ToonforgeError(
            Problem(
                message=f"the weights of {whose} cannot be downloaded",
                key=key,
                found=f"{url}: {getattr(error, 'reason', error)}",
                expected=f'a network connection, {file} in {torch.hub.get_dir()}/checkpoints, or {key} = "PATH"',
                hint=f'download {file} elsewhere and write {key} = "path/to/{file}"; {otherwise}',
            )
        ) from error


def fitted_state(
    wanted: Mapping[str, Tensor], state: State, source: str, *, whose: str, expected: str, key: str = "weights"
) -> dict[str, Tensor]:
    """What a network needs out of a state dict.

    Args:
        wanted: name in the state dict -> a tensor of the right shape.
        source: the file or address the state comes from.
        whose: the network's name.
        expected: what the state dict should have been.
        key: the field to blame.

    Raises:
        ToonforgeError: names what is missing or of another shape.

    Examples:
        >>> import torch
        >>> from torch import nn
        >>> from toonforge.nn.weights import fitted_state
        >>> layer = nn.Linear(2, 1, bias=False)
        >>> state = fitted_state(
        ...     layer.state_dict(), {"weight": torch.ones(1, 2)}, "mine.pth", whose="my network", expected="one layer"
        ... )
        >>> list(state)
        ['weight']
    """
    wrong: list[str] = []
    found: dict[str, Tensor] = {}
    for name, ours in wanted.items():
        theirs = state.get(name)
        if not isinstance(theirs, Tensor):
            wrong.append(f"no {name}")
        elif theirs.shape != ours.shape:
            wrong.append(f"{name} of {shape_text(theirs.shape)} in the place of {shape_text(ours.shape)}")
        else:
            found[name] = theirs
    if wrong:
        rest = f" and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
        given = ", ".join(map(repr, list(state)[:NAMED])) or "nothing"
        raise ToonforgeError(
            Problem(
                message=f"{source} does not hold the weights of {whose}",
                key=key,
                found=f"{', '.join(wrong[:NAMED])}{rest}; it begins with {given}",
                expected=expected,
            )
        )
    return found


def _unreadable(path: Path, key: str, found: str) -> ToonforgeError:
    return ToonforgeError(
        Problem(
            message=f"{path} cannot be read as weights",
            key=key,
            found=found,
            expected="a state dict of tensors and nothing else: .safetensors, or torch.save(network.state_dict(), …)",
        )
    )
