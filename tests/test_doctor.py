"""`toonforge doctor`: each thing that can be wrong is told, with what to do; what is right is told as right."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tomli

from toonforge.checkup import Finding, devices, folders, machine, packages, plugins
from toonforge.checkup import finding as findings
from toonforge.checkup.probe import Probe
from toonforge.cli import doctor as verb
from toonforge.cli import main
from toonforge.plugins.fit import misfit
from toonforge.plugins.loader import PluginRecord

ROOT = Path(__file__).parent.parent
SEES_NOTHING = {"torch": "2.13.0+cpu", "cuda": None, "hip": None, "threads": 2, "gpus": [], "mps": False, "xpu": False}
GB = 1000**3


def only(found: list[Finding]) -> Finding:
    (one,) = found
    return one


@pytest.mark.parametrize(
    ("version", "status"),
    [((3, 9), "warning"), ((3, 10), "good"), ((3, 13), "good"), ((3, 14), "note")],
    ids=str,
)
def test_a_python_without_tests_is_told(version: tuple[int, int], status: str) -> None:
    told = machine.python(version, "3.x")
    assert told.status == status and ("-m venv" in (told.advice or "")) == (status == "warning")
    assert ("tested with 3.10 to 3.13" in told.text) == (status != "good")


@pytest.mark.parametrize(
    ("system", "libc", "version", "status"),
    [
        ("Linux", "glibc", "2.28", "good"),
        ("Linux", "glibc", "2.36", "good"),
        ("Linux", "glibc", "2.17", "warning"),
        ("Linux", "", "", "warning"),  # musl
        ("Darwin", "", "", "good"),
        ("Windows", "", "", "good"),
    ],
)
def test_a_c_library_too_old_for_wheels_is_told(system: str, libc: str, version: str, status: str) -> None:
    told = machine.system(system, "x86_64", libc, version)
    assert told.status == status and ("2.28" in (told.advice or "")) == (status == "warning")


def test_threads_that_are_held_back_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert machine.cores(8, 8, 4).status == "good"  # hyperthreads
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    told = machine.cores(8, 16, 1)
    assert told.status == "note" and "8 of 16" in told.text and "unset OMP_NUM_THREADS" in (told.advice or "")
    assert machine.cores(1, 16, 1).advice is None


def test_little_memory_is_told() -> None:
    assert machine.memory(16 << 30).status == "good"
    assert machine.memory(None).status == "note"
    told = machine.memory(1 << 30)
    assert told.status == "warning" and "1.0 GiB" in told.text and "batch_size" in (told.advice or "")


def cards(folder: Path, *cards: tuple[str, str]) -> Path:
    """A folder as Linux lists its cards: (vendor, class) each."""
    for number, (vendor, kind) in enumerate(cards):
        card = folder / f"0000:0{number}:00.0"
        card.mkdir(parents=True)
        (card / "vendor").write_text(vendor + "\n")
        (card / "class").write_text(kind + "\n")
    return folder


NVIDIA, AMD = ("0x10de", "0x030000"), ("0x1002", "0x038000")


@pytest.mark.parametrize(
    ("there", "driver", "torch", "told"),
    [
        ([NVIDIA], False, SEES_NOTHING, "driver is not loaded"),
        ([NVIDIA], True, SEES_NOTHING, "built without CUDA"),
        ([], True, SEES_NOTHING, "built without CUDA"),  # a container shows the driver and not the card
        ([NVIDIA], True, {**SEES_NOTHING, "cuda": "12.6", "refused": "driver too old"}, "driver too old"),
        ([NVIDIA], True, {**SEES_NOTHING, "cuda": "12.6"}, "built for CUDA 12.6, sees none"),
    ],
    ids=["no driver", "no CUDA", "container", "refused", "hidden"],
)
def test_a_gpu_that_torch_cannot_use_is_told_with_the_reason(
    tmp_path: Path, there: list[tuple[str, str]], driver: bool, torch: dict[str, Any], told: str
) -> None:
    proc = tmp_path / "version"
    if driver:
        proc.write_text("NVRM")
    found = only(devices.look(torch, cards(tmp_path / "pci", *there), proc, tmp_path / "kfd"))
    assert found.status == "warning" and found.name == "NVIDIA GPU" and told in found.text and found.advice


def test_an_amd_gpu_with_its_driver_is_told_where_torch_has_no_rocm(tmp_path: Path) -> None:
    pci = cards(tmp_path / "pci", AMD)
    assert only(devices.look(SEES_NOTHING, pci, tmp_path / "no", tmp_path / "no")).name == "CPU"  # drives a screen
    (tmp_path / "kfd").write_text("")
    told = only(devices.look(SEES_NOTHING, pci, tmp_path / "no", tmp_path / "kfd"))
    assert told.status == "warning" and "ROCm" in told.text


@pytest.mark.parametrize(
    ("refused", "told"),
    [({"refused": "No HIP GPUs are available"}, "No HIP GPUs are available"), ({}, "built for ROCm 6.4, sees none")],
    ids=["refused", "hidden"],
)
def test_an_amd_gpu_that_rocm_refuses_is_told_with_the_reason(
    tmp_path: Path, refused: dict[str, str], told: str
) -> None:
    (tmp_path / "kfd").write_text("")
    torch = {**SEES_NOTHING, "hip": "6.4", **refused}
    found = only(devices.look(torch, cards(tmp_path / "pci", AMD), tmp_path / "no", tmp_path / "kfd"))
    assert (
        (found.name, found.status) == ("AMD GPU", "warning") and told in found.text and "rocminfo" in str(found.advice)
    )


def test_a_machine_without_a_gpu_has_nothing_to_mend(tmp_path: Path) -> None:
    pci = cards(tmp_path / "pci", ("0x8086", "0x030000"), ("0x10de", "0x040300"))  # a screen's, and a sound card
    for place in (pci, tmp_path / "nowhere"):
        told = only(devices.look(SEES_NOTHING, place, tmp_path / "no", tmp_path / "no"))
        assert (told.name, told.status, told.advice) == ("CPU", "note", None)


def test_gpus_that_are_used_are_told_and_one_that_is_too_new_warns(tmp_path: Path) -> None:
    old = {"name": "A100", "memory": 80 << 30, "code": "sm_80", "archs": ["sm_80", "sm_90"]}
    new = {"name": "X900", "memory": 80 << 30, "code": "sm_190", "archs": ["sm_80", "sm_90"]}
    found = devices.look({**SEES_NOTHING, "cuda": "12.6", "gpus": [old, new]}, tmp_path)
    assert [(one.status, one.text.split(",")[0]) for one in found] == [("good", "A100"), ("warning", "X900")]
    assert "sm_190" in found[1].text
    amd = {**old, "name": "MI300", "code": "sm_94", "archs": ["gfx942"]}
    assert only(devices.look({**SEES_NOTHING, "hip": "6.4", "gpus": [amd]}, tmp_path)).status == "good"
    apples = only(devices.look({**SEES_NOTHING, "mps": True}, tmp_path))
    assert apples.status == "good" and "MPS" in apples.text


@pytest.mark.parametrize(
    ("code", "archs", "runs"),
    [
        ("sm_86", ["sm_80"], True),  # compiled for the first of its generation
        ("sm_80", ["sm_86"], False),  # for a later one
        ("sm_90", ["sm_80"], False),  # for another generation
        ("sm_90", ["sm_75", "compute_80"], True),  # compiled on the spot
        ("sm_75", ["compute_80"], False),
        ("sm_120", ["sm_100", "sm_120"], True),
        ("sm_120", ["sm_100", "sm_90"], False),
        ("sm_120", ["compute_90"], True),
        ("sm_90", ["sm_90a"], False),
        ("sm_90", [], False),
    ],
)
def test_a_chip_runs_what_cuda_says_that_it_runs(code: str, archs: list[str], runs: bool) -> None:
    assert devices.compiled_for(code, archs) == runs


FAKE_TORCH = """
class Chip:
    name, major, minor, total_memory = "X1", 8, 6, 1 << 30
class cuda:
    is_available = staticmethod(lambda: True)
    device_count = staticmethod(lambda: 1)
    get_device_properties = staticmethod(lambda index: Chip)
    get_arch_list = staticmethod(lambda: ["sm_80"])
class version:
    cuda, hip = "12.6", None
class backends:
    pass
__version__, get_num_threads = "2.9.0", lambda: 3
"""


def test_a_gpu_is_described_as_torch_describes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torch.py").write_text(FAKE_TORCH, "utf-8")
    (tmp_path / "torchvision.py").write_text("raise RuntimeError('operator torchvision::nms')", "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with Probe() as probe:
        answer = probe.answer()
    chip = {"name": "X1", "memory": 1 << 30, "code": "sm_86", "archs": ["sm_80"]}
    assert answer["gpus"] == [chip] and answer["threads"] == 3 and answer["cuda"] == "12.6"
    assert answer["torchvision_error"] == "RuntimeError: operator torchvision::nms"
    assert only(devices.look(answer)).text == "X1, 1 GiB"


def test_a_torch_in_the_folder_of_the_pictures_is_not_the_one_that_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torch.py").write_text(FAKE_TORCH, "utf-8")
    monkeypatch.chdir(tmp_path)
    with Probe() as probe:
        assert probe.answer().get("threads") != 3


@pytest.mark.parametrize(
    ("script", "patience", "told"),
    [
        ("import time; time.sleep(60)", 0.5, "more than 0 seconds"),
        ("import os; os.abort()", 30, "ended with -6"),
        ("print('noise'); import sys; sys.exit(3)", 30, "ended with 3"),
    ],
    ids=["hangs", "crashes", "leaves"],
)
def test_a_torch_that_does_not_load_is_told_and_stops_nothing(script: str, patience: float, told: str) -> None:
    with Probe(script, patience) as probe:
        answer = probe.answer()
    found = only(devices.look(answer))
    assert found.status == "broken" and told in found.text and "pip install" in (found.advice or "")
    assert all(one.status != "broken" for one in machine.look(answer))


@pytest.mark.parametrize(
    ("torch", "vision", "needs", "refused", "status", "advice"),
    [
        ("2.13.0", "0.28.0", "torch==2.13.0", None, "good", None),
        ("2.4.1+cu121", "0.19.1+cu121", "torch==2.4.1", None, "good", None),
        ("2.15.0", "0.29.2", "torch>=2.14.0", None, "good", None),
        ("2.14.0.dev20261101+cpu", "0.29.0", "torch==2.14.0.dev20261101", None, "good", None),
        ("2.13.0", "0.28.0", "numpy", None, "good", None),
        ("2.13.0", "0.19.1", "torch==2.4.1", None, "warning", 'pip install "torch==2.13.0" torchvision'),
        ("2.4.0+cpu", "0.20.0", "torch==2.5.0", None, "warning", 'pip install "torch==2.4.0" torchvision'),
        ("2.13.0", "0.29.2", "torch>=2.14.0", None, "warning", 'pip install "torch==2.13.0" torchvision'),
        ("2.13.0+cpu", "0.28.0", "torch==2.13.0", "RuntimeError: operator torchvision::nms", "note", "--index-url"),
        ("2.5.0-unknown", "0.28.0", "torch==2.13.0", None, "good", None),  # built by hand: packaging cannot read it
        ("2.13.0", "unknown", "torch==2.13.0", None, "good", None),
        ("2.5.0-unknown", "unknown", "torch", "ImportError: libjpeg.so", "warning", "--no-deps torchvision"),
        ("2.13.0", "0.28.0+cpu", "torch", "ImportError: libjpeg.so", "warning", '--no-deps "torchvision==0.28.0"'),
    ],
)
def test_a_torchvision_for_another_torch_is_told(
    torch: str, vision: str, needs: str, refused: str | None, status: str, advice: str | None
) -> None:
    told = only(packages.torchvision(torch, vision, [needs], refused))
    assert told.status == status and (advice or "") in (told.advice or "") and (advice is None) == (told.advice is None)
    assert packages.torchvision(torch, None) == packages.torchvision(None, vision) == []


def test_what_toonforge_needs_and_lacks_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {
        "torch": "2.14.0.dev20261101+cpu",
        "accelerate": "0.30",
        "attrs": "25.1-unknown",
        "tool": None,
        "av": "14.0",
    }
    monkeypatch.setattr(packages, "installed", there.get)
    wanted = ["torch>=2.4", "accelerate>=1.0", "attrs>=23", 'tool>=1; python_version < "3"', 'av>=17; extra == "video"']
    found = {one.name: one for one in packages.core(wanted)}
    assert {name: one.status for name, one in found.items()} == {"torch": "good", "accelerate": "broken"}
    assert found["accelerate"].advice == 'pip install "accelerate>=1.0"'
    missing = only(list(packages.extras(wanted)))
    assert (missing.name, missing.status) == ("[video]", "note")  # it is there, and too old
    assert missing.advice == 'pip install "toonforge[video]"'


def test_every_extra_is_looked_for_but_those_for_work_on_toonforge_itself() -> None:
    declared = tomli.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    assert set(declared) - {"dev", "browser", "docs"} == set(packages.EXTRAS)


@pytest.mark.parametrize(
    ("status", "told", "advice"),
    [
        ("broken", "broken", "toonforge plugins --verbose"),
        ("misnamed", "broken", "-p no:mine"),
        ("blocked", "note", "TOONFORGE_PLUGINS"),
    ],
)
def test_each_plugin_that_is_not_good_is_told_with_what_to_do(status: str, told: str, advice: str) -> None:
    record = PluginRecord(
        name="mine", distribution="toonforge-mine", version="1.2", target="mine", status=status, problem="since it is"
    )
    found = plugins.told(record)
    assert found.status == told and advice in (found.advice or "")
    assert all(part in found.text for part in (status, "toonforge-mine 1.2", "since it is"))


BROKEN = {
    "ModuleNotFoundError: No module named 'sklearnx' (/x/soft/plugin.py:3)": "install what brings sklearnx",
    "ModuleNotFoundError: No module named 'sklearnx.linear'": "install what brings sklearnx",
    "ModuleNotFoundError: No module named 'toonforge_soft.plugin'": "pip install --force-reinstall --no-deps PLACE",
    "SyntaxError: '(' was never closed (plugin.py, line 3)": "mend it, or tell its author",
}


@pytest.mark.parametrize("problem", BROKEN)
def test_what_to_do_about_a_broken_plugin_depends_on_how_it_is(problem: str) -> None:
    record = PluginRecord(
        name="soft",
        distribution="toonforge-soft",
        version="1.2",
        target="toonforge_soft.plugin",
        status="broken",
        problem=problem,
    )
    advice = str(plugins.told(record).advice)
    assert [said for said in dict.fromkeys(BROKEN.values()) if said in advice] == [BROKEN[problem]]
    assert advice.endswith("or do without it: -p no:soft")


def test_a_misfit_is_told_once_what_to_do() -> None:
    problem = misfit(["toonforge>=7"], "0.1.0", "toonforge-soft")
    record = PluginRecord(
        name="soft", distribution="toonforge-soft", version="1", target="soft", status="misfit", problem=problem
    )
    assert "PLACE" in str(problem) and "PLACE" not in plugins.told(record).text
    assert plugins.told(record).text.endswith("it needs toonforge >=7, and this is toonforge 0.1.0")
    assert plugins.told(record).advice == (
        "install toonforge and toonforge-soft in versions that fit each other, each from its checkout or wheel: "
        "pip install PLACE PLACE"
    )


def test_of_plugins_of_one_name_one_is_kept() -> None:
    twins = [
        PluginRecord(name="soft", distribution=f"toonforge-{one}", version="1", target=one, status="duplicate")
        for one in ("soft", "softer")
    ]
    told = only(plugins.duplicates(twins))
    assert told.status == "broken" and told.text == "duplicate: toonforge-soft 1 and toonforge-softer 1 supply it"
    assert told.advice == "keep one of them: pip uninstall toonforge-soft, or pip uninstall toonforge-softer"


def test_a_folder_that_cannot_be_written_is_broken(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert folders.writable("runs", tmp_path / "new/deep", "elsewhere", "less").status == "good"
    assert not (tmp_path / "new").exists()
    told = folders.writable("runs", tmp_path / "file/runs", "elsewhere", "less")
    assert told.status == "broken" and told.advice == "elsewhere" and str(tmp_path / "file/runs") in told.text


def test_a_folder_that_may_not_be_entered_is_broken_and_not_a_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Permissions do not hold root back, so the system's own calls refuse here."""
    locked = tmp_path / "locked"
    locked.mkdir()
    usual = os.stat

    def refusing(path: Any, *words: Any, **named: Any) -> os.stat_result:
        if str(path).startswith(f"{locked}{os.sep}"):
            raise PermissionError(13, "Permission denied", str(path))
        return usual(path, *words, **named)

    def cannot(dir: Path) -> Any:
        raise PermissionError(13, "Permission denied", str(dir))

    monkeypatch.setattr(os, "stat", refusing)
    monkeypatch.setattr(folders.tempfile, "TemporaryFile", cannot)
    monkeypatch.setenv("TOONFORGE_CACHE", str(locked / "cache"))
    found = {one.name: one for one in folders.look(locked / "deep")}
    for name in ("runs", "cache"):
        assert found[name].status == "broken" and "Permission denied" in found[name].text


@pytest.mark.parametrize(("free", "status"), [(100 * GB, "good"), (2 * GB, "warning"), (GB // 10, "broken")])
def test_little_room_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, status: str) -> None:
    monkeypatch.setattr(folders.shutil, "disk_usage", lambda path: type("Usage", (), {"free": free}))
    monkeypatch.setenv("TOONFORGE_CACHE", str(tmp_path / "cache"))
    (tmp_path / "runs").mkdir()
    runs, cache, temporary = folders.look(tmp_path)
    assert [one.status for one in (runs, cache, temporary)] == [status] * 3
    assert str(tmp_path / "runs") in runs.text and str(tmp_path / "cache") in cache.text
    for one, told in ((runs, "checkpoints"), (cache, "TOONFORGE_CACHE"), (temporary, "TMPDIR")):
        words = [word for word in ("checkpoints", "TOONFORGE_CACHE", "TMPDIR") if word in (one.advice or "")]
        assert words == ([] if status == "good" else [told])


def test_a_schema_of_other_plugins_is_told(tmp_path: Path) -> None:
    file = tmp_path / "toonforge.schema.json"
    assert folders.schema(file) == []
    file.write_text(folders.recipe_schema_text(), "utf-8")
    assert only(folders.schema(file)).status == "good"
    file.write_text("{}", "utf-8")
    assert only(folders.schema(file)).advice == "write it anew: toonforge schema"


def doctor(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *statuses: Any) -> tuple[int, str, Any]:
    """Exit code, text and JSON where these statuses are found."""
    found = [
        Finding(area=area, name=f"thing{number}", status=status, text=f"text{number}", advice=f"advice{number}")
        for number, (area, status) in enumerate(zip(findings.AREAS, statuses, strict=False))
    ]
    monkeypatch.setattr(verb, "examine", lambda: found)
    code = main(["doctor"])
    text = capsys.readouterr().out
    assert main(["doctor", "--json"]) == code
    return code, text, json.loads(capsys.readouterr().out)


def test_everything_found_is_printed_and_the_exit_code_says_whether_something_is_broken(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, text, told = doctor(capsys, monkeypatch, "good", "note", "warning")
    assert code == 0 and "nothing is broken, 1 warning" in text and told["good"] is True
    assert all(f"{word}{number}" in text for word in ("thing", "text", "advice") for number in range(3))
    code, text, told = doctor(capsys, monkeypatch, "broken", "broken", "warning", "warning")
    assert code == 2 and "2 broken, 2 warnings" in text and told["good"] is False
    assert [one["status"] for one in told["findings"]] == ["broken", "broken", "warning", "warning"]
    assert set(told["findings"][0]) == {"area", "name", "status", "text", "advice"}


def installed(folder: Path, **plugins: str) -> dict[str, str]:
    """The environment of a process that finds these plugins beside those of this checkout, each with its code."""
    for name, code in plugins.items():
        (folder / f"{name}_plugin.py").write_text(code, "utf-8")
        info = folder / f"toonforge_{name}-0.1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: toonforge-{name}\nVersion: 0.1\n", "utf-8")
        (info / "entry_points.txt").write_text(f"[toonforge]\n{name} = {name}_plugin\n", "utf-8")
    places = [folder, ROOT, *sorted(ROOT.glob("plugins/*/src"))]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, places))}


def test_on_this_machine_a_broken_plugin_is_found_without_loading_torch(tmp_path: Path) -> None:
    """The whole verb, once: in an environment with one plugin more, which prints and does not load."""
    environment = installed(tmp_path, bad="print('noise')\nimport nothing_of_this_name\n")
    code = (
        "import sys; from toonforge.cli import main; code = main(['doctor', '--json']);"
        "sys.exit(90 if {'torch', 'torchvision', 'accelerate'} & set(sys.modules) else code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    told = {(one["area"], one["name"]): one for one in json.loads(done.stdout)["findings"]}
    assert [name for area, name in told if told[area, name]["status"] == "broken"] == ["bad"]
    assert "nothing_of_this_name" in told["plugins", "bad"]["text"]
    assert {area for area, _ in told} == set(findings.AREAS)
    assert "samples" in told["plugins", "installed"]["text"] and told["packages", "torch"]["status"] == "good"


def test_a_plugin_that_makes_every_command_wait_for_torch_is_told(tmp_path: Path) -> None:
    """Its modules are looked through for torch whatever they hold: an array is equal to nothing in one word."""
    array = "import numpy\nMEAN = numpy.array([0.5, 0.4])\nimport sys\nsys.modules[__name__ + '.late'] = object()\n"
    environment = installed(tmp_path, slow=array + "import torch\n", quick=array.replace("object()", "None"))
    (tmp_path / "torch.py").write_text("", "utf-8")
    code = (
        "from toonforge.checkup import plugins; [print(one.name, '|', one.status, one.text) for one in plugins.look()]"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert [line.split(" loads")[0] for line in done.stdout.splitlines()[1:]] == ["slow | warning"]
