"""What the Hugging Face libraries raise, as one message that says what to do; and no minutes of waiting for it."""

from __future__ import annotations

import re
import socket
import threading
from urllib.parse import urlsplit

from toonforge.errors import DataError, Problem

PATIENCE = 5.0
"""Seconds to wait for the hub to answer at all; the library would try six times."""

_LOGIN = "for a private or gated set, ask for access on its page, then `hf auth login` or set HF_TOKEN"
_UNREACHABLE = "HF_HUB_OFFLINE=1 uses the copy of an earlier run; or name a folder or Parquet files of your own"
_OFFLINE = "unset HF_HUB_OFFLINE where there is a network; or name a folder or Parquet files of your own"


def check_reachable(name: str) -> None:
    """Raise `DataError` where the hub does not answer; where it is not to be asked, because offline, do nothing."""
    import urllib.request  # here: it brings a tenth of what `toonforge list` takes

    from huggingface_hub import constants

    url = urlsplit(constants.ENDPOINT)
    proxies = urllib.request.getproxies().keys() & {url.scheme, "all"}
    if constants.HF_HUB_OFFLINE or proxies:  # only the proxy knows what can be reached
        return
    failed = _failure(url.hostname or "", url.port or (80 if url.scheme == "http" else 443))
    if failed is not None:
        raise _unreachable(name, f"{constants.ENDPOINT}: {failed}")


def _failure(host: str, port: int) -> str | None:
    """Why no connection is made, or None. Looking up a name may take minutes, so a thread of its own waits for it."""
    result = [f"no answer in {PATIENCE:g} seconds"]

    def connect() -> None:
        try:
            socket.create_connection((host, port), PATIENCE).close()
            result.clear()
        except OSError as error:
            result[:] = [error.strerror or str(error)]

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return result[0] if result else None


def explained(error: Exception, place: str, *, split: str, key: str, hub: bool) -> DataError:
    """What went wrong in the library, for the user.

    Args:
        error: as it was raised.
        place: what was being loaded.
        split, key: which part of it, and where the recipe names that.
        hub: whether it lies on the hub.
    """
    from huggingface_hub import constants

    text = _first_line(error)
    if isinstance(error, ConnectionError) and constants.HF_HUB_OFFLINE:
        message = f"{place} is no folder here, was not downloaded before, and the Hugging Face hub is not asked"
        return _error(message, "data.path", "HF_HUB_OFFLINE is set", _OFFLINE)
    if isinstance(error, ConnectionError):
        return _unreachable(place, text)
    if isinstance(error, ValueError) and re.search("split|instruction", text, re.IGNORECASE):
        return _error(f"{place} has no split {split!r}", key, text)
    if isinstance(error, ValueError) and "config" in text.lower():
        return _error(f"{place} has no such configuration, or one must be named", "data.name", text)
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if hub and kinds & {"DatasetNotFoundError", "RepositoryNotFoundError", "GatedRepoError"}:
        return _error(f"the Hugging Face hub does not give {place}", "data.path", text, _LOGIN)
    if kinds & {"DataFilesNotFoundError", "EmptyDatasetError"}:
        hint = "the library takes [ and ] in a path for a pattern: rename the folder" if "[" in place else None
        return _error(f"{place} holds no data files", "data.path", text, hint)
    cause: BaseException = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    return _error(f"{place} cannot be loaded", "data.path", _first_line(cause))


def _unreachable(name: str, found: str) -> DataError:
    message = f"{name} is no folder here, and the Hugging Face hub cannot be reached"
    return _error(message, "data.path", found, _UNREACHABLE)


def _error(message: str, key: str, found: str, hint: str | None = None) -> DataError:
    return DataError(Problem(message=message, key=key, found=found, hint=hint))


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), "") or type(error).__name__
