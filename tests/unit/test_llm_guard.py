"""The guard: a table of hosts and bases, and the addresses that try to look local."""

import pytest

from clinragen.config.datasets import Dataset
from clinragen.errors import UserError
from clinragen.llm.guard import is_local, permit

CLOUD = "https://api.openai.com/v1"
LOOPBACK = "http://127.0.0.1:8000/v1"
PRIVATE = "http://10.1.2.3:8000/v1"


@pytest.mark.parametrize("source", ["synthetic", "open-demo", "public"])
@pytest.mark.parametrize("basis", ["none", "local-server", "no-retention-cloud"])
@pytest.mark.parametrize("url", [CLOUD, LOOPBACK, PRIVATE])
def test_open_data_may_go_anywhere(url, basis, source):
    permit(url, basis, "mimic3", source)


@pytest.mark.parametrize("source", ["folder", "anything-new"])
@pytest.mark.parametrize(
    ("url", "basis", "allowed"),
    [
        (CLOUD, "none", False),
        (LOOPBACK, "none", False),
        (PRIVATE, "none", False),
        (CLOUD, "local-server", False),
        (LOOPBACK, "local-server", True),
        (PRIVATE, "local-server", True),
        (CLOUD, "no-retention-cloud", True),
        (LOOPBACK, "no-retention-cloud", True),
        ("http://api.openai.com/v1", "no-retention-cloud", False),
        (CLOUD, "unheard-of", False),
    ],
)
def test_restricted_data_need_a_basis(url, basis, allowed, source):
    if allowed:
        permit(url, basis, "mimic3", source)
        return
    with pytest.raises(UserError) as error:
        permit(url, basis, "mimic3", source)
    for part in ("teacher_transport.data_use", basis, "mimic3", "docs/data-access.md", "Nothing was sent"):
        assert part in str(error.value)


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "127.9.9.9", "::1", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
             "gpu07", "box.local", "fd00::1", "::ffff:10.0.0.1"],
)  # fmt: skip
def test_local_hosts(host):
    assert is_local(host)


@pytest.mark.parametrize(
    "host", ["8.8.8.8", "172.32.0.1", "127.0.0.1.evil.com", "localhost.evil.com", "134744072", "0x08080808",
             "::ffff:8.8.8.8", "2001:db8::1", "169.254.169.254", "box.local.evil.com", "192.0.2.1", "0.0.0.0"],
)  # fmt: skip
def test_hosts_that_are_not_local(host):
    assert not is_local(host)


@pytest.mark.parametrize(
    "url",
    ["http://localhost@evil.com/v1", "http://user:pw@localhost/v1", "http://localhost\\@evil.com", "ftp://localhost",
     "localhost:8000", "", "http://", "http://local host/v1", "http://localhost:99999/v1", "http://[::1"],
)  # fmt: skip
def test_addresses_that_are_refused_for_all_data(url):
    with pytest.raises(UserError, match="base_url"):
        permit(url, "local-server", "mimic3", "synthetic")


def test_upper_case_and_final_dot_are_the_same_host():
    permit("http://LOCALHOST.:8000/v1", "local-server", "mimic3", "folder")


@pytest.mark.parametrize(
    ("source", "notes", "expected"),
    [("folder", None, "folder"), ("folder", "synthetic", "folder"), ("synthetic", None, "synthetic"),
     ("open-demo", "synthetic", "open-demo"), ("open-demo", None, "folder"), ("open-demo", "notes", "folder")],
)  # fmt: skip
def test_notes_of_your_own_are_never_open(source, notes, expected):
    others = {"release": None, "test_list": None, "validation_list": None}
    assert Dataset(source=source, raw="raw", notes=notes, **others).text_source == expected
