"""Fixtures of the tests of stage audit."""

from pathlib import Path

import pytest
import tiny_tree


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Build the tiny tree in a working directory, which a test may rename."""
    directory = tmp_path / "project"
    directory.mkdir()
    monkeypatch.chdir(directory)
    tiny_tree.build()
    return directory


@pytest.fixture
def sources(tmp_path: Path) -> list:
    """Write two restricted tables to compare with."""
    from attacks import restricted_tables  # imports the scan, which only tests of releases use

    return restricted_tables(tmp_path)
