"""The page of a comparison, driven in Chromium: slider, enlarged view, curves, sizes and themes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.compared_runs import make, metrics
from tests.run_fixture import HOSTILE
from toonforge.report.comparison import compare

pytestmark = pytest.mark.browser
SIZES = {"phone": (390, 844), "desktop": (1280, 900)}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("compare")
    narrow = make(place / "narrow", names=HOSTILE, warned=True)
    wide = make(place / "wide", names=HOSTILE, recipe=("width = 16", "width = 32"), change=metrics(kid=-10))
    long = make(place / "a_run_with_a_name_much_longer_than_a_column_is_wide", names=HOSTILE)
    return compare([narrow, wide, long], place / "out").page


@pytest.fixture(params=[(size, scheme) for size in SIZES for scheme in ("light", "dark")], ids="-".join)
def page(request: pytest.FixtureRequest, browser: Any, path: Path) -> Iterator[Any]:
    size, scheme = request.param
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    opened, wrong, asked = context.new_page(), list[str](), list[str]()
    opened.on("console", lambda message: wrong.append(message.text))
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("request", lambda one: asked.append(one.url))
    opened.goto(path.as_uri())
    opened.wait_for_selector(".uplot")
    yield opened
    assert wrong == [] and opened.title() == "narrow, wide and a_run_with_a_name_much_long…: runs compared"
    assert all(url == path.as_uri() or url.startswith(("data:", "blob:")) for url in asked)
    context.close()


def shown(page: Any) -> list[str]:
    """What the cells of the first row show: a picture and a place in it each."""
    script = "cells => cells.slice(0, 4).map(c => c.style.backgroundImage + c.style.backgroundPosition)"
    found: list[str] = page.eval_on_selector_all(".sides .sprite", script)
    return found


def test_it_fits_and_every_run_has_a_column_of_pictures(page: Any) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator(".sides").first.locator(".word:not(.plain)").count() == 3
    assert page.locator(".sides").first.locator("button").count() == len(HOSTILE)
    page.wait_for_function("document.querySelectorAll('.sprite.none').length === 0")
    last = page.locator(".results .first").first  # the best of the runs, within the error of the filter
    assert last.inner_text().startswith("72") and "within the error of filter" in last.inner_text()
    assert page.locator(".results .best").first.inner_text().startswith("58.33")


def test_the_slider_changes_all_runs_and_not_the_input(page: Any) -> None:
    page.wait_for_function("document.querySelectorAll('.sides .sprite.none').length === 0")
    slider = page.locator("#steps input[type=range]")
    assert slider.get_attribute("aria-valuetext") == "step 60, the last"
    before = shown(page)
    slider.focus()
    page.keyboard.press("Home")
    assert slider.get_attribute("aria-valuetext") == "step 20"
    page.wait_for_timeout(200)
    after = shown(page)
    assert after[0] == before[0] and all(a != b for a, b in zip(after[1:], before[1:]))


def test_pictures_grow_to_the_room(page: Any) -> None:
    wide = page.evaluate("innerWidth") > 1000
    for sides in page.locator(".sides").all():
        width = sides.locator(".sprite").first.bounding_box()["width"]
        # Three runs, the input and what is shown besides: most of the page's width, and no scrolling on a desktop.
        assert not wide or sides.evaluate("s => s.parentElement.scrollWidth <= s.parentElement.clientWidth")
        assert not wide or width * sides.locator(".word").count() > 0.75 * sides.evaluate("s => s.clientWidth")
        assert width == int(width) and width >= 104


def test_a_table_wider_than_the_page_says_so(page: Any) -> None:
    wider = page.evaluate(
        "document.querySelector('.shaded').scrollWidth > document.querySelector('.shaded').clientWidth + 1"
    )
    assert page.locator("#sideways").is_visible() == wider


def test_a_picture_opens_large_with_every_run_beside_it_and_closes_where_it_was(page: Any) -> None:
    page.locator(".sides button").nth(1).click()
    dialog = page.locator("dialog[open]")
    assert dialog.locator(".stage").count() == 4
    assert HOSTILE[1][:8] in dialog.locator("h2").inner_text()
    page.keyboard.press("ArrowRight")
    assert HOSTILE[2][:8] in dialog.locator("h2").inner_text()
    page.keyboard.press("Escape")
    assert page.locator("dialog[open]").count() == 0
    assert page.evaluate("document.activeElement.closest('.sides') !== null")


def test_the_charts_show_every_run_and_change_their_axis(page: Any) -> None:
    chart = page.locator(".chart").first
    assert chart.locator("h3").inner_text() == "kid"
    assert chart.locator(".keys button").count() == 4  # three runs, and the untranslated pictures
    page.get_by_role("button", name="steps", exact=True).click()
    chart.locator(".plot").focus()
    page.keyboard.press("End")
    assert "step 60" in chart.locator(".at").inner_text() or "steps 60" in chart.locator(".at").inner_text()
