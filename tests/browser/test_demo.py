"""The page to try models on, driven in Chromium: upload, compare, settings, download, sizes, themes, what it asks of whom."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.demo_models import offered_models
from toonforge.use.demo import upload
from toonforge.use.demo.work import Offered

pytestmark = pytest.mark.browser
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "has_touch": True, "is_mobile": True}
WIDE = {"viewport": {"width": 1280, "height": 900}}
KNOWN = ("Method not implemented.",)
"""What Gradio itself writes to the console."""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Offered]:
    return offered_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def url(models: list[Offered]) -> Iterator[str]:
    pytest.importorskip("gradio")
    from toonforge.use.demo.server import serving

    with serving(models) as server:
        yield server.url


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dark to the left, light to the right."""
    path = tmp_path_factory.mktemp("pictures") / "Dark & light.png"
    values = np.tile(np.linspace(0, 255, 600).astype(np.uint8)[None, :, None], (400, 1, 3))
    Image.fromarray(values).save(path)
    return path


class Opened:
    """A page, and all that went wrong in it or was asked of others."""

    def __init__(self, browser: Any, url: str, **context: Any) -> None:
        self.context = browser.new_context(**{**WIDE, **context})
        self.page = self.context.new_page()
        self.wrong: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.wrong.append(message.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(url)
        self.page.wait_for_selector("#tf-photo input[type=file]", state="attached")

    def upload(self, path: Path, results: int = 2) -> None:
        self.page.set_input_files("#tf-photo input[type=file]", str(path))
        self.page.wait_for_function(f"document.querySelectorAll('.tf-compare').length === {results}")
        self.settled()

    def settled(self) -> None:
        self.page.wait_for_function(
            "!document.querySelector('.tf-model .generating, .tf-model .eta-bar, .tf-model .timer')"
        )
        self.page.wait_for_timeout(300)

    def at(self) -> list[str]:
        found: list[str] = self.page.eval_on_selector_all(".tf-range", "all => all.map(range => range.value)")
        return found

    def close(self, *also: str) -> None:
        strange = [text for text in self.wrong if not text.startswith((*KNOWN, *also))]
        self.context.close()
        assert strange == []


@pytest.fixture(params=["wide", "phone"])
def opened(request: pytest.FixtureRequest, browser: Any, url: str) -> Iterator[Opened]:
    shown = Opened(browser, url, **(PHONE if request.param == "phone" else WIDE))
    yield shown
    shown.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "context", [WIDE, PHONE, {"viewport": {"width": 360, "height": 700}}], ids=["wide", "phone", "narrow"]
)
def test_it_fits_follows_the_theme_and_asks_nobody_else(
    browser: Any, url: str, picture: Path, context: dict[str, Any], scheme: str
) -> None:
    shown = Opened(browser, url, **context, color_scheme=scheme)
    shown.upload(picture)
    page = shown.page
    assert {asked for asked in shown.asked if not asked.startswith((url, "blob:", "data:"))} == set()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == (
        "rgb(250, 249, 246)" if scheme == "light" else "rgb(23, 24, 27)"
    )
    wide = context["viewport"]["width"] > 1000
    left, right = (page.locator(".tf-both").nth(number).bounding_box() for number in (0, 1))
    assert (left["y"] == right["y"]) == wide, "side by side where there is room, else one below the other"
    choice = page.locator(".tf-model").first.get_by_label("photo", exact=True).bounding_box()
    assert choice["y"] > left["y"] + left["height"], "models with and without a choice begin at one height"
    assert page.title() == "Models side by side"
    shown.close()


def test_before_the_first_picture_it_says_what_to_do(opened: Opened) -> None:
    page = opened.page
    assert "Drop a photograph here" in page.locator("#tf-photo").inner_text()
    assert page.locator(".tf-empty").all_inner_texts() == ["The translation appears here."] * 2
    assert page.get_by_role("heading", level=1).inner_text() == "Models side by side"
    assert [each.split("step")[0].strip() for each in page.locator(".tf-model h2").all_inner_texts()] == [
        "negative",
        "half",
    ]
    assert page.locator(".tf-model button", has_text="Download").first.is_disabled()


def test_the_line_shows_the_photograph_to_its_left_and_the_translation_to_its_right(
    opened: Opened, picture: Path
) -> None:
    opened.upload(picture)
    both = opened.page.locator(".tf-both").first
    both.scroll_into_view_if_needed()
    for share in (0.25, 0.75):
        box = both.bounding_box()
        drag(opened, box["x"] + box["width"] / 2, box["x"] + box["width"] * share, box["y"] + box["height"] * 0.8)
        assert all(abs(float(value) - 100 * share) <= 1 for value in opened.at()), "every model's line moves with it"
        opened.page.mouse.move(0, 0)
        seen = np.asarray(Image.open(io.BytesIO(both.screenshot())).convert("L")).astype(int)
        row = seen[int(seen.shape[0] * 0.8)]
        for place in (0.1, 0.4, 0.6, 0.9):
            value = 255 * place if place < share else 255 * (1 - place)  # the first model makes negatives
            assert abs(row[int(place * len(row))] - value) < 8, (share, place)


def drag(opened: Opened, start: float, end: float, y: float) -> None:
    page = opened.page
    if page.evaluate("navigator.maxTouchPoints > 0"):
        fingers = opened.context.new_cdp_session(page)
        for kind, x in (
            ("touchStart", start),
            ("touchMove", (start + end) / 2),
            ("touchMove", end),
            ("touchEnd", None),
        ):
            points = [] if x is None else [{"x": x, "y": y}]
            fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    else:
        page.mouse.move(start, y)
        page.mouse.down()
        page.mouse.move(end, y, steps=4)
        page.mouse.up()


def test_the_line_is_reached_and_moved_by_the_keyboard(opened: Opened, picture: Path) -> None:
    opened.upload(picture)
    first = opened.page.locator(".tf-range").first
    first.focus()
    for _ in range(5):
        opened.page.keyboard.press("ArrowRight")
    assert opened.at() == ["55", "55"]
    assert first.get_attribute("aria-valuetext") == "55 % before"
    assert "Dark & light.png" in first.get_attribute("aria-label")
    opened.page.keyboard.press("Home")
    assert opened.at() == ["0", "0"]


def test_settings_stand_above_the_results_where_these_are_below_each_other(browser: Any, url: str) -> None:
    shown = Opened(browser, url, **PHONE)
    settings, results = (shown.page.locator(place).bounding_box() for place in ("#tf-settings", "#tf-right"))
    assert settings["y"] + settings["height"] <= results["y"]
    shown.close()


def test_strength_changes_the_translation_and_not_the_place_of_the_line(opened: Opened, picture: Path) -> None:
    opened.upload(picture)
    page = opened.page
    page.locator(".tf-range").first.focus()
    page.keyboard.press("Home")
    before = page.locator(".tf-after").first.get_attribute("src")
    slider = page.get_by_label("range slider for Strength")
    slider.focus()
    slider.press("Home")
    page.wait_for_function("before => document.querySelector('.tf-after').src !== before", arg=before)
    opened.settled()
    shown = page.locator(".tf-model").first
    assert shown.locator(".tf-after").get_attribute("src") == shown.locator(".tf-before").get_attribute("src")
    assert opened.at() == ["0", "0"]


def test_another_translation_can_be_chosen_for_each_model(opened: Opened, picture: Path) -> None:
    opened.upload(picture)
    page = opened.page
    page.locator(".tf-model").nth(1).get_by_label("photo", exact=True).check()
    page.wait_for_function("document.querySelectorAll('.tf-after')[1].alt.includes('to photo')")
    assert "to anime" in page.locator(".tf-after").first.get_attribute("alt")


def test_a_download_is_whole_and_has_the_uploads_name(opened: Opened, picture: Path) -> None:
    opened.upload(picture)
    with opened.page.expect_download() as download:
        opened.page.get_by_role("button", name="Download").or_(opened.page.locator("a[download]")).first.click()
    assert download.value.suggested_filename == "Dark_&_light-anime-negative.png"
    with Image.open(download.value.path()) as got, Image.open(picture) as given:
        assert np.array_equal(np.asarray(got), 255 - np.asarray(given))


def test_an_example_is_translated_at_a_click(opened: Opened) -> None:
    pytest.importorskip("toonforge_samples")
    page = opened.page
    examples = page.locator("#tf-examples button.gallery-item")
    examples.nth(5).wait_for()
    assert examples.count() == 6
    page.wait_for_function("[...document.querySelectorAll('.gallery-item img')].every(each => each.alt)")
    assert examples.nth(1).get_attribute("aria-label") == "goat"
    examples.nth(1).click()
    page.wait_for_selector(".tf-compare")
    assert page.locator("figcaption b").first.inner_text() == "goat.jpg"


def test_what_is_no_picture_is_told_on_the_page_and_runs_nothing(opened: Opened, tmp_path: Path) -> None:
    bad = tmp_path / "<img src=x onerror=document.title=1>.png"
    bad.write_bytes(b"no picture")
    page = opened.page
    page.set_input_files("#tf-photo input[type=file]", str(bad))
    page.wait_for_selector(".tf-failed")
    said = page.locator(".tf-failed").first.inner_text()
    assert "cannot be read as a picture" in said and "no picture of a known kind" in said
    assert "cannot be read as a picture" in page.locator(".toast-body").first.inner_text()
    assert "Traceback" not in page.content() and page.title() == "Models side by side"


def test_a_file_above_the_limit_is_told_with_the_limit(opened: Opened, tmp_path: Path) -> None:
    large = tmp_path / "large.jpg"
    with large.open("wb") as file:
        file.truncate(upload.MAX_BYTES + 2**20)
    opened.page.set_input_files("#tf-photo input[type=file]", str(large))
    opened.page.wait_for_selector(".toast-body")
    assert "64" in opened.page.locator(".toast-body").first.inner_text()
    assert opened.page.locator(".tf-compare").count() == 0


def test_after_a_mistake_the_next_picture_works(opened: Opened, picture: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    opened.page.set_input_files("#tf-photo input[type=file]", str(bad))
    opened.page.wait_for_selector(".tf-failed")
    opened.page.get_by_label("Remove Image").or_(opened.page.get_by_label("Clear")).first.click()
    opened.page.wait_for_selector("#tf-photo input[type=file]", state="attached")
    opened.upload(picture)
    assert opened.page.locator(".tf-failed").count() == 0
