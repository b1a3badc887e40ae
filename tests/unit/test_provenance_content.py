"""The digest of files that no rule writes depends on their content."""

import gzip
import os

import pytest

from clinragen.errors import UserError
from clinragen.provenance.content import PIECE, PIECES, WHOLE, content_digest


def test_content_and_name_count_and_times_and_order_do_not(tmp_path):
    one, two = tmp_path / "a", tmp_path / "b"
    one.write_text("x")
    two.write_text("y")
    first = content_digest([one, two])
    os.utime(one, (1, 1))
    assert content_digest([two, one]) == first
    one.write_text("z")
    os.utime(one, (1, 1))
    assert content_digest([one, two]) != first
    assert content_digest([one]) != content_digest([two]) != content_digest([])


@pytest.mark.parametrize("place", [0, WHOLE // 2, -1])
def test_an_edit_of_a_small_file_is_noticed_wherever_it_is(tmp_path, place):
    path, data = tmp_path / "a", bytearray(WHOLE)
    path.write_bytes(data)
    before = content_digest([path])
    data[place] = 1
    path.write_bytes(data)
    assert content_digest([path]) != before


@pytest.mark.parametrize("change", ["first", "last", "shorter", "longer"])
def test_both_ends_and_the_size_of_a_large_file_count(tmp_path, change):
    path, data = tmp_path / "a", bytearray(3 * PIECES * PIECE)
    path.write_bytes(data)
    before = content_digest([path])
    if change in ("first", "last"):
        data[0 if change == "first" else -1] = 1
    path.write_bytes(data[:-1] if change == "shorter" else data + b"\0" if change == "longer" else data)
    assert content_digest([path]) != before


def test_any_edit_of_a_large_packed_table_is_noticed(tmp_path):
    rows = [f"{n},{os.urandom(24).hex()}" for n in range(100_000)]
    path = tmp_path / "CHARTEVENTS.csv.gz"
    path.write_bytes(gzip.compress("\n".join(rows).encode(), mtime=0))
    assert path.stat().st_size > 2 * WHOLE
    before = content_digest([path])
    rows[61_234] = f"61234,{os.urandom(24).hex()}"
    path.write_bytes(gzip.compress("\n".join(rows).encode(), mtime=0))
    assert content_digest([path]) != before


def test_a_missing_file_is_named_with_the_remedy(tmp_path):
    with pytest.raises(UserError, match=r"stop_words\.txt is missing; restore it .*git checkout"):
        content_digest([tmp_path / "stop_words.txt"])


def test_a_link_that_points_elsewhere_is_noticed(tmp_path):
    for name in "ab":
        (tmp_path / name).write_text(name)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "a")
    before = content_digest([link])
    link.unlink()
    link.symlink_to(tmp_path / "b")
    assert content_digest([link]) != before
