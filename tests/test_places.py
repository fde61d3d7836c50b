"""Where the cache and the runs are, on a good machine and on a hostile one."""

from pathlib import Path

import pytest

from trilemma import places


def test_the_environment_moves_both(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TRILEMMA_CACHE", str(tmp_path / "deep" / "caché"))
    monkeypatch.setenv("TRILEMMA_RUNS", str(tmp_path / "elsewhere"))
    assert places.cache_folder() == tmp_path / "deep" / "caché"
    assert (tmp_path / "deep" / "caché").is_dir()
    assert places.runs_folder() == tmp_path / "elsewhere"


def test_runs_are_below_the_current_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRILEMMA_RUNS", "")
    assert places.runs_folder() == Path("runs")


@pytest.mark.parametrize(
    ("platform", "variable", "below"),
    [("linux", "XDG_CACHE_HOME", ".cache"), ("win32", "LOCALAPPDATA", "AppData/Local")],
)
def test_the_systems_cache_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, platform: str, variable: str, below: str
) -> None:
    monkeypatch.setattr("sys.platform", platform)
    monkeypatch.delenv("TRILEMMA_CACHE", raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setenv(variable, str(tmp_path / "set"))
    assert places.wanted_cache_folder() == tmp_path / "set" / "trilemma"
    monkeypatch.delenv(variable)
    assert places.wanted_cache_folder() == tmp_path / below / "trilemma"


def test_the_macs_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    monkeypatch.delenv("TRILEMMA_CACHE", raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert places.wanted_cache_folder() == tmp_path / "Library" / "Caches" / "trilemma"


def test_what_cannot_be_written_is_replaced_with_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    blocked = tmp_path / "a-file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("TRILEMMA_CACHE", str(blocked))
    lines: list[str] = []
    folder = places.cache_folder(say=lines.append)
    assert places.writable(folder)
    assert places.is_temporary(folder)
    assert not places.is_temporary(tmp_path)
    assert folder == places.cache_folder()
    assert len(lines) == 1
    assert str(blocked) in lines[0]
    assert "TRILEMMA_CACHE" in lines[0]


def test_no_home_is_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(Path, "home", homeless)
    monkeypatch.delenv("TRILEMMA_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert places.wanted_cache_folder() is None
    assert places.is_temporary(places.cache_folder())
