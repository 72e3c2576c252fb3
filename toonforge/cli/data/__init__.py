"""`toonforge data`: from films and folders of pictures to a data set. Each verb lives in the module of its name."""

from __future__ import annotations

from collections.abc import Mapping

import click

from toonforge.cli.group import LazyGroup

VERBS: Mapping[str, str] = {
    "inspect": "Look through folders of pictures: a report and a contact sheet.",
    "frames": "Take pictures out of films.",
    "filter": "Sort out pictures that training suffers from.",
    "dedupe": "Sort out near-duplicates.",
    "cartoonize": "Make cartoons of photographs with a picture filter.",
    "smooth-edges": "Make companions of cartoons with blurred edges.",
    "pair": "Bring two folders together by file name.",
    "split": "Part a folder into training, validation and test pictures.",
}
"""Verb -> its line in `toonforge data --help`, in the order in which one uses them."""


class DataVerbs(LazyGroup):
    """The verbs that prepare data."""

    verbs, package = VERBS, "toonforge.cli.data"


@click.group(cls=DataVerbs)
def command() -> None:
    """Make a data set of films and folders of pictures.

    Nothing in the folders that are read is changed. Each verb writes pictures into a folder of its own, with a
    manifest.csv that says what became of every file and why; run again, it goes on where it was stopped.
    """
