"""The files of a report: their names, writing them as a set, and which files an earlier report has left."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
from collections.abc import Collection, Container, Mapping
from pathlib import Path

from sim_core.errors import SpecError
from sim_core.whole_file import replacing
from sync.report.style import FORMATS
from sync.results.inside import make_folder, refuse_links, write_inside

REPORT_FILE = "report.html"
_MARK = "sync report "
_LARGEST = 50 * 2**20  # bytes of a picture of ours
# Names of pictures that former versions wrote without a mark.
_FORMER = re.compile(r"(?:(?:slowdown|normalised|provisioning|latency|over-time)-.+|batches|timeline)\.(?:png|pdf|svg)")


def page_file(limits: str = "") -> str:
    """The page's file. `limits` names the file of limits that runs are judged by in place of the experiment's: a report
    by other limits is another report."""
    return f"{_stem(f'report-{limits}')}.html" if limits else REPORT_FILE


def picture_file(figure: str, form: str, taken: Container[str], page: str = REPORT_FILE) -> str:
    """A file name that is not taken, for a figure whose own name may hold whatever a system is called."""
    stem = _stem(figure if page == REPORT_FILE else f"{page.removesuffix('.html')}-{figure}")
    numbered = (f"{stem}-{number}.{form}" for number in itertools.count(2))
    return next(name for name in itertools.chain([f"{stem}.{form}"], numbered) if name not in taken)


def mark_of(sweep: str, page: str) -> str:
    """The text in the metadata of a picture that says which report it belongs to."""
    return _MARK + hashlib.sha256(f"{sweep}/{page}".encode()).hexdigest()[:16]


def _stem(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._+=-]+", "-", text).strip(".-")[:120] or "figure"


def own_folder(results: Path, name: str) -> Path:
    """The folder of a sweep's report below `results`. Raises SpecError where it would be elsewhere."""
    folder = results / name / "report"
    if not Path(os.path.abspath(folder)).is_relative_to(os.path.abspath(results)):  # noqa: PTH100 (links are refused)
        raise SpecError("leads out of the results: say --out FOLDER", key="report", value=str(folder))
    return folder


def write_files(files: Mapping[str, bytes], folder: Path, results: Path | None = None) -> None:
    """Write the files below `folder`, each whole or not at all. Below `results` they are readable by their owner alone,
    and nothing is written through a link, which leads anywhere where somebody else made these results: OutputError."""
    if results is None:
        folder.mkdir(parents=True, exist_ok=True)
    else:
        refuse_links(folder, results)
        make_folder(folder)
    for name, content in files.items():
        if results is not None:
            write_inside(folder / name, content)
            continue
        with replacing(folder / name) as file:
            file.write(content)


def remove_former(folder: Path, kept: Collection[str], mark: str, *, is_own: bool) -> int:
    """Remove the pictures in `folder` that an earlier report with the same `mark` has left, except `kept`; returns how
    many. `is_own`: nothing but reports writes there, so pictures of former versions, which have no mark, go as well."""
    former = [
        path
        for path in sorted(folder.iterdir())
        if path.suffix[1:] in FORMATS and path.name not in kept and _is_left_by(path, mark, is_own)
    ]
    for path in former:
        path.unlink(missing_ok=True)
    return len(former)


def _is_left_by(path: Path, mark: str, is_own: bool) -> bool:
    if path.is_symlink() or not path.is_file() or path.stat().st_size > _LARGEST:
        return False
    content = path.read_bytes()
    return mark.encode() in content or (
        is_own and _MARK.encode() not in content and _FORMER.fullmatch(path.name) is not None
    )
