"""The site of the docs, driven in Chromium: from the disk and from a server, searched, in light and dark, on a phone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.site_pages import built_once

pytestmark = pytest.mark.browser
KINDS = ("index", "gallery", "tutorial", "how-to/translate", "reference/command-line", "reference/api/runs")


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None: ...


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    return built_once(tmp_path_factory.getbasetemp(), worker_id)


@pytest.fixture(scope="module")
def served(site: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(params=["disk", "server"])
def address(request: pytest.FixtureRequest, site: Path, served: str) -> str:
    return site.as_uri() if request.param == "disk" else served


class Opened:
    """A page, and all that went wrong in it or was asked of others."""

    def __init__(self, browser: Any, address: str, name: str, *, width: int = 1280, scheme: str = "light") -> None:
        self.page = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme).new_page()
        self.wrong: list[str] = []
        self.page.on("console", lambda message: self.wrong.append(message.text))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", lambda request: self.ask(request.url, address))
        self.page.goto(f"{address}/{name}.html")
        self.page.wait_for_load_state("load")

    def ask(self, url: str, address: str) -> None:
        if not url.startswith((address, "data:", "blob:", "about:")):
            self.wrong.append(url)

    def background(self) -> int:
        """How light the page is, 0 to 255."""
        colour = self.page.evaluate("getComputedStyle(document.body).backgroundColor")
        return int(colour.partition("(")[2].partition(",")[0])


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", KINDS)
def test_pages_fit_the_screen_and_follow_the_systems_colours(
    browser: Any, site: Path, name: str, width: int, scheme: str
) -> None:
    opened = Opened(browser, site.as_uri(), name, width=width, scheme=scheme)
    assert opened.wrong == []
    assert opened.page.evaluate("document.documentElement.scrollWidth") == width
    assert (opened.background() > 127) == (scheme == "light")
    unseen = "[...document.images].filter(each => each.complete && !each.naturalWidth).length"
    assert opened.page.evaluate(unseen) == 0
    opened.page.context.close()


def ask(opened: Opened, words: str) -> None:
    """Type into the search; it listens to keys."""
    field = opened.page.locator("input.md-search__input")
    field.click()
    field.fill("")
    field.press_sequentially(words)


def test_the_search_finds_and_goes_there(browser: Any, address: str) -> None:
    opened = Opened(browser, address, "index")
    ask(opened, "spectral norm")
    found = opened.page.locator(".md-search-result__link")
    found.first.wait_for(state="visible")
    assert "spectral" in opened.page.locator(".md-search-result__list").inner_text().lower()
    found.first.click()
    opened.page.wait_for_url("**/*.html*")
    assert "spectral" in opened.page.locator("article").inner_text().lower()
    assert opened.wrong == []
    opened.page.context.close()


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ("cyclegan/unet", "generators"),
        ("PatchGANConfig", "networks"),
        ("write_report", "recipes and runs"),
        ("out of memory", "make training faster, or fit it into memory"),
        ("resume", "resume a run"),
        ("write a loss", "write a loss"),
        ("own pictures", "train on your own pictures"),
        ("several GPUs", "use several gpus, or several processes"),
        ("ONNX", "export a model"),
        ("learning rate decay", "schedules"),
        ("spectral norm", "discriminators"),
        ("early stopping", "watch a run"),
        ("install", "toonforge"),
        ("license", "license"),
    ],
)
def test_the_search_offers_first_the_page_that_explains_a_name_or_says_what_to_do(
    browser: Any, site: Path, asked: str, wanted: str
) -> None:
    opened = Opened(browser, site.as_uri(), "index")
    ask(opened, asked)
    first = opened.page.locator(".md-search-result__item h1").first
    first.wait_for(state="visible")
    assert first.inner_text().lower() == wanted
    opened.page.context.close()


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ("toonforge.run", "recipes and runs"),
        ("toonforge.load", "trained models"),
        ("toonforge.evaluate", "trained models"),
        ("dropout", "generators"),
    ],
)
def test_the_search_offers_the_page_of_a_name_of_python_or_a_word_of_the_field_among_the_first_four(
    browser: Any, site: Path, asked: str, wanted: str
) -> None:
    opened = Opened(browser, site.as_uri(), "index")
    ask(opened, asked)
    pages = opened.page.locator(".md-search-result__item h1")
    pages.first.wait_for(state="visible")
    found = [text.lower() for text in pages.all_inner_texts()]
    assert wanted in found[:4], found
    opened.page.context.close()


def test_light_and_dark_are_chosen_by_hand_too_and_stay(browser: Any, served: str) -> None:
    opened = Opened(browser, served, "index", scheme="dark")
    assert opened.background() < 128
    opened.page.locator("form[data-md-component=palette] label:visible").click()
    opened.page.wait_for_function("document.body.dataset.mdColorScheme === 'default'")
    opened.page.goto(f"{served}/gallery.html")
    assert opened.background() > 127
    opened.page.context.close()


def test_a_page_is_reached_by_the_keyboard_and_by_a_phones_drawer(browser: Any, site: Path) -> None:
    opened = Opened(browser, site.as_uri(), "index", width=390)
    opened.page.locator("label.md-header__button[for=__drawer]").click()
    opened.page.locator(".md-nav--primary >> text=Gallery").first.click()
    opened.page.wait_for_url("**/gallery.html")
    opened.page.keyboard.press("/")
    assert opened.page.evaluate("document.activeElement.className").startswith("md-search__input")
    assert opened.wrong == []
    opened.page.context.close()
