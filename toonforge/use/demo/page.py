"""The page itself, of Gradio's parts; what they do is done by `toonforge.use.demo.work`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from toonforge.errors import ToonforgeError
from toonforge.use.demo.about import about, headline
from toonforge.use.demo.compare import asset, compared, empty, failed
from toonforge.use.demo.examples import example_pictures
from toonforge.use.demo.room import KEPT_SECONDS, Closed, Room
from toonforge.use.demo.settings import as_domain, as_look
from toonforge.use.demo.upload import MAX_BYTES, plain_name, read_upload
from toonforge.use.demo.work import Made, Offered, download_name, make

WAITING = "The translation appears here."
OURS = "Something went wrong here, not with your picture. The terminal says what."
MOST_WAITING = 20
"""So many may wait; whoever comes then is told to come back."""

log = logging.getLogger("toonforge.demo")


def launch_options() -> dict[str, Any]:
    """What `Blocks.launch` is given so that the page looks as it should and loads nothing from outside."""
    fonts = [gr.themes.Font(name) for name in ("system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif")]
    mono = [gr.themes.Font(name) for name in ("ui-monospace", "Menlo", "Consolas", "monospace")]
    theme = gr.themes.Default(primary_hue="blue", neutral_hue="stone", font=fonts, font_mono=mono).set(
        body_background_fill="#faf9f6",
        body_background_fill_dark="#17181b",
        body_text_color="#26262a",
        body_text_color_dark="#e7e5e0",
        block_background_fill="#fff",
        block_background_fill_dark="#202226",
        border_color_primary="#dedbd2",
        border_color_primary_dark="#3a3c42",
        button_primary_background_fill="#1f5fa8",
        button_primary_background_fill_hover="#184c87",
        button_primary_background_fill_dark="#1f5fa8",
        slider_color="#1f5fa8",
        slider_color_dark="#8ebcf2",
    )
    return {
        "theme": theme,
        "css": asset("demo.css"),
        "head": f"<script>{asset('compare.js')}</script>",
        "max_file_size": MAX_BYTES,
        "footer_links": [],
    }


def build_page(models: Sequence[Offered], room: Room) -> gr.Blocks:
    """The page of some models."""
    title, sentence = headline(models)
    page: gr.Blocks = gr.Blocks(title=title, analytics_enabled=False, delete_cache=(300, KEPT_SECONDS))
    with page:
        gr.HTML(f'<div class="tf-head"><h1>{escape(title)}</h1><p>{escape(sentence)}</p></div>')
        with gr.Row(elem_id="tf-work"):
            with gr.Column(elem_id="tf-left"):
                photo = gr.Image(
                    label="Photograph",
                    placeholder="Drop a photograph here\nor click to choose one",
                    sources=["upload", "clipboard"],
                    type="filepath",
                    image_mode=None,
                    height=260,
                    buttons=[],
                    elem_id="tf-photo",
                )
                if examples := example_pictures():
                    given = gr.Examples(
                        [[str(path)] for path in examples], photo, label="Or try one of these", elem_id="tf-examples"
                    )
                    given.dataset.preprocess = one_of(len(examples), given.dataset.preprocess)
                with gr.Column(elem_id="tf-settings"):
                    strength = gr.Slider(0, 1, 1, step=0.05, label="Strength", info="0 is the photograph as it was")
                    smooth = gr.Slider(0, 1, 0, step=0.05, label="Smoothing", info="evens out flat areas")
                    keep_color = gr.Checkbox(False, label="Keep the photograph's colours")
            with gr.Column(elem_id="tf-right"), gr.Row(elem_classes="tf-models"):
                parts = [_model(offered, alone=len(models) == 1) for offered in models]
        with gr.Accordion("About " + ("this model" if len(models) == 1 else "these models"), open=False):
            gr.HTML(about(models))
        domains = [domain for _, _, domain in parts]
        gr.on(
            [photo.change, strength.change, smooth.change, keep_color.input, *(domain.input for domain in domains)],
            translating(models, room),
            [photo, strength, smooth, keep_color, *domains],
            [part for view, button, _ in parts for part in (view, button)],
            preprocess=False,
            trigger_mode="always_last",
            concurrency_limit=1,
            concurrency_id="device",
            show_progress="full",
            api_visibility="private",
        )
    room.keep()  # the examples
    page.queue(max_size=MOST_WAITING, default_concurrency_limit=1, api_open=False)
    return page


def _model(offered: Offered, alone: bool) -> tuple[gr.HTML, gr.DownloadButton, gr.Radio]:
    step = f"<small>step {offered.model.step:,}</small>" if offered.model.step is not None else ""
    domains = list(offered.model.translations)
    with gr.Column(elem_classes="tf-model"):
        gr.HTML(f"<h2>{escape(offered.label)}{step}</h2>", visible=not alone)
        view = gr.HTML(empty(WAITING))  # first, so that pictures side by side begin at one height
        domain = gr.Radio(domains, value=domains[0], label="Translate to", visible=len(domains) > 1)
        button = gr.DownloadButton("Download", variant="primary", interactive=False)
    return view, button, domain


def one_of(count: int, chosen: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Checks which example is asked for before Gradio looks for it: anybody can send anything."""

    def checked(number: Any) -> Any:
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < count:
            raise _shown([f"there is no example {number!r:.60}", f"Expected: 0 to {count - 1}"])
        return chosen(number)

    return checked


def translating(models: Sequence[Offered], room: Room) -> Callable[..., Iterator[list[Any]]]:
    """What happens when a picture is there or a setting changes: one model after another, shown as each is done."""

    def translate(photo: Any, strength: object, smooth: object, keep_color: object, *domains: object) -> Iterator[Any]:
        room.sweep()
        if photo is None:
            yield [part for _ in models for part in (empty(WAITING), _no_download())]
            return
        try:
            path, name = _uploaded(photo)
            look = as_look(strength, keep_color, smooth)
            chosen = [as_domain(domain, offered.model.translations) for offered, domain in zip(models, domains)]
            original = read_upload(path, name)
        except ToonforgeError as error:
            yield [part for _ in models for part in (failed(_said(error)), _no_download())]
            raise _shown(_said(error)) from None
        shown: list[Any] = [gr.skip() for _ in models for _ in range(2)]
        wrong: list[str] = []
        for number, (offered, to) in enumerate(zip(models, chosen)):
            try:
                file = download_name(name, to, offered.label if len(models) > 1 else "")
                made = make(offered, room, original, file, to, look)
            except Closed:
                return
            except Exception as error:
                if not isinstance(error, ToonforgeError):
                    log.exception("%s could not translate %s", offered.label, plain_name(name))
                wrong = _said(error) if isinstance(error, ToonforgeError) else [OURS]
                shown[2 * number : 2 * number + 2] = [failed(wrong), _no_download()]
            else:
                shown[2 * number : 2 * number + 2] = [compared(made, offered, to, plain_name(name)), _download(made)]
            yield shown
        if wrong:
            raise _shown(wrong)

    return translate


def _no_download() -> gr.DownloadButton:
    return gr.DownloadButton("Download", value=None, interactive=False)


def _download(made: Made) -> gr.DownloadButton:
    size = made.file.stat().st_size
    many = f"{size / 2**20:.1f} MB" if size >= 2**20 else f"{max(1, size // 1024)} kB"
    return gr.DownloadButton(f"Download ({many})", value=str(made.file), interactive=True)


def _uploaded(photo: Any) -> tuple[Path, str]:
    """Where an upload lies, which Gradio has found to be in its folder, and what it was called."""
    said = photo if isinstance(photo, dict) else photo.model_dump()
    path, name = said.get("path"), said.get("orig_name")
    if not isinstance(path, str) or not path:
        raise ToonforgeError("there is no picture in this request")
    return Path(path), name if isinstance(name, str) and name else Path(path).name


def _said(error: ToonforgeError) -> list[str]:
    """What is wrong, a line each."""
    problem = error.problems[0]
    parts = {"Found: ": problem.found, "Expected: ": problem.expected, "": problem.hint}
    return [problem.message, *(f"{before}{value}" for before, value in parts.items() if value)]


def _shown(lines: Sequence[str]) -> gr.Error:
    """An error as Gradio shows it, where texts are HTML."""
    first, *rest = map(escape, lines)
    return gr.Error("<br>".join([f"<b>{first}</b>", *rest]), duration=None, print_exception=False)
