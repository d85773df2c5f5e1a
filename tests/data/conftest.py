import pytest


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    """Data sets and stores go to the test's own folders."""
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "datasets"))
    monkeypatch.setenv("NEXTLAT_CACHE", str(tmp_path / "stores"))
    return tmp_path
