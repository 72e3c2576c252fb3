"""Asks torch what it sees, in a process of its own: a torch that does not load, or takes long, spoils nothing here."""

from __future__ import annotations

import json
import subprocess
import sys
from types import TracebackType
from typing import Any

PATIENCE = 120.0
"""Seconds; a slow disk reads torch in far less."""

_SCRIPT = r"""
import json, sys
sys.path[:] = [entry for entry in sys.path if entry]  # not this folder's torch.py
def look():
    import torch
    said = {"torch": torch.__version__, "cuda": torch.version.cuda, "hip": torch.version.hip, "threads":
            torch.get_num_threads(), "gpus": []}
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            one = torch.cuda.get_device_properties(index)
            code = f"sm_{one.major}{one.minor}"
            said["gpus"].append({"name": one.name, "memory": one.total_memory, "code": code, "archs":
                                 torch.cuda.get_arch_list()})
    elif torch.version.cuda or torch.version.hip:
        try:
            torch.cuda.init()
        except Exception as error:
            said["refused"] = str(error).strip().split("\n")[0]
    mps = getattr(torch.backends, "mps", None)
    said["mps"] = bool(mps and mps.is_available())
    xpu = getattr(torch, "xpu", None)
    said["xpu"] = bool(xpu and xpu.is_available())
    try:
        from toonforge.use.tiled.free import host_free
        said["free"] = host_free()
    except Exception:
        pass
    try:
        import torchvision
        said["torchvision"] = torchvision.__version__
    except ModuleNotFoundError:
        pass
    except Exception as error:
        said["torchvision_error"] = f"{type(error).__name__}: {error}".split("\n")[0]
    return said
try:
    said = look()
except BaseException as error:
    said = {"error": f"{type(error).__name__}: {error}".split("\n")[0]}
print("PROBE " + json.dumps(said))
"""


class Probe:
    """Begins to ask when it is entered; `answer` waits."""

    def __init__(self, script: str = _SCRIPT, patience: float = PATIENCE) -> None:
        self.script, self.patience = script, patience

    def __enter__(self) -> Probe:
        self._process = subprocess.Popen(
            [sys.executable, "-c", self.script],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        return self

    def answer(self) -> dict[str, Any]:
        """What torch says of itself; `error` where it says nothing."""
        try:
            out, _ = self._process.communicate(timeout=self.patience)
        except subprocess.TimeoutExpired:
            return {"error": f"importing torch took more than {self.patience:.0f} seconds"}
        _, marked, said = out.rpartition("PROBE ")
        if not marked:
            return {"error": f"the process that imported torch ended with {self._process.returncode}"}
        answer: dict[str, Any] = json.loads(said)
        return answer

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()
