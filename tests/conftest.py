"""What several tests share: the real data, where it is, and a cache of the test run's own."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Give the folder of real data sets, or skip."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("TRILEMMA_TEST_DATA") or beside)
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}; name its folder in TRILEMMA_TEST_DATA")
    return folder


@pytest.fixture(scope="session")
def shared_stylegan() -> Path:
    """Give the folder of style-based networks in the official format, or skip."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("TRILEMMA_TEST_DATA") or beside).parent / "stylegan"
    if not folder.is_dir():
        pytest.skip(f"no networks in {folder}; TRILEMMA_TEST_DATA names the folder beside it")
    return folder


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the tests out of the user's cache, and the user's data sets out of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRILEMMA_CACHE", str(tmp_path_factory.mktemp("cache")))
        for name in ("TRILEMMA_DATA", "TRILEMMA_MIRROR"):
            patch.delenv(name, raising=False)
        yield
