"""Data sets by the library `datasets`: from folders, from Parquet files, or by name from the Hugging Face hub."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from toonforge.data.hugging_face.errors import check_reachable, explained
from toonforge.data.reading.picture import shown
from toonforge.errors import DataError, Problem

if TYPE_CHECKING:
    from datasets import Dataset

_HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w.-]+")
_SAVED_SPLIT, _SAVED = "state.json", "dataset_dict.json"


@attrs.frozen(kw_only=True)
class Place:
    """Where a data set is.

    Attributes:
        path: a folder, Parquet files (a path, with stars if need be), or a name on the hub.
        name: of one of its configurations.
        revision: on the hub: a branch, a tag or a commit.
    """

    path: str
    name: str | None = None
    revision: str | None = None

    @property
    def local(self) -> Path | None:
        """The path, absolute and maybe with stars; None for a name on the hub."""
        path = Path(self.path).expanduser()
        on_hub = _HUB_NAME.fullmatch(self.path) and not path.exists() and path.suffix != ".parquet"
        return None if on_hub else Path(os.path.abspath(path))

    @property
    def shown(self) -> str:
        """The place as text that can be printed."""
        return shown(self.local or self.path)

    def verify(self) -> None:
        """Raise `DataError` for files that are not there; nothing is loaded, and the hub is not asked."""
        local = self.local
        if local is None:
            return
        if self.revision is not None:
            raise _error("files of your own have no revisions", "revision", found=self.revision)
        if local.is_dir():
            if not any(local.iterdir()):
                raise _error(f"the folder {self.shown} is empty", "path", expected="pictures or Parquet files")
            return
        files = self.parquet
        if not files:
            expected = 'a folder, Parquet files such as "data/*.parquet", or a name on the hub such as "user/set"'
            raise _error(f"there is no {self.shown}", "path", expected=expected)
        if other := [shown(file) for file in files if not file.endswith(".parquet")]:
            hint = 'for CSV files and lists of pictures there is the data set "listed"'
            raise _error(f"{other[0]} is no Parquet file", "path", expected="files that end in .parquet", hint=hint)

    @property
    def parquet(self) -> list[str]:
        """The files that the path names, sorted; of a folder, the Parquet files in it and in its folder "data"."""
        local = self.local
        if local is None:
            return []
        if local.is_dir():
            return sorted(map(str, [*local.glob("*.parquet"), *local.glob("data/*.parquet")]))
        return (
            [str(local)] if local.is_file() else sorted(filter(os.path.isfile, glob.glob(str(local), recursive=True)))
        )

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where files that a table names may lie: below the set's own folder, or where the library unpacks and loads.

        The set's own comes first, where it lies here.
        """
        from datasets import config
        from huggingface_hub import constants

        caches = tuple(Path(os.path.abspath(at)) for at in (config.DOWNLOADED_DATASETS_PATH, constants.HF_HUB_CACHE))
        if self.local is None:
            return caches
        own = self.local
        if not own.is_dir():
            own = Path(os.path.commonpath([os.path.dirname(file) for file in self.parquet]))
        return own, own.resolve(), *caches

    def load(self, split: str, key: str) -> Dataset:
        """One split; its table lies on the disk and is mapped into memory.

        Args:
            split: its name; "train[:1000]" and the like take a part.
            key: where the recipe names the split.

        Raises:
            DataError: it is not there, cannot be reached, or cannot be read.
        """
        self.verify()
        if self.local is None:
            check_reachable(self.path)
        try:
            with nullcontext() if self.local is None else _without_bars():
                return self._load(split, key)
        except DataError:
            raise
        except Exception as error:  # of the library, of Arrow, of the network
            raise explained(error, self.shown, split=split, key=key, hub=self.local is None) from error

    def _load(self, split: str, key: str) -> Any:
        import datasets

        local = self.local
        if local is None:
            return datasets.load_dataset(self.path, self.name, revision=self.revision, split=split)
        if not local.is_dir():
            # As a folder's files, not as load_dataset("parquet", …): that tells a server on the internet of each use.
            folder, files = os.path.dirname(self.parquet[0]), [glob.escape(file) for file in self.parquet]
            return datasets.load_dataset(folder, data_files={"train": files}, split=split)
        if (local / _SAVED_SPLIT).is_file():
            return datasets.load_from_disk(str(local))
        if (local / _SAVED).is_file():
            saved = datasets.load_from_disk(str(local))
            if split not in saved:
                raise _error(f"{self.shown} has no split {split!r}", key, expected=", ".join(map(str, saved)))
            return saved[split]
        return datasets.load_dataset(str(local), self.name, split=split)


@contextmanager
def _without_bars() -> Iterator[None]:
    """Without the library's progress bars: for files that lie here they only say "downloading" of what is copied.

    Where the user's environment asks for bars, there are bars.
    """
    from datasets import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    if are_progress_bars_disabled() or "HF_DATASETS_DISABLE_PROGRESS_BARS" in os.environ:
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()


def _error(
    message: str, key: str, *, found: str | None = None, expected: str | None = None, hint: str | None = None
) -> DataError:
    key = f"data.{key.removeprefix('data.')}"
    return DataError(Problem(message=message, key=key, found=found, expected=expected, hint=hint))
