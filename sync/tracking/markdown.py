"""Texts from files in MLflow's descriptions, which are Markdown that may hold HTML: shown as they are, and as no more.

MLflow's interface renders descriptions by Showdown, and lets pictures, frames and links pass. Whatever names,
descriptions, overrides or experiments say passes one of these functions, after secrets were masked: a secret that is
escaped is not recognised any more.
"""

from __future__ import annotations

import re

from sim_core.errors import shown

# Signs that begin something: in a line, as a link by itself (https://, www., :emoji:), and at the start of a line.
_IN_A_LINE = re.compile(r"[\\`*_{}\[\]<>&~@]|:(?=\S)|(?<=www)\.|^[-+=#]|(?<=^\d)[.)]|(?<=^\d\d)[.)]", re.IGNORECASE)
_A_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_JOINER = "\u2060"  # takes no room
_TICKS = re.compile("`+")


def plain(text: object) -> str:
    """The text in one line, also in a cell of a table: signs that Markdown or HTML give a meaning are escaped."""
    line = shown(" ".join(str(text).split()))
    return _IN_A_LINE.sub(lambda sign: f"&#{ord(sign[0])};", line).replace("|", "\\|")


def paragraphs(text: str) -> str:
    """The text with its line breaks, each line as by `plain`."""
    return "\n".join(map(plain, text.strip().splitlines()))


def code(text: object) -> str:
    """The text in one line, as code."""
    line = _harmless(shown(" ".join(str(text).split())))
    ticks = "`" * (_longest_ticks(line) + 1)
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{ticks}{space}{line}{space}{ticks}"


def code_block(text: str, language: str = "") -> str:
    """The text as a block of code that nothing in it ends: the fence is longer than any in the text."""
    lines = "\n".join(_harmless(shown(line.expandtabs())) for line in text.splitlines())
    fence = "`" * max(3, _longest_ticks(lines) + 1)
    return f"{fence}{language}\n{lines}\n{fence}"


def _longest_ticks(text: str) -> int:
    return max(map(len, _TICKS.findall(text)), default=0)


def _harmless(text: str) -> str:
    """Code in which no HTML begins. Showdown looks for some tags before it looks for code, where references such as
    `&lt;` would be shown as they are written."""
    return _A_TAG.sub(f"<{_JOINER}", text)
