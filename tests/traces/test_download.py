"""Fetching public traces, from a server of the test's own."""

from __future__ import annotations

import fcntl
import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from sim_core.errors import TraceError
from traces import download as module
from traces.__main__ import main
from traces.commands import download as command
from traces.download import Published, catalogue, default_folder, download
from traces.formats import FORMATS

CONTENT = bytes(range(256)) * 4000
BLOB = hashlib.sha1(b"blob %d\0" % len(CONTENT) + CONTENT).hexdigest()


@dataclass
class Publisher:
    """What the server does, and what it was asked."""

    url: str = ""
    content: bytes = CONTENT
    cut_after: list[int] = field(default_factory=list)  # bytes that each answer sends before it breaks off
    ranges: bool = True
    status: int = 0
    etag: str = '"one"'
    silent_s: float = 0.0
    redirect: str = ""
    asked: list[str] = field(default_factory=list)  # Range headers

    def file(self, **known: Any) -> Published:
        return Published("test", f"{self.url}/t.csv", "requests", "CC0", "nobody", **known)


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(module.time, "sleep", lambda _: None)
    state = Publisher()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with suppress(OSError):  # nobody waits any more
                answer(self, state)

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    server.server_close()


def answer(handler: BaseHTTPRequestHandler, state: Publisher) -> None:
    asked = handler.headers.get("Range", "")
    state.asked.append(asked)
    if state.silent_s:
        threading.Event().wait(state.silent_s)
    if state.redirect:
        handler.send_response(302)
        handler.send_header("Location", state.redirect)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return
    if state.status:
        handler.send_error(state.status)
        return
    start, total = 0, len(state.content)
    if asked and state.ranges and handler.headers.get("If-Range", state.etag) == state.etag:
        start = int(asked.removeprefix("bytes=").removesuffix("-"))
        if start >= total:
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{total}")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
    else:
        handler.send_response(200)
    handler.send_header("Content-Length", str(total - start))
    handler.send_header("ETag", state.etag)
    handler.end_headers()
    body = state.content[start:]
    handler.wfile.write(body[: state.cut_after.pop(0)] if state.cut_after else body)


def test_a_file_is_fetched_checked_and_alone_but_for_its_checksum(publisher: Publisher, tmp_path: Path) -> None:
    known = {"size_bytes": len(CONTENT), "sha256": hashlib.sha256(CONTENT).hexdigest(), "git_blob": BLOB}
    seen: list[tuple[int, int | None]] = []
    path, checked = download(publisher.file(**known), tmp_path / "a" / "b", lambda *at: seen.append(at))
    assert path.read_bytes() == CONTENT
    assert checked == "checked by size, SHA-256, git blob id"
    assert sorted(file.name for file in path.parent.iterdir()) == ["t.csv", "t.csv.sha256"]
    assert seen[-1] == (len(CONTENT), len(CONTENT))


def test_what_is_there_is_checked_and_not_fetched_again(publisher: Publisher, tmp_path: Path) -> None:
    download(publisher.file(), tmp_path)
    _, checked = download(publisher.file(), tmp_path)
    assert checked == "checked by SHA-256 of the first download"
    assert publisher.asked == [""]
    (tmp_path / "t.csv").write_bytes(b"changed")
    with pytest.raises(TraceError, match=r"SHA-256 of the first download is .* it was removed"):
        download(publisher.file(), tmp_path)
    assert download(publisher.file(), tmp_path)[0].read_bytes() == CONTENT


def test_a_broken_connection_is_resumed_where_it_broke(publisher: Publisher, tmp_path: Path) -> None:
    publisher.cut_after = [300_000, 200_000, 0, 1]
    path, _ = download(publisher.file(git_blob=BLOB), tmp_path)
    assert path.read_bytes() == CONTENT
    assert publisher.asked == ["", "bytes=300000-", "bytes=500000-", "bytes=500000-", "bytes=500001-"]


def test_a_connection_that_keeps_breaking_leaves_a_part_for_the_next_call(publisher: Publisher, tmp_path: Path) -> None:
    publisher.cut_after = [300_000] + [0] * 50
    with pytest.raises(TraceError, match=r"test: the connection to 127\.0\.0\.1 broke .* goes on after 300,000 bytes"):
        download(publisher.file(), tmp_path)
    assert not (tmp_path / "t.csv").exists()
    publisher.cut_after = []
    assert download(publisher.file(git_blob=BLOB), tmp_path)[0].read_bytes() == CONTENT
    assert publisher.asked[-1] == "bytes=300000-"


def test_a_part_of_another_version_is_not_continued(publisher: Publisher, tmp_path: Path) -> None:
    publisher.cut_after = [300_000] + [0] * 50
    with pytest.raises(TraceError):
        download(publisher.file(), tmp_path)
    publisher.cut_after, publisher.etag, publisher.content = [], '"two"', CONTENT[::-1]
    assert download(publisher.file(), tmp_path)[0].read_bytes() == CONTENT[::-1]


def test_a_server_without_ranges_starts_anew(publisher: Publisher, tmp_path: Path) -> None:
    publisher.cut_after, publisher.ranges = [300_000], False
    assert download(publisher.file(), tmp_path)[0].read_bytes() == CONTENT


def test_a_part_that_is_the_whole_file_is_finished(publisher: Publisher, tmp_path: Path) -> None:
    (tmp_path / ".t.csv.part").write_bytes(CONTENT)
    assert download(publisher.file(git_blob=BLOB), tmp_path)[0].read_bytes() == CONTENT
    (tmp_path / "t.csv").unlink()
    (tmp_path / ".t.csv.part").write_bytes(CONTENT + b"more than there is")
    assert download(publisher.file(git_blob=BLOB), tmp_path)[0].read_bytes() == CONTENT


@pytest.mark.parametrize("known", [{"sha256": "0" * 64}, {"git_blob": "0" * 40}, {"size_bytes": 5}])
def test_other_contents_than_the_known_are_removed(known: dict[str, Any], publisher: Publisher, tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"t\.csv: .* is .*, not .*: other contents than those that are known"):
        download(publisher.file(**known), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_two_at_once_do_not_write_one_part(publisher: Publisher, tmp_path: Path) -> None:
    with (tmp_path / ".t.csv.part").open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(TraceError, match="is being downloaded by another process"):
            download(publisher.file(), tmp_path)


def test_a_file_that_is_gone_says_so(publisher: Publisher, tmp_path: Path) -> None:
    publisher.status = 404
    with pytest.raises(TraceError, match=r"t\.csv answers 404 Not Found; workloads that need no network: rr_"):
        download(publisher.file(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_a_network_it_says_which_workloads_need_none(tmp_path: Path) -> None:
    file = Publisher(url="http://127.0.0.1:9").file()
    with pytest.raises(TraceError, match=r"127\.0\.0\.1 cannot be reached .* need no network: rr_WORKLOAD_RATE"):
        download(file, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_redirect_to_another_scheme_is_not_followed(publisher: Publisher, tmp_path: Path) -> None:
    publisher.redirect = "https://127.0.0.1:9/t.csv"
    with pytest.raises(TraceError, match=r"cannot be reached \(No connection adapters were found for 'https://"):
        download(publisher.file(), tmp_path)
    assert publisher.asked == [""]


def test_more_bytes_than_the_known_size_are_not_waited_for(publisher: Publisher, tmp_path: Path) -> None:
    publisher.content = CONTENT * 5
    seen: list[int] = []
    with pytest.raises(TraceError, match=r"size is .*, not 5: other contents"):
        download(publisher.file(size_bytes=5), tmp_path, lambda done, total: seen.append(done))
    assert seen[-1] < len(publisher.content)


def test_silence_is_not_waited_for(publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMEOUTS_S", (0.2, 0.2))
    publisher.silent_s = 1.0
    begin = time.monotonic()
    with pytest.raises(TraceError, match=r"cannot be reached"):
        download(publisher.file(), tmp_path)
    assert time.monotonic() - begin < publisher.silent_s  # it gave up before there was an answer


def test_a_folder_that_cannot_be_is_one_line(publisher: Publisher, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TraceError, match="cannot be written: "):
        download(publisher.file(), tmp_path / "file")


def test_downloads_are_kept_in_the_cache_unless_said_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "llm-cluster-sim" / "downloads"
    monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
    with pytest.raises(TraceError, match="--dir"):
        default_folder()


def test_the_command_shows_the_licence_and_how_to_go_on(
    publisher: Publisher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "published", lambda name: publisher.file())
    assert main(["download", "test", "--dir", str(tmp_path)]) == 0
    said = capsys.readouterr().err
    assert "Licence: CC0. To be cited: nobody" in said
    assert "no checksum is known; SHA-256 kept in t.csv.sha256" in said
    assert f"python -m sim_core trace.dir={tmp_path} trace.filename=t" in said


def test_an_unknown_name_is_one_line_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["download", "azure2023-cnv"]) == 2
    assert "did you mean 'azure2023-conv'?" in capsys.readouterr().err


def test_the_list_has_every_public_trace(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["download"]) == 0
    shown = capsys.readouterr().out
    assert all(file.name in shown for file in catalogue())


def test_public_traces_come_safely_and_are_of_formats_that_are_known() -> None:
    formats = {known.about.name for known in FORMATS}
    assert len({file.name for file in catalogue()}) == len({file.filename for file in catalogue()}) == len(catalogue())
    for file in catalogue():
        assert file.url.startswith("https://")
        assert file.name.split("-")[0] in formats
        assert file.licence and file.cite
