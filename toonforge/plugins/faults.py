"""What is told of a plugin that cannot be loaded."""

from __future__ import annotations

import os
import traceback

import pluggy

from toonforge.errors import PluginError
from toonforge.names import did_you_mean

_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def told(error: BaseException) -> str:
    """The error in one line, with the file and line of the plugin where it was raised; of a SyntaxError, its own."""
    if isinstance(error, SyntaxError) and error.filename is not None:
        return f"{type(error).__name__}: {' '.join(error.msg.split())} ({error.filename}:{error.lineno})"
    text = " ".join(str(error).split())
    if isinstance(error, PluginError):
        return text
    named = f"{type(error).__name__}: {text}" if text else type(error).__name__
    places = [
        f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__) if _theirs(frame)
    ]
    return f"{named} ({places[-1]})" if places else named


def _theirs(frame: traceback.FrameSummary) -> bool:
    """Whether a line is no line of the loader's, nor of what it imports modules and calls hooks with."""
    file = frame.filename
    others = (_OURS, os.path.dirname(pluggy.__file__), os.path.dirname(os.__file__) + os.sep + "importlib")
    return not file.startswith(("<", *(other + os.sep for other in others)))


def refuse_unknown_hooks(manager: pluggy.PluginManager, plugin: object) -> None:
    """Raise `PluginError` for a function that is marked as a hook and called as none."""
    hooks = [caller.name for caller in vars(manager.hook).values() if caller.has_spec()]
    for caller in manager.get_hookcallers(plugin) or ():
        optional = any(each.optionalhook for each in caller.get_hookimpls() if each.plugin is plugin)
        if not caller.has_spec() and not optional:
            hint = did_you_mean(caller.name, hooks) or f"there are {', '.join(sorted(hooks))}"
            raise PluginError(f"there is no hook {caller.name!r}; {hint}")
