"""The page of a run: in any state, of hostile names, offline, and small."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.run_fixture import HOSTILE, write_log, write_run
from toonforge.cli.report import command
from toonforge.errors import RunError
from toonforge.report.html import clean, embedded, policy
from toonforge.report.page import draw_report, write_report
from toonforge.runs.log import read_events
from toonforge.runs.record import read_record


class Page(HTMLParser):
    """A page as a browser reads it: elements with their attributes, scripts by id, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self.held: dict[str, Any] = {}
        self.said = ""
        self._within: tuple[str, dict[str, str | None]] = ("", {})
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        self._within = (tag, dict(attrs))
        self.said += " "

    def handle_endtag(self, tag):
        self._within = ("", {})

    def handle_data(self, data):
        tag, attributes = self._within
        if tag == "script" and attributes.get("type") == "application/json":
            self.held[attributes["id"].removeprefix("data-")] = json.loads(data)
        elif tag == "script":
            self.scripts.append(data)
        elif tag == "style":
            self.styles.append(data)
        else:
            self.said += data

    @property
    def text(self) -> str:
        return " ".join(self.said.split())


def page(folder: Path, **more: Any) -> Page:
    return Page(draw_report(read_record(folder), **more))


# -- states -----------------------------------------------------------------------------------------------------------


def test_a_finished_run_says_so_with_its_steps_time_device_and_best_checkpoint(tmp_path):
    text = page(write_run(tmp_path / "run", resumed=400)).text
    assert "finished 750 of 750 steps" in text
    assert "12 min 35 s, resumed 1 ×" in text, "the hour between two starts is no training"
    assert "cpu, x86_64" in text and "750 (53.6 epochs), batch size 4" in text
    assert "best checkpoint step 500, by kid 68.33" in text


def test_the_title_is_the_runs_folder_with_the_recipe_beside_it_where_they_differ(tmp_path):
    for folder, title, head in (
        ("try", "try: training report", "try finished"),
        ("wild <b>", "wild <b> (try): training report", "wild <b> recipe try finished"),
    ):
        text = page(write_run(tmp_path / folder)).text
        assert text.startswith(f"{title} {head}"), text[:80]


def test_a_page_made_from_within_the_run_knows_its_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(write_run(tmp_path / "wild"))
    assert page(Path(".")).text.startswith("wild (try): training report")


def test_the_result_stands_at_the_top_with_its_best_and_its_verdict(tmp_path):
    head = page(write_run(tmp_path / "run")).text.split("begun")[0]
    assert "kid 82 ± 2.5 ↓ lower is better, step 750 best 68.33 ± 2.5 at step 500" in head
    assert "does not beat a plain cartoon filter; beats the untranslated pictures" in head
    assert "content 0.9 ↑ higher is better, step 750, the best" in head
    assert "begun" in page(write_run(tmp_path / "none", measured=[])).text, "nothing is measured, nothing is shown"


def test_many_metrics_at_the_top_are_cut_and_counted(tmp_path):
    folder = write_run(tmp_path / "run", measured=[])
    many = {f"m{i}": i for i in range(9)}
    event = {"event": "metrics", "step": 10, "metrics": many, "about": {}}
    write_log(folder, [*read_events(folder), event])
    head = page(folder).text.split("begun")[0]
    assert "m5" in head and "m6" not in head and "3 more" in head


def test_a_run_that_patience_ended_says_what_had_not_improved_for_how_long(tmp_path):
    folder = write_run(tmp_path / "run", done=600, end="no-improvement")
    assert "kid has not improved for as long as it may; best 68.33 at step 500." in page(folder).text
    resolved = folder / "resolved.toml"
    resolved.write_text(resolved.read_text().replace('best = "kid"', 'best = "kid"\npatience = 3'))
    assert "kid has not improved for 3 measurements; best 68.33 at step 500." in page(folder).text


@pytest.mark.parametrize(
    ("end", "message", "said"),
    [
        (
            "failed",
            "the loss became infinite\n  hint: lower the learning rate",
            "failed 300 of 750 steps the loss became infinite hint:",
        ),
        ("failed", None, "The log does not say why."),
        ("interrupted", None, "stopped early 300 of 750 steps Go on with: toonforge run"),
        ("no-improvement", None, "stopped: no improvement 300 of 750 steps"),
        ("a later version's", None, "a later version's 300 of 750 steps"),
    ],
)
def test_a_run_that_ended_says_why(tmp_path, end, message, said):
    assert said in page(write_run(tmp_path / "run", done=300, end=end, message=message)).text


def test_a_run_without_an_end_goes_on_or_may_have_crashed_by_when_it_last_wrote(tmp_path):
    folder = write_run(tmp_path / "run", done=300, end=None, began=1_790_000_000.0)
    assert "running 300 of 750 steps" in page(folder, now=1_790_000_000.0 + 330).text
    silent = page(folder, now=1_790_000_000.0 + 4000).text
    assert "running or crashed" in silent and "No word since 21 Sep 2026" in silent and "--resume" in silent


def test_warnings_come_first_with_their_steps_and_what_helps_and_those_that_are_over_after_those_that_last(tmp_path):
    text = page(write_run(tmp_path / "run")).text
    lasting, over = text.index("D_anime has won"), text.index("are of one colour")
    assert lasting < over < text.index("Validation pictures")
    assert "since step 600, D_anime What helps: Give it a lower learning rate" in text
    assert "from step 20 to 60, anime" in text


def test_a_page_can_be_drawn_of_every_amount_of_a_run(tmp_path):
    write_run(tmp_path / "one", total=1, warned=False)
    write_run(tmp_path / "bare", grids=[], measured=[], warned=False)
    write_run(tmp_path / "begun", done=0, grids=[], measured=[], warned=False, end=None)
    (write_run(tmp_path / "no-log") / "metrics.jsonl").unlink()
    lone = tmp_path / "lone"
    lone.mkdir()
    (lone / "resolved.toml").write_text('name = "lone"\n')
    assert "finished 1 of 1 steps" in page(tmp_path / "one").text
    assert (
        "No grid is drawn yet" in page(tmp_path / "bare").text
        and "No metric is measured yet" in page(tmp_path / "bare").text
    )
    assert "0 of 750 steps" in page(tmp_path / "begun").text
    assert "no log yet" in page(tmp_path / "no-log").text
    assert page(tmp_path / "no-log").held["gallery"]["steps"], "the pictures are there without a log"
    assert "no log yet" in page(lone).text and "There is no data.csv" in page(lone).text


@pytest.mark.parametrize("file", ["recipe.toml", "lock.json", "data.csv", "metrics.jsonl"])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00garbage\n{[,", b'{"event": "start"', b"[]", b'{"packages": 3}'])
def test_a_damaged_file_leaves_the_rest_of_the_page(tmp_path, file, content):
    folder = write_run(tmp_path / "run")
    (folder / file).write_bytes(content)
    assert page(folder).held["gallery"]["steps"]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{}",
        '{"translations": 3}',
        '{"translations": [{"target": "anime"}]}',
        '{"translations": [{"target": "a", "field": "b", "names": ["x"], "size": [1, "y"], "columns": []}]}',
    ],
)
def test_damaged_strips_are_left_out_and_said(tmp_path, content):
    folder = write_run(tmp_path / "run", grids=[100, 200, 300])
    (folder / "samples/step-000200/strips.json").write_text(content)
    shown = page(folder)
    assert [step["step"] for step in shown.held["gallery"]["steps"]] == [100, 300]
    assert "1 of 3 grids cannot be read." in shown.text


def test_a_strip_of_another_size_or_none_is_an_empty_cell(tmp_path):
    folder = write_run(tmp_path / "run", grids=[100, 200])
    (folder / "samples/step-000100/anime-output.jpg").write_bytes(b"no picture")
    (folder / "samples/step-000200/anime-output.jpg").write_bytes((folder / "samples/step-000100.jpg").read_bytes())
    anime = page(folder).held["gallery"]["translations"][0]
    assert [at["pictures"][1] for at in anime["at"]] == [None, None]
    assert None not in anime["at"][0]["pictures"][::2]


def test_where_there_are_no_strips_whole_grids_are_shown(tmp_path):
    folder = write_run(tmp_path / "run", grids=[100, 200])
    for path in folder.glob("samples/*/strips.json"):
        path.unlink()
    gallery = page(folder).held["gallery"]
    assert gallery["sheets"] and [step["step"] for step in gallery["steps"]] == [100, 200]


def test_strips_that_lead_out_of_the_run_show_nothing(tmp_path):
    folder = write_run(tmp_path / "run", grids=[100])
    secret = tmp_path / "secret.jpg"
    secret.write_bytes((folder / "samples/step-000100/anime-input.jpg").read_bytes())
    path = folder / "samples/step-000100/strips.json"
    path.write_text(path.read_text().replace('"anime-input.jpg"', '"../../../secret.jpg"'))
    anime = page(folder).held["gallery"]["translations"][0]
    assert [stage["stage"] for stage in anime["stages"]] == ["output", "reconstruction"]


def test_lines_of_the_log_that_cannot_be_read_are_counted_on_the_page(tmp_path):
    folder = write_run(tmp_path / "run")
    assert "could not be read" not in page(folder).text
    for said in ("1 line of metrics.jsonl could not be read", "2 lines of metrics.jsonl could not be read"):
        with (folder / "metrics.jsonl").open("a", encoding="utf-8") as file:
            file.write("{garbled\n")
        assert said in page(folder).text


def test_a_field_that_nothing_uses_has_no_column(tmp_path):
    folder = write_run(tmp_path / "run")
    (folder / "data.csv").write_text("part,photo,anime,sketch\ntrain,a.jpg,,\nvalidation,b.jpg,c.jpg,\n")
    assert "part photo anime train 1 not used validation 1 1 Pictures" in page(folder).text


def test_a_sweep_in_the_place_of_a_run_names_compare(tmp_path):
    (tmp_path / "sweep.json").write_text("{}")
    with pytest.raises(RunError) as caught:
        write_report(tmp_path)
    assert caught.value.problems[0].hint.endswith(f"toonforge compare {tmp_path}")


def test_no_run_and_no_place_are_told_in_one_message(tmp_path):
    with pytest.raises(RunError, match="is no run"):
        write_report(tmp_path)
    with pytest.raises(RunError, match="cannot write"):
        write_report(write_run(tmp_path / "run"), tmp_path / "absent" / "report.html")


# -- what it shows -----------------------------------------------------------------------------------------------------


def test_metrics_stand_beside_their_baselines_direction_protocol_and_cautions(tmp_path):
    text = page(write_run(tmp_path / "run")).text
    assert "kid ↓ lower is better 82 ± 2.5 step 750 68.3" in text.replace("68.33", "68.3"), text
    assert "92.8 ± 2.4 71 ± 2.2 does not beat a plain cartoon filter" in text
    assert (
        "EfficientNet-Lite0 (sha256 abcdef012345)" in text
        and "Caution, kid: few pictures: <b>the error</b> is large" in text
    )
    assert "does not beat the untranslated" not in text, "the input keeps all of the input: nothing to beat"


def test_later_evaluations_are_shown_and_damaged_lines_left_out(tmp_path):
    folder = write_run(tmp_path / "run")
    good = {
        "time": 1_790_000_000,
        "part": "test",
        "metrics": {"fid": 51.25, "fid.untranslated": 60},
        "about": {"fid": {"protocol": "FID of 300"}},
    }
    lines = [
        json.dumps(good),
        "{",
        "[]",
        '{"metrics": 3}',
        '{"metrics": {"fid": "x"}}',
        '{"metrics": {"fid": 1}, "about": {"fid": 2}}',
    ]
    (folder / "evaluations.jsonl").write_text("\n".join(lines))
    text = page(folder).text
    assert "Measured later, with toonforge evaluate" in text and "51.25" in text and "FID of 300" in text
    assert "5 lines of evaluations.jsonl could not be read." in text


def test_a_later_evaluation_says_all_that_the_table_of_the_training_says(tmp_path):
    folder = write_run(tmp_path / "run")
    event = {
        "time": 1_790_000_000, "part": "test", "checkpoint": "best", "step": 500, "to": "photo", "reference": "drawn/",
        "metrics": {"fid": 51.25, "fid.std": 1.5, "fid.untranslated": 60, "fid.filter": None, "fourier": 3, "fourier.input_high": 0.25},
        "about": {"fid": {"better": "lower", "protocol": "FID; 8 pictures", "cautions": ["few <b>"]}, "fourier": {"protocol": "rings; 8 pictures"}},
        "pictures": {"fourier": "metrics/fourier-step-000125.png", "fid": "../out.png"}, "notes": ["a note"],
    }  # fmt: skip
    older = {**event, "step": 250, "pictures": {}}
    (folder / "evaluations.jsonl").write_text(f"{json.dumps(older)}\n{json.dumps(event)}\n")
    shown = page(folder)
    text = shown.text.split("Measured later, with toonforge evaluate")[1]
    newest, oldest = text.index("best checkpoint (step 500)"), text.index("best checkpoint (step 250)")
    assert newest < oldest and "test part, best checkpoint (step 500), to photo, beside drawn/" in text
    assert "fid ↓ lower is better 51.25 ± 1.5 60 – beats the untranslated pictures" in text
    assert "fourier 3 – – –" in text and "input high 0.25" in text
    assert "fid: FID fourier: rings all: 8 pictures Caution, fid: few <b> a note" in text
    assert [figure["name"] for figure in shown.held["figures"]] == ["fourier", "fourier"], "of training, and of later"
    assert ("div", {"class": "figure", "id": "figure-1"}) in shown.elements


def test_the_recipe_is_shown_as_what_it_changes_of_its_base(tmp_path):
    text = page(write_run(tmp_path / "run")).text
    assert "What it changes of pix2pix/pix2pix, as that is installed now:" in text
    assert "data.load_size 286 192" in text and "data.type paired-folders samples/photo-cartoon" in text
    assert "data.split_seed" not in text, "it went with the component that it belonged to"


def test_the_base_that_a_run_keeps_is_what_it_is_compared_with_whatever_is_installed_now(tmp_path):
    folder = write_run(tmp_path / "run")
    recipe = folder / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("pix2pix/pix2pix", "../base.toml"))
    assert "It extends ../base.toml, which does not lie in the run's folder." in page(folder).text
    (folder / "base.toml").write_text((folder / "resolved.toml").read_text().replace("width = 16", "width = 48", 1))
    assert (
        "What it changes of ../base.toml: key ../base.toml this run generators.G.width 48 16 recipe.toml"
        in page(folder).text
    )


def test_a_run_keeps_the_recipe_that_its_recipe_extends(tmp_path):
    from toonforge.recipe import load
    from toonforge.recipe.resolved import dump
    from toonforge.runs.base import write_base

    child = tmp_path / "recipes" / "child.toml"
    child.parent.mkdir()
    (tmp_path / "parent.toml").write_text('extends = "pix2pix/pix2pix"\nname = "parent"\n')
    child.write_text('extends = "../parent.toml"\nname = "child"\n')
    write_base(tmp_path, child)
    assert (tmp_path / "base.toml").read_text() == dump(load(tmp_path / "parent.toml"))
    write_base(child.parent, tmp_path / "base.toml")
    assert not (child.parent / "base.toml").exists(), "it extends nothing"


def test_without_the_plugin_of_its_base_the_rest_is_there(tmp_path):
    folder = write_run(tmp_path / "run")
    recipe = folder / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("pix2pix/pix2pix", "absent/absent"))
    text = page(folder).text
    assert "What it changes cannot be told:" in text and "as it was given" in text


def test_networks_data_environment_and_skipped_pictures_are_told(tmp_path):
    text = page(write_run(tmp_path / "run", resumed=400)).text
    assert "D_anime cyclegan/patchgan 341 k (340,961) discriminators" in text
    assert "part photo anime train 40 21 validation 6 not used" in text
    assert "1 skipped, because it cannot be read photos/<broken>.jpg: cut short" in text
    assert "toonforge 0.1.0, torch 2.13.0" in text and "moving average of the generators, decay 0.99" in text
    assert "resumed after step 400" in text and "step 400: train.steps: 500 -> 750" in text


# -- safe and small ----------------------------------------------------------------------------------------------------


def test_nothing_of_a_run_becomes_markup(tmp_path):
    name = HOSTILE[0] + HOSTILE[1]
    folder = write_run(tmp_path / "run", message=name, end="failed")
    (folder / "resolved.toml").write_text((folder / "resolved.toml").read_text().replace('"try"', json.dumps(name)))
    events = [*read_events(folder)]
    for event in events:
        if event["event"] == "warning":
            event.update(message=name, hint=name, about=name)
        if event["event"] == "metrics":
            event["metrics"][name] = 1.0
            event["pictures"][name] = event["pictures"]["fourier"]
            event["about"][name] = {"protocol": name, "cautions": [name]}
        if event["event"] == "step":
            event["losses"][f"warm_up.{name}"] = 1.0
        if event["event"] == "start":
            event.update(notes=[name], device=name, parameters={name: 1})
    write_log(folder, events)
    (folder / "data.csv").write_text(f"part,{name}\n{name},x\n")
    (folder / "lock.json").write_text(
        json.dumps({"packages": {name: name}, "plugins": {name: name}, "data": {name: name}, "seed": name})
    )
    tags = {tag for tag, _ in page(folder).elements}
    plain = {
        tag for tag, _ in page(write_run(tmp_path / "plain", message="failed", end="failed", names=["a"])).elements
    }
    assert tags == plain
    assert not any(key.startswith("on") for _, attributes in page(folder).elements for key in attributes)


def test_only_its_own_scripts_and_styles_may_run_and_it_asks_nobody(tmp_path):
    shown = page(write_run(tmp_path / "run"))
    rule = next(a["content"] for tag, a in shown.elements if tag == "meta" and "http-equiv" in a)
    assert rule == policy(shown.styles, shown.scripts)
    assert rule.startswith("default-src 'none'") and "unsafe" not in rule and "http" not in rule
    linked = [a[key] for _, a in shown.elements for key in ("src", "href", "action", "data") if key in a]
    assert all(link.startswith(("#", "data:")) for link in linked)
    assert not any("style" in attributes for _, attributes in shown.elements), "the policy would drop them"
    assert not re.search(
        r"@import|url\(\s*['\"]?http|fetch\(|XMLHttpRequest|WebSocket|sendBeacon|\beval\(",
        "".join(shown.styles + shown.scripts),
    )


def test_marks_that_turn_the_direction_of_writing_are_escaped():
    assert clean("\u202egnp.exe\x07\nnext") == "\\u202egnp.exe\\x07\nnext"


def test_numbers_that_json_does_not_know_become_null_and_markup_is_escaped():
    text = embedded({"a": [float("nan"), float("inf"), 1.5], "b": "</script><!--&"})
    assert json.loads(text) == {"a": [None, None, 1.5], "b": "</script><!--&"}
    assert not set("<>&") & set(text)


def test_a_picture_that_repeats_is_in_the_page_once(tmp_path):
    held = page(write_run(tmp_path / "run", grids=[100, 200, 300])).held
    inputs = {at["pictures"][0] for translation in held["gallery"]["translations"] for at in translation["at"]}
    assert len(inputs) == 2, "one a translation, over three steps"
    assert len({code for _, code in held["pictures"]}) == len(held["pictures"])


def test_the_page_imports_no_torch(tmp_path):
    folder = write_run(tmp_path / "run")
    code = f"import sys; from toonforge.report.page import write_report; write_report({str(folder)!r}); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("False", "")


# -- the verb -----------------------------------------------------------------------------------------------------------


def test_the_verb_writes_the_page_prints_its_path_and_opens_it(tmp_path, monkeypatch):
    folder, opened = write_run(tmp_path / "run"), []
    monkeypatch.setattr("webbrowser.open", lambda link: opened.append(link) or True)
    result = CliRunner().invoke(command, [str(folder)])
    assert result.exit_code == 0 and result.stdout.strip() == str(folder / "report.html")
    assert opened == [(folder / "report.html").as_uri()]
    out = tmp_path / "other.html"
    result = CliRunner().invoke(command, [str(folder), "-o", str(out), "--no-open"])
    assert out.is_file() and len(opened) == 1


@pytest.mark.parametrize("refused", [False, OSError("no display")])
def test_without_a_browser_the_verb_says_so_and_is_content(tmp_path, monkeypatch, refused):
    def without(link):
        if isinstance(refused, Exception):
            raise refused
        return refused

    monkeypatch.setattr("webbrowser.open", without)
    result = CliRunner().invoke(command, [str(write_run(tmp_path / "run"))])
    assert result.exit_code == 0 and "there is no browser" in result.stderr


def test_the_verb_refuses_what_is_no_run_in_one_message(tmp_path):
    told = subprocess.run([sys.executable, "-m", "toonforge", "report", str(tmp_path)], capture_output=True, text=True)
    assert told.returncode == 2 and "is no run" in told.stderr and "Traceback" not in told.stderr
