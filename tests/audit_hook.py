"""Notes what a program does that files could make it do; started as `sitecustomize`, before anything of the program.

Every process that inherits the environment writes its own part of the log AUDIT_LOG, a JSON line an event: its name,
its arguments as text, the files of the callers, innermost first, and the process. It imports nothing of toonforge.
"""

from __future__ import annotations

import json
import os
import sys
from types import CodeType, FrameType
from typing import Any

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
NOTED = frozenset(
    {
        *("pickle.find_class", "marshal.load", "marshal.loads", "exec", "compile"),
        *("os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.startfile", "subprocess.Popen", "pty.spawn"),
        *("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "urllib.Request"),
        *("ctypes.dlopen", "open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink"),
        *("os.chmod", "os.chown", "os.utime", "os.truncate", "shutil.rmtree", "shutil.copyfile", "shutil.move"),
    }
)
DEPTH = 12  # callers that are noted


def install() -> None:
    """Begin to listen. Nothing that the hook itself does is noted."""
    log = os.open(os.environ["AUDIT_LOG"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    marker = os.environ["AUDIT_MARKER"]
    home = os.environ["AUDIT_HOME"]
    write, dumps, frame_of = os.write, json.dumps, sys._getframe
    busy: list[bool] = []

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event not in NOTED or busy:
            return
        busy.append(True)
        try:
            caller = frame_of().f_back
            told = words(event, arguments, caller)
            if told is not None:
                line = dumps([event, told, files(caller), os.getpid()]) + "\n"
                write(log, line.encode("utf-8", "replace"))
        finally:
            busy.pop()

    def words(event: str, arguments: tuple[Any, ...], caller: FrameType | None) -> list[str] | None:
        imports = caller is None or caller.f_code.co_filename.startswith("<frozen")
        if event == "open":
            path, _, flags = arguments
            return [os.fsdecode(path)] if isinstance(path, str | bytes) and flags & WRITES else None
        if event in ("exec", "compile"):
            code = arguments[0]
            at = code.co_filename if isinstance(code, CodeType) else str(arguments[1])
            tainted = marker in (everything(code) if isinstance(code, CodeType) else source(code))
            # An import is of an installed module, or of what lies beside the files that the program reads.
            return None if imports and not at.startswith(home) else [at, "tainted" if tainted else ""]
        if event.startswith("marshal"):
            return None if imports else []
        return [os.fsdecode(one) if isinstance(one, str | bytes | os.PathLike) else repr(one) for one in arguments[:2]]

    sys.addaudithook(hook)


def source(code: object) -> str:
    """What is compiled, as text."""
    return bytes(code).decode("utf-8", "replace") if isinstance(code, bytes | bytearray | memoryview) else str(code)


def everything(code: CodeType) -> str:
    """All names and constants of a code object, and of those within."""
    inner = [everything(one) if isinstance(one, CodeType) else repr(one) for one in code.co_consts]
    return " ".join([code.co_name, *code.co_names, *code.co_varnames, *inner])


def files(frame: FrameType | None) -> list[str]:
    """Files of the callers, innermost first."""
    found: list[str] = []
    while frame is not None and len(found) < DEPTH:
        found.append(frame.f_code.co_filename)
        frame = frame.f_back
    return found


if "AUDIT_LOG" in os.environ:
    install()
