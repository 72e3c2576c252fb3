"""Draws docs/images/demo.jpg: the page of `toonforge demo MODEL` with one of its examples, in Chromium.

python docs/demo_picture.py photo-to-cartoon
"""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from toonforge.use.demo.offered import offer
from toonforge.use.demo.server import serving

EXAMPLE = "goat"


def main(*models: str) -> None:
    """Write the picture, with these models."""
    path = Path(__file__).parent / "images" / "demo.jpg"
    with serving(offer(models)) as server, sync_playwright() as play:
        chromium = os.environ.get("CHROMIUM") or "/usr/bin/chromium"
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 850}, color_scheme="light")
        page.goto(server.url)
        page.locator("#tf-examples img").last.click()  # a first picture takes longer than those after it
        page.wait_for_selector(".tf-compare")
        page.wait_for_timeout(1000)
        page.locator(f"#tf-examples img[alt={EXAMPLE}]").click()
        page.wait_for_selector(f".tf-compare b:text('{EXAMPLE}.jpg')")
        page.mouse.move(0, 0)
        page.wait_for_timeout(2000)
        with Image.open(io.BytesIO(page.screenshot())) as shot:
            shot.convert("RGB").save(path, quality=85, optimize=True)
        browser.close()
    print(path, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
