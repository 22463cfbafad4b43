"""Something to look at while a long command works: a line on stderr, at a terminal only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.text import Text


@contextmanager
def busy(text: str) -> Iterator[Callable[[str], None]]:
    """Shows the text until the end; what it gives replaces the text."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _text: None
        return
    with console.status(Text(text)) as status:
        yield lambda text: status.update(Text(text))
