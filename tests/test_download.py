"""Downloads from a server of this test: of a known and an unknown length, resumed, checked."""

import errno
import hashlib
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from trilemma import download as module
from trilemma.download import download
from trilemma.errors import NoSpaceError, OfflineError

CONTENT = bytes(range(256)) * 4096  # 1 MiB
SUMS = {
    "md5": hashlib.md5(CONTENT, usedforsecurity=False).hexdigest(),
    "sha256": hashlib.sha256(CONTENT).hexdigest(),
}


class Server(ThreadingHTTPServer):
    """Serve CONTENT below /good; `cut` bytes a connection; with or without saying its length."""

    cut = 0
    says_length = True
    asked: list[tuple[str, str]]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range", "")
        self.server.asked.append((self.path, wanted))
        body = CONTENT if self.path.startswith("/good") else b"<html>log in"
        start = int(wanted[6:-1]) if wanted else 0
        if self.path.startswith("/absent"):
            return self.send_error(404)
        if start >= len(body):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        if self.server.says_length:
            self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        self.wfile.write(body[start:][: self.server.cut or None])
        return None

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Server(("127.0.0.1", 0), Handler)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def fetch(
    server: Server, target: Path, *places: str, checksum: str = SUMS["md5"], **more: object
) -> Path:
    urls = [f"http://127.0.0.1:{server.server_port}/{place}" for place in places or ("good",)]
    return download("toy", urls, target, checksum=checksum, instead="do that", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", SUMS)
@pytest.mark.parametrize("says_length", [True, False])
def test_a_file_of_an_unknown_length(
    server: Server, tmp_path: Path, kind: str, says_length: bool
) -> None:
    server.says_length = says_length
    shown: list[tuple[int, int]] = []
    target = tmp_path / "new" / "x"
    fetch(server, target, checksum=SUMS[kind], progress=lambda done, of: shown.append((done, of)))
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == ["x"]
    assert shown[-1] == (len(CONTENT), len(CONTENT) if says_length else 0)
    assert len(shown) > 1


def test_a_file_of_an_unknown_length_is_resumed(server: Server, tmp_path: Path) -> None:
    server.cut = 400_000
    assert fetch(server, tmp_path / "x").read_bytes() == CONTENT
    assert [wanted for _, wanted in server.asked] == ["", "bytes=400000-", "bytes=800000-"]


def test_what_a_killed_run_left_is_used(server: Server, tmp_path: Path) -> None:
    (tmp_path / "x.part").write_bytes(CONTENT[:1000])
    assert fetch(server, tmp_path / "x").read_bytes() == CONTENT
    assert server.asked == [("/good", "bytes=1000-")]


def test_a_whole_part_that_was_not_moved(server: Server, tmp_path: Path) -> None:
    """The server has nothing behind its end to give; the file is fetched anew."""
    (tmp_path / "x.part").write_bytes(CONTENT)
    assert fetch(server, tmp_path / "x").read_bytes() == CONTENT
    assert [wanted for _, wanted in server.asked] == [f"bytes={len(CONTENT)}-", ""]


def test_mirrors_are_asked_in_their_order(server: Server, tmp_path: Path) -> None:
    """One lacks the file, one gives a login page, the third has it."""
    assert fetch(server, tmp_path / "x", "absent", "login", "good").read_bytes() == CONTENT
    assert [path for path, _ in server.asked] == ["/absent", "/login", "/good"]


def test_every_mirrors_reason_is_told(server: Server, tmp_path: Path) -> None:
    with pytest.raises(OfflineError) as caught:
        fetch(server, tmp_path / "x", "absent", "login")
    line = str(caught.value)
    assert " cannot be reached (HTTP 404)" in line
    assert f" gave another file (md5 {hashlib.md5(b'<html>log in').hexdigest()[:12]}" in line
    assert line.endswith("; do that")
    assert "\n" not in line
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_does_not_end_is_left(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LARGEST", 500_000)
    with pytest.raises(OfflineError, match="more than 500,000 bytes"):
        fetch(server, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_a_long_file_has_ten_lines(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LONG", len(CONTENT))
    monkeypatch.setattr(module, "CHUNK", 1 << 14)
    lines: list[str] = []
    fetch(server, tmp_path / "x", say=lines.append)
    assert "downloading from http" in lines[0]
    assert len(lines) == 11
    assert lines[-1] == "toy: 1 of 1 MB"


def test_a_full_disk_is_one_line(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NoSpaceError, match=r"x cannot be written: the disk is full.*CACHE=FOLDER"):
        fetch(server, tmp_path / "x")
    assert not (tmp_path / "x").exists()
