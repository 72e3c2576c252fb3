"""The top-level command: knows its verbs by name, imports a verb's module only when it is invoked."""

from __future__ import annotations

import importlib
import keyword
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

VERBS: Mapping[str, str] = {
    "run": "Train a recipe.",
    "sweep": "Train a grid of overrides, and compare the runs.",
    "bench": "Measure how fast a recipe trains, and what would help.",
    "check": "Check recipes without training.",
    "list": "List components, recipes and models.",
    "show": "Explain a component or a recipe.",
    "data": "Make a data set of films and folders of pictures.",
    "translate": "Translate pictures with a trained run.",
    "demo": "Open a page to try models on.",
    "export": "Write a trained model as a file that stands alone.",
    "import": "Make a model of weights that other programs trained.",
    "evaluate": "Measure a trained run, or a folder of pictures.",
    "report": "Open the page of a run, or draw it anew.",
    "compare": "Set several runs side by side, in a page and a table.",
    "cp": "Copy a packaged recipe, to edit it.",
    "schema": "Write what editors need to help with recipes.",
    "plugins": "Tell what became of each plugin.",
    "plugin": "Write a plugin.",
    "doctor": "Tell what this machine has, lacks and gets wrong.",
    "completion": "Print what completes commands in your shell.",
}
"""Verb -> its line in `toonforge --help`, in the order shown. Each lives in the module of its name."""


def module_of(verb: str) -> str:
    """The name of a verb's module: dashes are underscores, and a keyword of Python's has one behind it."""
    name = verb.replace("-", "_")
    return f"{name}_" if keyword.iskeyword(name) else name


class LazyGroup(click.Group):
    """A group whose verbs are modules: each is imported only when it is invoked, and none for the group's help."""

    verbs: Mapping[str, str] = {}
    """Verb -> its line in the help, in the order shown."""
    package: str
    """Where the modules lie, each called as `module_of` says."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every verb."""
        return [*self.verbs]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one verb."""
        if cmd_name not in self.verbs:
            return None
        module = importlib.import_module(f"{self.package}.{module_of(cmd_name)}")
        command: click.Command = module.command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with a suggestion for an unknown verb."""
        if ctx.resilient_parsing:  # a shell completes: nothing is run, so nothing is refused
            return super().resolve_command(ctx, args)
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            hint = self.explain(args[0], ctx) or f"see: {ctx.command_path} --help"
            raise click.UsageError(f"no such command {args[0]!r}; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def explain(self, name: str, ctx: click.Context) -> str | None:
        """Why there is no such verb, as far as that is known."""
        from toonforge.names import did_you_mean

        return did_you_mean(name, self.list_commands(ctx))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Verbs with their lines, and options: no verb is imported for this."""
        from click.shell_completion import CompletionItem

        verbs = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        items = [CompletionItem(name, help=self.line(name)) for name in verbs]
        return [*items, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The verbs with one line each: no verb is imported for this."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self.line(name)) for name in self.list_commands(ctx)])

    def line(self, verb: str) -> str:
        """What the help says about a verb."""
        return self.verbs[verb]


class Verbs(LazyGroup):
    """The built-in verbs, then those of plugins."""

    verbs, package = VERBS, "toonforge.cli"

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every verb, built-in ones first."""
        return [*VERBS, *sorted(name for name in plugin_commands() if name not in VERBS)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one verb."""
        return super().get_command(ctx, cmd_name) or plugin_commands().get(cmd_name)

    def explain(self, name: str, ctx: click.Context) -> str | None:
        """A plugin is often called as its verb: why it is not there, or the nearest verb."""
        from toonforge.registries import plugins

        return plugins.left_out(name) or super().explain(name, ctx)

    def line(self, verb: str) -> str:
        """A built-in verb's line, or what a plugin's verb says about itself."""
        return VERBS[verb] if verb in VERBS else plugin_commands()[verb].get_short_help_str()


def plugin_commands() -> dict[str, click.Command]:
    """Verbs that plugins supply."""
    from toonforge.registries import plugins

    plugins.load()
    return {name: command for name, (command, _) in plugins.commands.items()}


def block_plugins(ctx: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Act on `-p no:NAME`, before anything looks a plugin up."""
    for value in values:
        if not value.startswith("no:") or not value[3:]:
            raise click.BadParameter(f"{value!r}: write no:NAME", ctx, parameter)
    if values:
        from toonforge import registries
        from toonforge.errors import PluginError
        from toonforge.plugins.loader import unknown_plugins

        names = [value[3:] for value in values]
        registries.block(names)
        registries.plugins.load()
        if problems := unknown_plugins(names, registries.plugins.records):
            raise PluginError(*problems)
    return values


def blockable(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """What a press of Tab offers behind -p."""
    from toonforge.cli import completing

    return completing.blockable(context, parameter, incomplete)


def show_version(ctx: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Print the version and leave."""
    if value and not ctx.resilient_parsing:
        from toonforge import __version__

        click.echo(f"toonforge {__version__}")
        ctx.exit()


@click.command(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Begin with:  toonforge list recipes",
)
@click.option(
    "-p",
    "plugins",
    metavar="no:NAME",
    multiple=True,
    is_eager=True,
    expose_value=False,
    callback=block_plugins,
    shell_complete=blockable,
    help="Do without the plugin NAME; may be repeated. Example: toonforge -p no:cartoongan list",
)
@click.option("--traceback", is_flag=True, expose_value=False, help="Print the traceback of a fault of ours.")
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=show_version, help="Print the version."
)
def toonforge() -> None:
    """Train picture-to-picture translators from recipes, and use them."""
