"""A new virtual environment for tests of what is installed: torch and the rest of this one, but nothing of toonforge.

Every installed package but ours is linked into it; what is ours comes as a wheel. Nothing is downloaded where this
environment has hatchling and editables, which build wheels.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

ROOT = Path(__file__).parent.parent
OURS = ("toonforge", "_editable_impl_toonforge", "__editable__")


class Environment:
    """A virtual environment in a folder that does not exist yet.

    Args:
        folder: where it is made.
        home: the working folder of what it runs; outside of any checkout.

    Attributes:
        more: further variables of the processes in it.
    """

    def __init__(self, folder: Path, home: Path) -> None:
        venv.create(folder, with_pip=False, symlinks=os.name != "nt")
        self.folder, self.home = folder, home
        self.more: dict[str, str] = {}
        self.bin = folder / ("Scripts" if os.name == "nt" else "bin")
        scheme = {"base": str(folder), "platbase": str(folder)}
        layout = "nt" if os.name == "nt" else "posix_prefix"
        self.packages = Path(sysconfig.get_path("purelib", layout, vars=scheme))
        for place in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
            for entry in Path(place).iterdir():
                if not entry.name.startswith(OURS) and not (self.packages / entry.name).exists():
                    (self.packages / entry.name).symlink_to(entry)
        for script in ("pip", "pytest", "mypy"):
            self._script(
                script,
                f"import runpy, sys; sys.argv[0] = {script!r}; runpy.run_module({script!r}, run_name='__main__')",
            )

    def _script(self, name: str, code: str) -> None:
        path = self.bin / name
        path.write_text(f"#!{self.bin / 'python'}\n{code}\n", "utf-8")
        path.chmod(0o755)

    @property
    def variables(self) -> dict[str, str]:
        """Of the processes in it, as after `activate`."""
        kept = {
            key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "TOONFORGE", "PYTEST"))
        }
        path = os.pathsep.join([str(self.bin), str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        more = {
            "PATH": path,
            "VIRTUAL_ENV": str(self.folder),
            "OMP_NUM_THREADS": "1",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }
        if all(importlib.util.find_spec(package) is not None for package in ("hatchling", "editables")):
            more["PIP_NO_BUILD_ISOLATION"] = "0"  # pip's way to say: build with the packages that are here
        return kept | more | self.more

    def run(self, *words: str, code: int = 0, **variables: str) -> str:
        """Run a command in it; its output and errors together. Fails unless it ends with this exit code."""
        done = subprocess.run(
            words,
            cwd=self.home,
            env=self.variables | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == code, f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}"
        return done.stdout

    def python(self, source: str) -> str:
        """Run a program in it; what it prints."""
        return self.run(str(self.bin / "python"), "-c", source)

    def toonforge(self, *words: str, code: int = 0, **variables: str) -> str:
        """Run the command line in it."""
        return self.run(str(self.bin / "toonforge"), *words, code=code, **variables)

    def install(self, wheel: Path) -> None:
        """Put a wheel into it; what the wheel needs is there."""
        self.run(str(self.bin / "pip"), "install", "--no-deps", "--no-index", "--quiet", str(wheel))

    def uninstall(self, distribution: str) -> None:
        """Take a package out again."""
        self.run(str(self.bin / "pip"), "uninstall", "--yes", "--quiet", distribution)

    def wheel(self, project: Path, folder: Path) -> Path:
        """The wheel of a project, built into a folder."""
        self.run(str(self.bin / "pip"), "wheel", "--no-deps", "--quiet", "--wheel-dir", str(folder), str(project))
        (found,) = folder.glob("*.whl")
        return found
