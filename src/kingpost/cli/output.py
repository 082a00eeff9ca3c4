"""What commands print: one JSON object or a few lines, and progress on standard error."""

import sys
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol, cast

import click
import msgspec

__all__ = ["Progress", "print_lines", "print_result", "printable", "progress"]


class Progress(Protocol):
    """Told how much is done, of how much (None when not known) and of which stage."""

    def __call__(self, done: int, total: int | None = None, stage: str | None = None) -> None:
        """Show it."""
        ...


def printable(text: str) -> str:
    """Write what came from outside so that it moves no cursor and begins no line."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def print_result(result: Mapping[str, object], *, as_json: bool) -> None:
    """Print the result of a command: a JSON object, or a line per fact."""
    if as_json:
        click.echo(msgspec.json.encode(result).decode())
        return
    width = max((len(name) for name in result), default=0)
    for name, value in result.items():
        label = name.replace("_", " ").ljust(width)
        if isinstance(value, float):
            click.echo(f"{label}  {value:,.4g}" if value < 1000 else f"{label}  {value:,.0f}")
        elif isinstance(value, int) and not isinstance(value, bool):
            click.echo(f"{label}  {value:,}")
        elif isinstance(value, list | tuple):
            items = cast("Sequence[object]", value)
            click.echo(f"{label}  {len(items)}")
            for item in items:
                click.echo(f"  {printable(item if isinstance(item, str) else _line(item))}")
        else:
            click.echo(f"{label}  {printable(str(value))}")


def print_lines(rows: Iterable[Sequence[object]], *, nothing: str) -> None:
    """Print a line per row, `-` where there is no value, or that there are none."""
    is_empty = True
    for row in rows:
        is_empty = False
        shown = ("-" if value is None or value == "" else str(value) for value in row)
        click.echo(printable("  ".join(shown)))
    if is_empty:
        click.echo(nothing)


def _line(item: object) -> str:
    built = msgspec.to_builtins(item)
    if isinstance(built, dict):
        facts = cast("dict[str, object]", built)
        return "  ".join(f"{name}={value}" for name, value in facts.items())
    return str(built)


@contextmanager
def progress(what: str, unit: str) -> Generator[Progress, None, None]:
    """Show a progress bar with a rate on standard error, when that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda done, total=None, stage=None: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        SpinnerColumn,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
    )
    from rich.progress import Progress as Bar

    bar = Bar(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(show_speed=True),
        TextColumn(f"{unit} · {{task.fields[rate]}}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )
    with bar:
        task = bar.add_task(what, total=None, rate="")

        def show(done: int, total: int | None = None, stage: str | None = None) -> None:
            elapsed = bar.tasks[0].elapsed or 0.0
            rate = f"{done / elapsed:,.0f} {unit}/s" if elapsed else ""
            bar.update(task, completed=done, total=total, rate=rate)
            if stage is not None:
                bar.update(task, description=f"{what}: {stage}")

        yield show
