"""The command line reference, from the commands themselves.

Written from the parameters and not from `--help`, whose lines break at the width of a
terminal and differ between versions of click.
"""

import inspect
from collections.abc import Iterator

import click

from kingpost.cli.main import command_line
from tools.reference.markdown import code, page, table

__all__ = ["describe_commands", "describe_group"]

_ABOUT = """\
Global options stand before the command: `kingpost --data-dir data run app.py`. Every command that prints a result takes
`--json` for one JSON object on standard output; progress and messages go to standard error. Code 0 is success, 1 an
error of Kingpost's (`error [code]: …`, see [errors.md](errors.md)) or a comparison that found a difference, 2 a wrong
call. What an installation chooses once stands in [settings.md](settings.md)."""


def describe_commands() -> str:
    """Return the page."""
    return page("Command line", _ABOUT, describe_group(command_line, "kingpost"))


def describe_group(group: click.Group, name: str) -> str:
    """Describe a command that has commands below it, and all of these."""
    return "\n\n".join([_own(group, name), *_below(group, 2, name)])


def _below(group: click.Group, level: int, above: str) -> Iterator[str]:
    context = click.Context(group, info_name=above)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        path = f"{above} {name}"
        yield f"{'#' * level} {path}"
        yield _own(command, path)
        if isinstance(command, click.Group):
            yield from _below(command, level + 1, path)


def _own(command: click.Command, name: str) -> str:
    context = click.Context(command, info_name=name)
    usage = " ".join((name, *command.collect_usage_pieces(context)))
    text = inspect.cleandoc(command.help or "").replace("\b\n", "")
    shown = (each for each in command.params if isinstance(each, click.Option) and not each.hidden)
    options = table(["option", "meaning"], (_option(each, context) for each in shown))
    return "\n\n".join(part for part in (f"```\n{usage}\n```", text, options) if part)


def _option(option: click.Option, context: click.Context) -> tuple[str, str]:
    names = ", ".join((*option.opts, *option.secondary_opts))
    written = names if option.is_flag else f"{names} {option.make_metavar(context)}"
    notes: list[str] = []
    if option.required:
        notes.append("Required.")
    elif option.show_default and option.default is not None:
        notes.append(f"Default: {code(str(option.default))}.")
    if option.multiple:
        notes.append("May be given several times.")
    return code(written), " ".join([option.help or "", *notes]).strip()
