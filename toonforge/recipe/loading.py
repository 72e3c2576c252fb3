"""From what a user names (a file, a packaged recipe) to a checked `Recipe`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import attrs

from toonforge.deprecation import warn_of
from toonforge.errors import Problem, RecipeError, UnknownNameError
from toonforge.names import did_you_mean
from toonforge.recipe.check import check
from toonforge.recipe.compose import compose, read_file
from toonforge.recipe.model import Recipe
from toonforge.recipe.outdated import outdated
from toonforge.recipe.structure import structure
from toonforge.registries import plugins, recipes


@attrs.frozen
class Source:
    """A recipe file that exists.

    Attributes:
        path: the file.
        name: what to call it in messages: the path as given, or "plugin/recipe".
    """

    path: Path
    name: str


def find(source: str | os.PathLike[str]) -> Source:
    """The file that a user means: a path, or a packaged recipe's name; raises `RecipeError`.

    Examples:
        >>> from toonforge.recipe import Source, find
        >>> found: Source = find("cyclegan/cyclegan")
        >>> found.path.name, found.name
        ('cyclegan.toml', 'cyclegan/cyclegan')
    """
    text = os.fspath(source)
    path = Path(text)
    try:
        is_file, is_folder = path.is_file(), path.is_dir()
    except (OSError, ValueError) as error:
        raise RecipeError(Problem(message=f"not a path: {error}", found=text[:80])) from None
    if is_file:
        return Source(path, text)
    if text in recipes:
        return Source(Path(recipes[text]), text)  # type: ignore[arg-type]
    expected = "a TOML file, or a packaged recipe such as " + (next(iter(recipes), "plugin/recipe"))
    if is_folder:
        near = sorted(path.glob("*.toml"))
        content = f"there are {', '.join(map(str, near[:5]))}" if near else "no recipe lies in it"
        if (path / "resolved.toml").is_file():
            content = f"it is a run's folder: its recipe is {path / 'resolved.toml'}"
        raise RecipeError(Problem(message=f"{text} is a folder", expected=expected, hint=content))
    folder = path.parent
    near = sorted(folder.glob("*.toml")) if folder.is_dir() else []
    hint = did_you_mean(text, map(str, near)) or did_you_mean(path.stem, [file.stem for file in near])
    if path.suffix == ".toml":
        missing = "there is no such file" if folder.is_dir() else f"there is no folder {folder}"
        hint = hint or f"{missing}; for packaged recipes, see: toonforge list recipes"
    try:
        recipes[text]
    except UnknownNameError as error:
        if hint is None and plugins.refusal(text) is not None:
            raise RecipeError(*error.problems) from None
        hint = hint or error.problems[0].hint
    raise RecipeError(Problem(message=f"no recipe {text!r}", expected=expected, hint=hint))


def load(source: str | os.PathLike[str], overrides: Sequence[str] = ()) -> Recipe:
    """The checked recipe of a file or packaged recipe; raises `RecipeError` with every problem found.

    Args:
        source: a path, or "plugin/recipe".
        overrides: "path=value" texts as given to `--set`; the value is TOML.

    Examples:
        >>> import toonforge
        >>> recipe: toonforge.Recipe = toonforge.load_recipe("small.toml", ["train.steps=5"])
        >>> recipe.train.steps, list(recipe.generators), str(recipe.translations["drawing"])
        (5, ['G'], 'G(photo)')
        >>> toonforge.load_recipe("small.toml", ["train.stepps=5"])
        Traceback (most recent call last):
        toonforge.errors.RecipeError: --set: train.stepps: unknown path
        ...
    """
    found = find(source)
    return _checked(read_file(found.path), found.name, found.path.parent, found.path, overrides)


def loads(text: str | bytes, name: str = "recipe", overrides: Sequence[str] = ()) -> Recipe:
    """The checked recipe of a text; a relative `extends` starts at the current folder.

    Examples:
        >>> from toonforge.recipe import loads
        >>> loads('extends = "cyclegan/cyclegan"', overrides=["train.batch_size=4"]).train.batch_size
        4
    """
    raw = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    return _checked(raw, name, Path(), None, overrides)


def _checked(raw: bytes, name: str, folder: Path, path: Path | None, overrides: Sequence[str]) -> Recipe:
    root = compose(raw, name, folder, path, overrides)
    recipe = structure(root)
    for problem in outdated(recipe, root):
        warn_of(problem)
    return check(recipe, root)
