"""A run executes nothing but installed code, whatever its files say: every verb, watched by an audit hook of Python.

Everything that a verb reads here carries the word MARKER, mostly in the middle of Python code: names in the recipe, of
pictures and of folders, and so checkpoints, logs and tables too. The hook is there before toonforge is imported, also
in processes that are started.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from tests.pictures import save
from toonforge.prepare.engine.manifest import CSV
from toonforge.prepare.engine.work import FEW

MARKER = "zqmarker"
HERE = Path(__file__).parent

RECIPE = f"""
name = "{MARKER}"
[data]
type = "unpaired-folders"
fields = {{ photo_{MARKER} = "photo", anime = "anime" }}
image_size = 32
[generators]
G_{MARKER} = {{ type = "cyclegan/double-unet", width = 4 }}
[discriminators]
D = {{ type = "cyclegan/patchgan", width = 4, layers = 1 }}
[signals]
fake_{MARKER} = "G_{MARKER}(photo_{MARKER})"
[phases.p_{MARKER}]
updates = ["G_{MARKER}"]
[phases.p_{MARKER}.losses]
same_{MARKER} = {{ type = "l1", input = "fake_{MARKER}", target = "photo_{MARKER}" }}
[phases.d]
updates = ["D"]
[phases.d.losses]
fake = {{ type = "lsgan", logits = "D(pool(fake_{MARKER}))", real = false }}
real = {{ type = "lsgan", logits = "D(anime)", real = true }}
[train]
steps = 2
batch_size = 2
ema = 0.9
workers = 1
[train.metrics]
every = {{ steps = 1 }}
best = "m_{MARKER}"
[translations]
anime = "fake_{MARKER}"
[metrics]
m_{MARKER} = {{ type = "pixel-l1", input = "fake_{MARKER}", target = "photo_{MARKER}" }}
"""

EVIL = f"__import__('os').system('echo {MARKER}'); exec(compile('{MARKER}', '', 'eval'))"
"""The name of a picture in every folder. No slash, so that it is one."""

DECOYS = ("torch.py", "numpy.py", "json.py", "toml.py", "toonforge.py", "conftest.py", "cyclegan.py")
"""Modules that lie where the program is started, and beside what it reads. Each tells when it is imported."""
if sys.version_info >= (3, 11):
    DECOYS = (*DECOYS, "pickle.py")  # Python 3.10 imports it from there in processes that prepare pictures

VERBS: Sequence[Sequence[str]] = (
    ["list"],
    ["check", "r.toml"],
    ["run", "r.toml", "--cpu"],
    ["run", "r.toml", "--resume", "--cpu", "--set", "train.steps=3"],
    ["translate", f"runs/{MARKER}", "anime", "-o", "made/translated", "--cpu"],
    ["evaluate", f"runs/{MARKER}", "--cpu"],
    ["report", f"runs/{MARKER}"],
    ["sweep", "r.toml", "--grid", "train.steps=1", "--set", "train.workers=0", "--cpu"],
    ["compare", f"runs/{MARKER}", f"sweeps/{MARKER}"],
    ["data", "inspect", "anime", "-o", "made/inspected"],
    ["data", "filter", "photo", "-o", "made/filtered", "--workers", "2"],
    ["data", "dedupe", "anime", "-o", "made/deduped"],
    ["data", "cartoonize", "anime", "-o", "made/cartoons"],
    ["data", "smooth-edges", "anime", "-o", "made/smooth"],
    ["data", "split", "photo", "-o", "made/split"],
    ["data", "pair", "photo", "anime", "-o", "made/paired"],
)

DRIVER = """
import json, sys

def drive():
    from toonforge.cli import main
    for words in json.loads(sys.argv[1]):
        sys.argv[1:] = words
        code = main()
        print(">>", code, *words, flush=True)
        if code:
            sys.exit(1)

if __name__ == "__main__":
    drive()
"""


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which every verb has run; its log of events is `events`."""
    home = tmp_path_factory.mktemp("no-code")
    work = home / "work"
    for folder, count in (("photo", FEW + 1), ("anime", 5)):
        (work / folder).mkdir(parents=True)
        for index in range(count):
            save(work / folder / f"{EVIL} {index}.png", 72 + index, 64, seed=index + len(folder))
    (work / "r.toml").write_text(RECIPE, "utf-8")
    for place in (work, work / "photo"):
        for name in DECOYS:
            (place / name).write_text(f"open({str(home / 'caught')!r}, 'a').write({name!r})  # {MARKER}\n", "utf-8")
    hook, driver = home / "hook", home / "driver"
    for folder in (hook, driver, home / "tmp", home / "cache", home / "user"):
        folder.mkdir()
    shutil.copy(HERE / "audit_hook.py", hook / "sitecustomize.py")
    (driver / "driver.py").write_text(DRIVER, "utf-8")
    before = contents(work)
    environment = {
        # torch, where it was imported, leaves its own folder for temporary files there.
        **{
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PYTEST", "COV", "TOONFORGE", "TORCH"))
        },
        "AUDIT_LOG": str(home / "log"),
        "AUDIT_MARKER": MARKER,
        "AUDIT_HOME": str(work),
        "HOME": str(home / "user"),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(hook), os.environ.get("PYTHONPATH")])),
        "TMPDIR": str(home / "tmp"),
        "TOONFORGE_CACHE": str(home / "cache"),
    }
    done = subprocess.run(
        [sys.executable, str(driver / "driver.py"), json.dumps(VERBS)],
        cwd=work,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    after = contents(work)
    assert {name: after.get(name) for name in before} == before, "what was read is as it was"
    return home


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def events(home: Path, *names: str) -> list[tuple[str, list[str], list[str], int]]:
    """Events of these kinds: name, arguments, files of the callers, the process."""
    lines = (json.loads(line) for line in (home / "log").read_text("utf-8").splitlines())
    return [(event, words, callers, process) for event, words, callers, process in lines if event in names]


@cache
def installed(file: str) -> bool:
    """Whether a file is Python's own or of an installed package, and none of toonforge, which compiles nothing."""
    places = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    real = os.path.realpath(file)
    own = f"{os.sep}toonforge" in real.replace(str(HERE.parent), "")
    return any(real.startswith(os.path.realpath(place) + os.sep) for place in places) and not own


def test_every_process_was_watched(watched: Path) -> None:
    """The verbs', the sweep's one for its run, and those that prepare pictures."""
    started = {process for *_, process in events(watched, "exec", "compile")}
    prepared = {process for _, _, callers, process in events(watched, "open") if "workers.py" in str(callers)}
    assert len(started) >= 2 + len(prepared) and len(prepared) >= 2
    assert len(events(watched, "exec", "compile")) > 1000 and events(watched, "pickle.find_class")
    for place in (f"runs/{MARKER}/report.html", f"sweeps/{MARKER}", "comparisons", f"made/split/{CSV}"):
        assert (watched / "work" / place).exists()
    assert MARKER in (watched / "work" / f"runs/{MARKER}/metrics.jsonl").read_text("utf-8")


def test_only_installed_packages_compile_and_run_code_and_none_of_it_comes_from_a_file(watched: Path) -> None:
    """attrs, cattrs, dataclasses, named tuples, Jinja and torch write code of their own: of classes and templates."""
    for event, (place, tainted), callers, _ in events(watched, "exec", "compile"):
        assert not tainted, (event, place, callers)
        assert installed(callers[0]), (event, place, callers)
    assert not (watched / "caught").exists(), "a module in a folder of pictures, or where the program was started"


def test_pickle_is_for_pipes_between_processes_of_one_command_alone(watched: Path) -> None:
    for _, (module, name), callers, _ in events(watched, "pickle.find_class"):
        through = [Path(caller) for caller in callers]
        piped = any(path.parent.name == "multiprocessing" for path in through)
        task = any(path.parts[-4:] == ("toonforge", "prepare", "engine", "workers.py") for path in through)
        assert piped or task, (module, name, callers)
    assert not events(watched, "marshal.load", "marshal.loads")


def test_no_program_is_started_but_python_for_toonforge_and_what_tells_of_fonts_and_the_machine(watched: Path) -> None:
    found = {(words[0], words[1]) for _, words, _, _ in events(watched, "subprocess.Popen")}
    assert any("toonforge" in arguments for _, arguments in found), "the sweep's run"
    for program, arguments in found:
        known = Path(program).name in ("uname", "fc-list", "fc-match", "lscpu", "ldconfig", "gcc", "ld")
        assert known or (program == sys.executable and "toonforge" in arguments), (program, arguments)
    assert not events(watched, "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.startfile", "pty.spawn")


def test_nobody_is_asked_on_any_network(watched: Path) -> None:
    assert not events(watched, "socket.getaddrinfo", "socket.gethostbyname", "urllib.Request")
    for event, (_, address), callers, _ in events(watched, "socket.connect", "socket.bind"):
        # The other processes of the command, through a socket in the temporary folder.
        assert address.startswith((str(watched / "tmp"), "\0")), (event, address, callers)


def test_libraries_are_loaded_by_imports_of_installed_packages_alone(watched: Path) -> None:
    for _, words, callers, _ in events(watched, "ctypes.dlopen"):
        itself = words == ["None"]  # the process, whose C library is told to keep its memory
        assert itself or any(caller.startswith("<frozen importlib") for caller in callers), (words, callers)


WRITTEN = ("runs", "sweeps", "comparisons", "made")
"""Where the verbs were told to write, or do so by their documentation."""

CHANGES = (
    *("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.chmod", "os.chown"),
    *("os.utime", "os.truncate", "shutil.rmtree", "shutil.copyfile", "shutil.move"),
)


def test_nothing_is_written_outside_of_the_folders_of_the_verbs(watched: Path) -> None:
    work = watched / "work"
    allowed = [*(work / name for name in WRITTEN), watched / "tmp", watched / "cache", watched / "user" / ".cache"]
    allowed += [watched / "user" / ".config" / "matplotlib", Path("/dev/null"), Path("/dev/shm")]
    wrong = []
    for event, words, callers, _ in events(watched, *CHANGES):
        if words[0].isdecimal():  # a descriptor: how it was opened is an event of its own
            continue
        paths = [words[1]] if event == "shutil.copyfile" else words[: 2 if event in ("os.rename", "shutil.move") else 1]
        for path in paths:
            real = Path(os.path.normpath(work / path))
            above = event == "os.mkdir" and any(real in place.parents for place in allowed)
            if not above and not any(real == place or place in real.parents for place in allowed):
                wrong.append((event, path, callers[:4]))
    assert not wrong, wrong[:5]
    assert sorted(path.name for path in work.iterdir()) == sorted([*WRITTEN, *DECOYS, "photo", "anime", "r.toml"])
