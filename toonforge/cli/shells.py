"""What a shell runs to complete a command, and the answer it gets.

Click's own script for bash takes the words as bash cuts them, at colons too, which `-p no:NAME` has. Ours hands over
the line, quotes what bash would act on (a file may be called $(rm x)), and of an answer leaves out what bash leaves
standing. Of Click's script for zsh a single line is another: put
where zsh looks for functions, that would not answer when it is asked for the second time. That for fish is Click's.
"""

from __future__ import annotations

import os
from contextlib import redirect_stderr, suppress

import click
from click.shell_completion import (
    BashComplete,
    ZshComplete,
    add_completion_class,
    get_completion_class,
    split_arg_string,
)

VARIABLE = "_TOONFORGE_COMPLETE"
"""What the shell sets, to "bash_complete" for instance, to ask for an answer in place of running the command."""
SHELLS = ("bash", "zsh", "fish")

_BASH = r"""%(complete_func)s() {
    local line="${COMP_LINE:0:$COMP_POINT}" kind value word marks cut="" home
    word="${line##*[[:space:]]}"
    marks="${COMP_WORDBREAKS//[^=:]/}"
    [[ $marks ]] && cut="${word%%"${word##*[$marks]}"}"
    COMPREPLY=()
    while IFS=, read -r kind value; do
        case $kind in
            dir) compopt -o dirnames ;;
            file) compopt -o default ;;
            plain)
                [[ $value == */ ]] && compopt -o nospace
                if [[ $value == *[!A-Za-z0-9_./:=,@%%+~-]* ]]; then
                    home=""
                    [[ $value == "~/"* ]] && home="~/"
                    printf -v value %%q "${value#"$home"}"
                    value="$home$value"
                fi
                COMPREPLY+=("${value#"$cut"}")
                ;;
        esac
    done < <(TOONFORGE_LINE="$line" %(complete_var)s=bash_complete "$1" 2>/dev/null)
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class Bash(BashComplete):
    """Bash 4.4 and later."""

    source_template = _BASH

    def get_completion_args(self) -> tuple[list[str], str]:
        """The whole words before the cursor, and the one that it is in."""
        line = os.environ.get("TOONFORGE_LINE", "")
        words = split_arg_string(line)[1:]
        return (words, "") if not words or line[-1:].isspace() else (words[:-1], words[-1])


class Zsh(ZshComplete):
    """Zsh, by `eval` or as a function of its own, which is the whole script: the second time, too."""

    source_template = ZshComplete.source_template.replace(
        "$zsh_eval_context[-1] == loadautofunc", "$funcstack[1] == _%(prog_name)s"
    )


def answer(group: click.Group, instruction: str) -> int:
    """Print what a shell asked for. Whatever goes wrong goes unsaid: it would be in the middle of a command."""
    action, shell = instruction.rpartition("_")[2], instruction.partition("_")[0]
    with open(os.devnull, "w") as nowhere, redirect_stderr(nowhere), suppress(Exception):
        if action == "source":
            click.echo(script(group, shell))
            return 0
        _add()
        complete = get_completion_class(shell)
        if complete is not None:
            offered = complete(group, {"obj": []}, "toonforge", VARIABLE).complete()
            click.echo(offered, nl=bool(offered))
            return 0
    return 1


def script(group: click.Group, shell: str) -> str:
    """What a shell reads once to complete commands from then on."""
    _add()
    complete = get_completion_class(shell)
    if complete is None:
        raise click.UsageError(f"no shell {shell!r}; there are {', '.join(SHELLS)}")
    return complete(group, {}, "toonforge", VARIABLE).source()


def _add() -> None:
    """Have Click know our shells in place of its own."""
    add_completion_class(Bash)
    add_completion_class(Zsh)
