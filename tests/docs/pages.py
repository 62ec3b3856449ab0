"""The texts of the documentation: pages, code blocks, and the commands that they show."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md")))
PROGRAMS = ("sim_core", "sweep", "traces", "sync")
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
_COMMAND = re.compile(rf"(\(?)python -m ({'|'.join(PROGRAMS)})\b(.*)")


@dataclass(frozen=True)
class Command:
    """A command line of one of the project's programs. `in_text`: in a sentence or in parentheses, where
    arguments may be left out."""

    page: str
    program: str
    arguments: tuple[str, ...]
    in_text: bool

    def __str__(self) -> str:
        return f"{self.page}: {shlex.join(('python', '-m', self.program, *self.arguments))}"


def blocks(page: Path, language: str) -> list[str]:
    """The contents of the page's code blocks in a language ("" for those that name none)."""
    return [text for name, text in _BLOCK.findall(page.read_text()) if name == language]


def spans(page: Path) -> list[str]:
    """The pieces of code within the page's sentences, each on one line."""
    return [" ".join(span.split()) for span in _SPAN.findall(_BLOCK.sub("", page.read_text()))]


def commands(page: Path) -> list[Command]:
    """The commands that the page shows, in code blocks and in sentences."""
    lines = [line for text in blocks(page, "") for line in text.replace("\\\n", " ").splitlines()]
    found = []
    for text, in_text in (*((line, False) for line in lines), *((span, True) for span in spans(page))):
        if match := _COMMAND.search(text):
            text = match[3].partition(")")[0] if match[1] else match[3]
            found.append(Command(page.name, match[2], _arguments(text), in_text or bool(match[1])))
    return found


def _arguments(text: str) -> tuple[str, ...]:
    """The words of a command up to a comment, a `&`, the end of a quotation around it, or an ellipsis."""
    if text.count("'") % 2:
        text = text.rpartition("'")[0]
    words = shlex.split(text, comments=True)
    return tuple(word for word in words if word not in ("&", "..."))
