"""Removes passwords and tokens from every text that is kept, delivered or shown, and the path of the home folder from
those that are delivered or shown.

A journal keeps paths as they are: a run is made again from them, and a journal is readable by its owner alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

MASK = "***"
# A password reaches to the last @ of the word, since it may itself hold an unescaped @.
_PASSWORD = re.compile(r"(?P<start>[A-Za-z][A-Za-z0-9+.-]*://[^\s:/@'\"]*):(?P<secret>[^\s'\"]*)@")
_TOKEN_AS_USER = re.compile(r"(?P<start>https?://)(?P<secret>[^\s:/@'\"]+)@", re.IGNORECASE)
_IN_QUERY = re.compile(r"(?P<start>[?&;][\w-]*(?:password|passwd|token|secret|signature)[\w-]*=)[^&\s'\"#;]+", re.I)
# DB_PASSWORD, MYSQL_PWD, GH_PAT; not PWD and OLDPWD, which are the working folder
_SECRET_VARIABLE = re.compile(
    r"(TOKEN|PASSWORD|PASSWD|PASSPHRASE|SECRET|API_?KEY|(ACCESS|PRIVATE|ENCRYPTION|SIGNING)_?KEY|CREDENTIALS?)(_|$)"
    r"|(^|_)(PAT|PASS)(_|$)|_PWD$",
    re.IGNORECASE,
)
_SHORTEST_SECRET = 6  # shorter values of such variables ("true", "1") are ordinary words, too


def mask_uri(text: str) -> str:
    """`text` with the secrets of each address in it masked: before the host and in the query."""
    if "://" in text:  # most texts have neither, and searching for the patterns takes ten times as long
        text = _PASSWORD.sub(rf"\g<start>:{MASK}@", text)
        text = _TOKEN_AS_USER.sub(rf"\g<start>{MASK}@", text)
    return _IN_QUERY.sub(rf"\g<start>{MASK}", text) if "=" in text else text


def has_password(uri: str) -> bool:
    """Whether `mask_uri` would change `uri`."""
    return mask_uri(uri) != uri


class Scrubber:
    """Removes one environment's secrets and home folder from texts; made once, called often."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        found = {value for name, value in environ.items() if _SECRET_VARIABLE.search(name)}
        for value in environ.values():
            found.update(match["secret"] for match in _PASSWORD.finditer(value))
        found |= {unquote(secret) for secret in found}
        self._secrets = sorted((s for s in found if len(s) >= _SHORTEST_SECRET), key=len, reverse=True)
        home = environ.get("HOME", "").rstrip("/")
        self._home = home if home.startswith("/") else ""
        self._home_in_text = re.compile(rf"(?<![\w.~-]){re.escape(self._home)}(?![\w.-])")

    def __call__(self, text: str) -> str:
        """`text` without passwords, without the environment's secrets, and with `~` for the home folder."""
        clean = self.masked(text)
        # searching for the pattern takes thirty times as long as for its text, which most texts do not have
        return self._home_in_text.sub("~", clean) if self._home and self._home in clean else clean

    def masked(self, text: str) -> str:
        """`text` without passwords and without the environment's secrets."""
        clean = mask_uri(text)
        for secret in self._secrets:
            clean = clean.replace(secret, MASK)
        return clean

    def without_secrets(self, value: Any) -> Any:
        """A value of texts, lists and mappings, in which each text but the names is `masked`."""
        return in_texts(self.masked, value)


def in_texts(change: Callable[[str], str], value: Any) -> Any:
    """A value of texts, lists and mappings, in which each text but the names is changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, int | float):  # most values are, and asking for a mapping takes long
        return value
    if isinstance(value, Mapping):
        return {name: in_texts(change, part) for name, part in value.items()}
    return type(value)(in_texts(change, part) for part in value) if isinstance(value, list | tuple) else value


def scrub(text: str) -> str:
    """`text` as `Scrubber` leaves it, by this process's environment."""
    return Scrubber(os.environ)(text)


def one_line(error: BaseException, limit: int = 300) -> str:
    """The error as one scrubbed line for a person, at most `limit` characters."""
    text = " ".join(scrub(str(error)).split()) or type(error).__name__
    return text if len(text) <= limit else text[: limit - 3] + "..."
