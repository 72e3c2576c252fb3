"""The page of a run, driven in Chromium: slider, enlarged view, zoom, log scale, keyboard, touch, sizes and themes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.run_fixture import HOSTILE, write_run
from toonforge.report.page import write_report

pytestmark = pytest.mark.browser
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 3, "has_touch": True, "is_mobile": True}
WIDE = {"viewport": {"width": 1280, "height": 900}}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(write_run(tmp_path_factory.mktemp("report") / "run", resumed=400))


class Opened:
    """A page, and all that went wrong in it or was asked of others."""

    def __init__(self, browser: Any, path: Path, **context: Any) -> None:
        self.context = browser.new_context(**{**WIDE, **context})
        self.page = self.context.new_page()
        self.wrong: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.wrong.append(message.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector(".uplot")


@pytest.fixture
def opened(browser: Any, report: Path) -> Iterator[Opened]:
    shown = Opened(browser, report)
    yield shown
    assert shown.wrong == []
    shown.context.close()


def backgrounds(page: Any) -> list[str]:
    page.wait_for_timeout(150)
    return page.evaluate(
        "[...document.querySelectorAll('#gallery .sprite')].map(e => e.style.backgroundImage + e.style.backgroundPosition)"
    )


def x_range(page: Any) -> str:
    return page.locator(".bar.tools [role=status]").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390, 360])
def test_it_opens_without_a_request_an_error_or_a_page_wider_than_the_screen(browser, report, width, scheme):
    shown = Opened(browser, report, viewport={"width": width, "height": 800}, color_scheme=scheme)
    assert shown.wrong == []
    assert {url for url in shown.asked if not url.startswith(("blob:", "data:"))} == {report.as_uri()}
    assert shown.page.evaluate("document.documentElement.scrollWidth") == width
    paper = shown.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(250, 249, 246)" if scheme == "light" else "rgb(23, 24, 27)")
    assert shown.page.title() == "run (try): training report", "no script of a hostile name ran"
    shown.context.close()


def test_hostile_names_stand_there_as_text(opened):
    said = opened.page.locator("#gallery").inner_text()
    assert HOSTILE[0] in said and HOSTILE[1] in said
    assert "\\u202egnp.exe \\u2066.jpg" in said and "\u202e" not in said


def test_every_picture_is_drawn_and_the_two_sides_differ(opened):
    drawn = backgrounds(opened.page)
    assert len(drawn) == len(HOSTILE) * 5
    assert all(each.startswith('url("blob:') for each in drawn)
    first = drawn[:3]
    assert len({each.split(")")[0] for each in first}) == 3, "input, output and reconstruction are strips of their own"
    assert len({each.split(")")[1] for each in drawn[0 : 3 * len(HOSTILE) : 3]}) == len(HOSTILE), "a row each"


def test_a_cell_shows_its_row_of_the_strip_pixel_for_pixel(browser, tmp_path):
    """Every device pixel of the enlarged view is the pixel of the file it should be: nothing is blurred or shifted."""
    import io

    import numpy as np
    from PIL import Image

    folder = write_run(tmp_path / "run", grids=[100], measured=[], names=["a", "b", "c"], size=(16, 12))
    noise = np.random.default_rng(0).integers(0, 256, (36, 16, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "samples/step-000100/anime-output.jpg", "PNG")
    shown = Opened(browser, write_report(folder))
    shown.page.locator("button.stages").nth(1).click()
    cell = shown.page.locator("dialog .sprite").nth(1)
    shown.page.wait_for_timeout(200)
    seen = np.asarray(Image.open(io.BytesIO(cell.screenshot())).convert("RGB"))
    times = seen.shape[1] // 16
    wanted = noise[12:24].repeat(times, 0).repeat(times, 1)
    assert times > 4
    # The element may stand at half a pixel, and its screenshot then has a line more than it.
    assert any(np.array_equal(seen[y:, x:][: 12 * times, : 16 * times], wanted) for y in (0, 1) for x in (0, 1))
    shown.context.close()


def test_the_slider_moves_by_keyboard_and_changes_outputs_but_not_inputs(opened):
    page = opened.page
    before = backgrounds(page)
    slider = page.locator("#stepper input[type=range]")
    assert "step 750" in page.locator("#stepper .now").inner_text()
    slider.focus()
    page.keyboard.press("ArrowLeft")
    after = backgrounds(page)
    assert "step 625" in page.locator("#stepper .now").inner_text()
    assert after[0] == before[0] and after[1] != before[1]
    page.keyboard.press("Home")
    assert "step 125" in slider.get_attribute("aria-valuetext")
    page.get_by_role("button", name="Next step").first.click()
    assert "step 250" in slider.get_attribute("aria-valuetext")


def test_the_best_step_is_marked_and_one_click_away(opened):
    page = opened.page
    assert page.locator("#stepper .ticks .star").count() == 1
    page.locator("#stepper").get_by_role("button", name="best").click()
    assert page.locator("#stepper .now").inner_text() == "step 500, epoch 35.7", "the button beside it says that it is"
    assert page.locator("#stepper [aria-pressed=true]").inner_text() == "★ best"
    assert page.locator("#stepper input").get_attribute("aria-valuetext") == "step 500, epoch 35.7 ★ best"
    page.locator("#stepper").get_by_role("button", name="Next step").click()
    assert page.locator("#stepper [aria-pressed=true]").count() == 0


def test_cards_of_small_pictures_are_as_wide_as_their_pictures(opened):
    gaps = opened.page.evaluate(
        "[...document.querySelectorAll('.row')].map(e => e.clientWidth - e.querySelector('button').clientWidth)"
    )
    assert gaps and max(gaps) < 12


def test_the_signs_in_the_charts_are_explained(opened):
    said = opened.page.locator(".signs").inner_text().split("\n")
    assert said == ["★ best kid", "↻ resumed", "▲ a warning begins"]


WRITTEN = """
window.written = [];
const write = CanvasRenderingContext2D.prototype.fillText;
CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
  window.written.push([text, x, y, this.textAlign]);
  return write.apply(this, arguments);
};
"""


@pytest.fixture
def written(browser: Any, tmp_path: Path) -> Iterator[Any]:
    """A page of a run that was resumed at its best step; what its charts write is in `window.written`."""
    context = browser.new_context(**WIDE)
    context.add_init_script(WRITTEN)
    page = context.new_page()
    page.goto(write_report(write_run(tmp_path / "run", resumed=500)).as_uri())
    page.wait_for_selector(".uplot")
    yield page
    context.close()


def test_signs_at_one_step_do_not_lie_on_each_other(written):
    signs = written.evaluate("window.written.filter(each => '★↻▲'.includes(each[0]))")
    best, resumed = ({(x, y) for sign, x, y, _ in signs if sign == wanted} for wanted in "★↻")
    assert {x for x, _ in best} == {x for x, _ in resumed}, "the fixture has both at one step"
    assert all(abs(y - other) >= 12 for x, y in best for at, other in resumed if at == x)


def test_the_phases_stand_above_the_charts_as_well_when_zoomed(written):
    written.evaluate("window.written = []")
    written.get_by_role("button", name="Zoom in").click()
    written.wait_for_timeout(150)
    labels = written.evaluate("window.written.filter(each => each[0].startsWith('warm_up'))")
    assert labels and {label[3] for label in labels} == {"left"}


def test_a_chart_without_data_in_the_range_says_so(written):
    chart = written.locator(".chart", has=written.get_by_role("heading", name="generators"))
    assert "last values:" in chart.inner_text()
    for button in ("Zoom in", "Zoom in", "Earlier", "Earlier", "Earlier", "Earlier"):
        written.get_by_role("button", name=button).click()
    assert x_range(written) == "steps 94 to 281"
    assert chart.locator(".at").inner_text() == "nothing in this range"
    assert set(chart.locator(".keys b").all_inner_texts()) == {"–"}
    kid = written.locator(".chart", has=written.get_by_role("heading", name="kid"))
    assert kid.locator(".at").inner_text() == "last values in this range:"
    assert "untranslated 92.8" in kid.inner_text().replace("\n", " "), "a baseline runs through"


def test_play_runs_from_the_first_step_to_the_last_and_stops(opened):
    page = opened.page
    page.locator("#stepper").get_by_role("button", name="Play").click()
    assert "step 125" in page.locator("#stepper .now").inner_text()
    page.locator("#stepper").get_by_role("button", name="Play").wait_for(timeout=6000)
    assert "step 750" in page.locator("#stepper .now").inner_text()


def test_enlarging_by_keyboard_goes_between_pictures_and_steps_and_gives_the_focus_back(opened):
    page = opened.page
    button = page.locator("button.stages").nth(2)
    button.focus()
    page.keyboard.press("Enter")
    dialog = page.locator("dialog")
    assert dialog.is_visible() and dialog.locator("h2").inner_text() == HOSTILE[2]
    assert dialog.locator(".sprite").count() == 3
    page.keyboard.press("ArrowRight")
    assert "4 of 12" in dialog.locator(".title .small").inner_text()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert dialog.locator("h2").inner_text() == HOSTILE[1]
    page.keyboard.press("ArrowDown")
    assert "step 625" in dialog.locator(".now").inner_text()
    dialog.locator("input[type=range]").focus()
    page.keyboard.press("ArrowLeft")
    assert "step 500" in dialog.locator(".now").inner_text() and dialog.locator("h2").inner_text() == HOSTILE[1]
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == f"Enlarge {HOSTILE[2]}"
    assert "step 500" in page.locator("#stepper .now").inner_text(), "both sliders are one"


def test_dragging_zooms_all_charts_and_all_shows_all_again(opened):
    page = opened.page
    plot = page.locator(".u-over").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 60, steps=5)
    page.mouse.up()
    low, high = (float(word) for word in x_range(page).removeprefix("steps ").split(" to "))
    assert abs(low - 150) < 8 and abs(high - 450) < 8
    page.get_by_role("button", name="Later").click()
    assert float(x_range(page).split(" to ")[1]) > high + 50
    page.get_by_role("button", name="Show all").click()
    assert x_range(page) == ""


def test_charts_are_read_and_zoomed_by_keyboard(opened):
    page = opened.page
    plot = page.locator(".plot").first
    plot.focus()
    page.keyboard.press("Home")
    chart = page.locator(".chart").first
    assert chart.locator(".at").inner_text() == "step 1 · epoch 0.0714 · 0:01"
    page.keyboard.press("ArrowRight")
    assert chart.locator(".at").inner_text().startswith("step 10 ")
    assert (
        "drawn" in chart.locator("[aria-live]").inner_text() and "step 10" in chart.locator("[aria-live]").inner_text()
    )
    page.keyboard.press("+")
    assert x_range(page) != ""
    page.keyboard.press("0")
    assert x_range(page) == ""


def test_hovering_reads_the_values_of_the_log(opened):
    page = opened.page
    box = page.locator(".u-over").first.bounding_box()
    page.locator(".u-over").first.scroll_into_view_if_needed()
    box = page.locator(".u-over").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 30)
    chart = page.locator(".chart").first
    assert chart.locator(".at").inner_text().startswith("step 300 ")
    data = page.evaluate("toonforge.data('curves').groups[0].charts[0].series[0]")
    value = data["y"][data["x"].index(300)]
    assert chart.locator(".keys b").first.inner_text() == f"{value:.4g}"


def test_log_scale_axes_and_smoothing_redraw_the_charts(opened):
    page = opened.page
    canvas = page.locator(".chart canvas").first
    seen = [canvas.evaluate("e => e.toDataURL()")]
    for act in (
        lambda: page.get_by_label("log scale").check(),
        lambda: page.get_by_role("button", name="epochs").click(),
        lambda: page.get_by_role("button", name="time").click(),
        lambda: page.locator("label.slider input").evaluate(
            "e => { e.value = 5; e.dispatchEvent(new Event('input')); }"
        ),
    ):
        act()
        page.wait_for_timeout(100)
        seen.append(page.locator(".chart canvas").first.evaluate("e => e.toDataURL()"))
    assert len(set(seen)) == len(seen)
    assert "smoothed over 5 %" in page.locator("label.slider").inner_text()


def test_a_curve_is_hidden_and_shown_by_its_entry(opened):
    page = opened.page
    entry = page.locator(".chart .keys button").first
    canvas = page.locator(".chart canvas").first
    before = canvas.evaluate("e => e.toDataURL()")
    entry.click()
    assert entry.get_attribute("aria-pressed") == "false"
    page.wait_for_timeout(100)
    hidden = canvas.evaluate("e => e.toDataURL()")
    assert hidden != before
    entry.click()
    page.wait_for_timeout(100)
    assert canvas.evaluate("e => e.toDataURL()") != hidden and entry.get_attribute("aria-pressed") == "true"


def test_baselines_and_phases_are_there(opened):
    page = opened.page
    said = page.locator(".chart", has_text="kid").first.inner_text()
    assert "untranslated 92.8" in said.replace("\n", " ") and "plain cartoon filter 71" in said.replace("\n", " ")
    spans = page.evaluate("toonforge.data('curves').spans")
    assert [span["label"] for span in spans] == ["warm_up", "generators + discriminators (every 3 steps)"]


def test_two_fingers_zoom_on_a_telephone_and_one_moves(browser, report):
    shown = Opened(browser, report, **PHONE)
    page = shown.page
    plot = page.locator(".u-over").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    session = shown.context.new_cdp_session(page)

    def touch(kind: str, *places: float) -> None:
        points = [{"x": box["x"] + box["width"] * place, "y": box["y"] + 90, "id": i} for i, place in enumerate(places)]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", 0.4, 0.6)
    for i in range(1, 6):
        touch("touchMove", 0.4 - 0.04 * i, 0.6 + 0.04 * i)
    touch("touchEnd")
    low, high = (float(word) for word in x_range(page).removeprefix("steps ").split(" to "))
    assert abs(low - 250) < 15 and abs(high - 500) < 15, "what was between 0.4 and 0.6 lies between 0.2 and 0.8"
    touch("touchStart", 0.5)
    for i in range(1, 6):
        touch("touchMove", 0.5 - 0.04 * i)
    touch("touchEnd")
    assert float(x_range(page).split(" to ")[1]) > high + 20
    assert shown.wrong == []
    shown.context.close()


def test_everything_that_can_be_clicked_has_a_name_and_shows_its_focus(opened):
    page = opened.page
    nameless = page.evaluate(
        "[...document.querySelectorAll('button, input, [tabindex=\"0\"]')].filter(e => !(e.getAttribute('aria-label') || e.getAttribute('aria-labelledby') || e.textContent.trim() || e.closest('label') || e.tagName === 'PRE')).map(e => e.outerHTML)"
    )
    assert nameless == []
    page.locator("button.stages").first.focus()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


@pytest.mark.parametrize(
    "state",
    [
        {"grids": [], "measured": [], "warned": False},
        {"total": 1, "warned": False},
        {"done": 0, "grids": [], "measured": [], "warned": False, "end": None},
    ],
)
def test_pages_of_little_open_without_an_error(browser, tmp_path, state):
    shown = Opened.__new__(Opened)
    folder = write_run(tmp_path / "run", **state)
    context = browser.new_context(**WIDE)
    shown.page, wrong = context.new_page(), []
    shown.page.on("pageerror", lambda error: wrong.append(str(error)))
    shown.page.on("console", lambda message: wrong.append(message.text))
    shown.page.goto(write_report(folder).as_uri())
    shown.page.wait_for_timeout(200)
    assert wrong == []
    context.close()
