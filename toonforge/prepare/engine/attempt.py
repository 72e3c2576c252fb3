"""One file through a task, whatever happens to it: a bad file is an outcome, what the user must mend is an error."""

from __future__ import annotations

import errno
import os
import traceback
from pathlib import Path

from toonforge.data.reading.picture import why_not_opened
from toonforge.errors import ToonforgeError, UnreadableImage
from toonforge.prepare.engine.out_folder import cannot_write
from toonforge.prepare.engine.placing import noting
from toonforge.prepare.engine.task import FAILED, UNREADABLE, Outcome, Source, Task

Found = tuple[Outcome, ...] | ToonforgeError
"""What came of a file; or why the whole work cannot go on."""

_OF_THIS_NAME = (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ)
"""The system takes no file of such a name, while it takes others."""


def attempt(task: Task, source: Source, out: Path) -> Found:
    """Work on one file."""
    try:
        with noting(out):
            found = task(source, out)
        return (found,) if isinstance(found, Outcome) else tuple(found)
    except UnreadableImage as error:
        return (Outcome(action=UNREADABLE, reason=error.reason),)
    except ToonforgeError as error:
        return error
    except OSError as error:
        if error.filename in (source.path, os.fspath(source.path)):
            return (Outcome(action=UNREADABLE, reason=why_not_opened(error)),)
        if error.errno in _OF_THIS_NAME:
            return (Outcome(action=FAILED, reason=f"cannot be written: {error.strerror}"),)
        return cannot_write(out, error)
    except MemoryError:
        return (Outcome(action=FAILED, reason="not enough memory; try fewer workers"),)
    except Exception as error:  # one odd file in a hundred thousand must not end the work on the others
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}:{place.lineno}"
        return (Outcome(action=FAILED, reason=f"{type(error).__name__}: {error} ({where})"),)
