"""A press of Tab offers what can come next: asked by Click's protocol, and typed into bash."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import click
import pytest

from toonforge import registries
from toonforge.cli import main
from toonforge.cli.group import VERBS, toonforge
from toonforge.cli.shells import SHELLS, answer, script

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent


@pytest.fixture(autouse=True)
def _plugins_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """`-p no:NAME` blocks for the whole process."""
    registries.plugins.load()
    monkeypatch.setattr(registries.plugins, "blocked", registries.plugins.blocked)


@pytest.fixture
def offered(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """A function of a line up to the cursor: what is offered, as bash asks for it."""

    def ask(line: str) -> list[str]:
        monkeypatch.setenv("TOONFORGE_LINE", line)
        assert answer(toonforge, "bash_complete") == 0
        said = capsys.readouterr()
        assert said.err == ""
        return [item.removeprefix("plain,") for item in said.out.splitlines()]

    return ask


FILES = ["file,"]
"""The shell's own files."""


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("toonforge ", list(VERBS)),
        ("toonforge sh", ["show"]),
        ("toonforge nothing", []),
        ("toonforge run --res", ["--resume"]),
        ("toonforge -p no:sam", ["no:samples"]),
        ("toonforge plugins sam", ["samples"]),
        ("toonforge -p no:samples li", ["list"]),
        ("toonforge data sp", ["split"]),
        ("toonforge show cyclegan/un", ["cyclegan/unet"]),
        ("toonforge show cartoonize", ["cartoonized-folder", "cartoonize"]),
        ("toonforge show lsg", ["lsgan"]),
        ("toonforge list gen", ["generators"]),
        ("toonforge list generators cyclegan/u", ["cyclegan/unet"]),
        ("toonforge list loss ls", ["lsgan"]),
        ("toonforge cp cyclegan/st", ["cyclegan/stabilised"]),
        ("toonforge translate starter/", ["starter/photo-to-cartoon"]),
        ("toonforge completion z", ["zsh"]),
        ("toonforge nonsense ", list(VERBS)),
    ],
)
def test_names_are_offered(offered, line: str, wanted: list[str]) -> None:
    found = offered(line)
    assert [name for name in found if name in wanted] == wanted and len(found) <= max(len(wanted), len(VERBS) + 9)
    if len(wanted) <= 1:
        assert found == wanted


def test_every_component_recipe_and_model_is_offered_to_show(offered) -> None:
    everything = {**registries.plugins.registries, **registries.plugins.files}
    assert {name for registry in everything.values() for name in registry} <= set(offered("toonforge show "))


def test_a_model_is_offered_by_the_last_part_of_its_name_where_only_one_is_called_so(
    offered, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert offered("toonforge translate photo-to") == ["photo-to-cartoon"]
    models = registries.plugins.files["models"]
    list(models)
    (mine,) = models._items.values()
    monkeypatch.setattr(models, "_items", {**models._items, "mine/photo-to-cartoon": mine, "mine/photo-to-ink": mine})
    assert offered("toonforge translate photo-to") == ["photo-to-ink"]


def test_files_and_runs_are_offered_where_they_can_be_meant(
    offered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("mine.toml", "notes.txt", "recipes/a.toml", "recipes/b.toml", "recipes/deep/c.toml", ".hidden/d.toml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("", "utf-8")
    for run in ("runs/one", "runs/two", "sweeps/s/three", "other/four"):
        (tmp_path / run).mkdir(parents=True)
        (tmp_path / run / "resolved.toml").write_text("", "utf-8")
    (tmp_path / "runs/no-run").mkdir()
    (tmp_path / "G.safetensors").write_bytes(b"")
    assert offered("toonforge check mi") == ["mine.toml"]
    assert offered("toonforge check m")[-1] == "mine.toml" and "mha-unet/mha-unet" in offered("toonforge check m")
    assert offered("toonforge check rec") == ["recipes/a.toml", "recipes/b.toml"]
    assert offered("toonforge check recipes/") == ["recipes/a.toml", "recipes/b.toml", "recipes/deep/c.toml"]
    assert offered("toonforge check .h") == ["file,.h"] and not [
        name for name in offered("toonforge check ") if name[0] == "."
    ]
    assert offered("toonforge check recipes/a.toml recipes/b") == ["recipes/b.toml"]
    assert offered("toonforge run runs/") == ["runs/one", "runs/two"]
    assert offered("toonforge run other/") == ["other/four"]
    assert offered("toonforge compare runs/one sw") == ["sweeps/s/three"]
    assert offered("toonforge translate G") == ["G.safetensors"]
    assert offered("toonforge translate runs/one no") == ["file,no"]
    assert offered("toonforge check nothing-here") == ["file,nothing-here"]
    assert offered(f"toonforge report {tmp_path}/runs/o") == [f"{tmp_path}/runs/one"]


def test_names_that_are_no_line_of_text_are_not_offered(
    offered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (b"zz\nplain,evil.toml", b"zz\x1b[2J.toml", b"zz\xff.toml", "zz\u3000アニメ.toml".encode()):
        with suppress(OSError):  # some systems have no such names themselves
            Path(os.fsdecode(name)).touch()
    assert offered("toonforge check zz") == ["zz\u3000アニメ.toml"]


def test_of_a_folder_of_many_pictures_the_first_are_looked_at(
    offered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """200,000 files beside took 17 s."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("toonforge.cli.completing.LOOKED", 40)
    monkeypatch.setattr("toonforge.cli.completing.MOST", 10)
    for folder in ("zz", "runs/a"):
        Path(folder).mkdir(parents=True)
    for number in range(90):
        Path(f"zz/{number}.toml").touch()
    looked = []
    monkeypatch.setattr("toonforge.cli.completing._is_run", lambda entry: looked.append(entry.name) or False)
    assert len(offered("toonforge check z")) == len(offered("toonforge check zz/")) == 10
    assert offered("toonforge run zz/9x") == ["file,zz/9x"]
    assert set(looked) == {"zz", "a"}, "files are no runs"


def test_verbs_are_offered_without_being_imported() -> None:
    """As for help: of all that a press of Tab may import, torch and the verbs' modules take longest."""
    code = (
        "import sys; from toonforge.cli import main; code = main([]); "
        "print(code, sorted(name for name in sys.modules if name in ('torch', 'rich', 'toonforge.cli.run')))"
    )
    environment = {**os.environ, "_TOONFORGE_COMPLETE": "bash_complete", "TOONFORGE_LINE": "toonforge "}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "0 []" and "plain,run" in done.stdout


@pytest.mark.parametrize(
    "line", ["toonforge nonsense x", "toonforge run --nonsense ", "toonforge -p no:nobody list ", "toonforge 'open "]
)
def test_a_command_that_is_wrong_so_far_is_no_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    monkeypatch.setenv("_TOONFORGE_COMPLETE", "bash_complete")
    monkeypatch.setenv("TOONFORGE_LINE", line)
    assert main([]) in (0, 1)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_gets_a_script_of_its_own(capsys: pytest.CaptureFixture[str], shell: str) -> None:
    assert main(["completion", shell]) == 0
    printed = capsys.readouterr().out
    assert printed.strip() == script(toonforge, shell).strip()
    assert f"_TOONFORGE_COMPLETE={shell}_complete" in printed and "toonforge" in printed


@pytest.mark.parametrize(
    ("shell", "words", "line"),
    [
        ("zsh", {"COMP_WORDS": "toonforge sho", "COMP_CWORD": "1"}, "show"),
        ("fish", {"COMP_WORDS": "toonforge sho", "COMP_CWORD": "sho"}, "show"),
    ],
)
def test_other_shells_are_answered_with_what_each_verb_does(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, shell: str, words: dict[str, str], line: str
) -> None:
    for name, value in words.items():
        monkeypatch.setenv(name, value)
    assert answer(toonforge, f"{shell}_complete") == 0
    printed = capsys.readouterr().out
    assert line in printed and VERBS[line] in printed


def test_zsh_is_answered_each_time_and_not_every_other() -> None:
    """Looked for among its functions, the script runs anew at each question: only the first is within its loading."""
    assert "loadautofunc" not in script(toonforge, "zsh")
    assert "if [[ $funcstack[1] == _toonforge ]]; then" in script(toonforge, "zsh")


def test_a_shell_that_is_none_is_refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["completion", "dos"]) == 2
    assert "'bash', 'zsh', 'fish'" in capsys.readouterr().err
    with pytest.raises(click.UsageError, match="no shell 'dos'"):
        script(toonforge, "dos")
    capsys.readouterr()
    monkeypatch.setenv("_TOONFORGE_COMPLETE", "dos_source")
    assert (main([]), capsys.readouterr().err) == (1, "")
    monkeypatch.setenv("_TOONFORGE_COMPLETE", "")
    assert (main(["--version"]), capsys.readouterr().out[:10]) == (0, "toonforge ")


class Bash:
    """An interactive bash in a terminal of its own."""

    def __init__(self, folder: Path, **variables: str) -> None:
        self.process, self.terminal = pty.fork()
        if not self.process:
            os.chdir(folder)
            path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
            environment = {
                **os.environ,
                "PATH": path,
                "PS1": "READY ",
                "TERM": "dumb",
                "INPUTRC": "/dev/null",
                **variables,
            }
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], environment)

    def type(self, keys: str, until: str) -> str:
        """Press keys; what the terminal shows until a pattern comes."""
        os.write(self.terminal, keys.encode())
        shown, end = "", time.monotonic() + 30
        while not re.search(until, shown):
            assert time.monotonic() < end, f"{until!r} did not come: {shown!r}"
            if select.select([self.terminal], [], [], 1)[0]:
                shown += os.read(self.terminal, 4096).decode()
        return shown

    def close(self) -> None:
        os.write(self.terminal, b"\x03\x04")
        os.close(self.terminal)
        os.waitpid(self.process, 0)


@pytest.mark.parametrize("wordbreaks", ["", "COMP_WORDBREAKS=${COMP_WORDBREAKS//:};", "COMP_WORDBREAKS=' ';"])
def test_bash_completes_what_is_typed(tmp_path: Path, wordbreaks: str) -> None:
    """Also where it cuts words at fewer places, as after npm's script or many a ~/.bashrc."""
    (tmp_path / "my recipes").mkdir()
    (tmp_path / "my recipes/first.toml").write_text("", "utf-8")
    bash = Bash(tmp_path)
    try:
        bash.type(f'{wordbreaks}eval "$(toonforge completion bash)"; echo DO""NE\n', "DONE")
        for typed, completed in {
            "toonforge sho\t": "toonforge show ",
            "toonforge show cyclegan/un\t": "toonforge show cyclegan/unet ",
            "toonforge -p no:cycle\tli\t": "toonforge -p no:cyclegan list ",
            "toonforge check my\t": r"toonforge check my\ recipes/first.toml ",
        }.items():
            bash.type(typed, f"{re.escape(completed)}$")
            bash.type('\x15echo DO""NE\n', "DONE")  # Ctrl-U: the line is taken back
    finally:
        bash.close()


def test_what_a_file_is_called_is_never_run(tmp_path: Path) -> None:
    """Folders of recipes come from strangers."""
    names = [
        "zza$(touch ran).toml",
        "zzb;touch ran;.toml",
        "zzc`touch ran`.toml",
        "zzd&touch ran&.toml",
        "zze'\"|>*#é.toml",
    ]
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "my recipes").mkdir()
    (tmp_path / "my recipes/é~.toml").touch()
    bash = Bash(tmp_path, HOME=str(tmp_path))
    try:
        bash.type('eval "$(toonforge completion bash)"; echo DO""NE\n', "DONE")
        for name in names:
            assert f"<check><{name}>" in bash.type(
                f"toonforge check {name[:3]}\t\x01printf '<%s>' \x05\n", "<check>.*toml>"
            )
        shown = bash.type("toonforge check ~/my\t\x01printf '<%s>' \x05\n", "<check>.*toml>")
        assert f"<check><{tmp_path}/my recipes/é~.toml>" in shown
        assert not (tmp_path / "ran").exists()
    finally:
        bash.close()
