"""Sentences for the standard error output, broken at words where a person reads them."""

import shutil
import sys
import textwrap

import typer

from cdc_assets.model.errors import CdcAssetsError


def print_error(error: CdcAssetsError) -> None:
    """Write an error as two lines to the standard error output."""
    print_failure(error.message, error.hint)


def print_failure(message: str, fix: str) -> None:
    """Write what went wrong and the way out to the standard error output; one line each where it is no terminal."""
    typer.echo(in_width(f"error: {message}", _width()), err=True)
    if fix:
        typer.echo(in_width(f"fix: {fix}", _width()), err=True)


def print_note(sentence: str) -> None:
    """Write what is worth knowing, and no error, to the standard error output."""
    typer.echo(in_width(sentence, _width()), err=True)


def _width() -> int | None:
    return shutil.get_terminal_size().columns if sys.stderr.isatty() else None


def in_width(sentence: str, width: int | None) -> str:
    """Return the sentence in lines of that width, broken at blanks only: names and addresses stay whole."""
    if width is None:
        return sentence
    lines = sentence.splitlines() or [""]
    return "\n".join(
        textwrap.fill(line, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
        for line in lines
    )
