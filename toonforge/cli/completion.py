"""`toonforge completion`: commands, components, recipes and runs at a press of Tab."""

from __future__ import annotations

import click

from toonforge.cli.shells import SHELLS, script
from toonforge.cli.text import echo

PLACES = {
    "bash": "~/.local/share/bash-completion/completions/toonforge",
    "zsh": "~/.zfunc/_toonforge",
    "fish": "~/.config/fish/completions/toonforge.fish",
}
"""Where each shell looks for what completes a command, when that is first typed."""


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print what completes toonforge's commands in SHELL: bash (4.4 or later), zsh or fish.

    A press of Tab then offers commands and options, components, recipes, models and runs. It is printed, for you to put
    where the shell looks for it, once; a new shell knows it. For zsh ~/.zshrc must have, above compinit:
    fpath+=~/.zfunc

    \b
    Examples:
      toonforge completion bash > ~/.local/share/bash-completion/completions/toonforge
      toonforge completion zsh > ~/.zfunc/_toonforge
      toonforge completion fish > ~/.config/fish/completions/toonforge.fish
      eval "$(toonforge completion bash)"        # in this shell alone
    """
    from toonforge.cli.group import toonforge

    echo(script(toonforge, shell).rstrip("\n"))
