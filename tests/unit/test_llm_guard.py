"""The guard: servers, bases for sending text, and addresses that only look local."""

import socket

import pytest

from clinragen.config.datasets import Dataset
from clinragen.errors import UserError
from clinragen.llm.api_key import api_key
from clinragen.llm.guard import WITHOUT_AGREEMENT, Destination, foresee, locate, open_by_config, permit, permit_key

CLOUD = "https://api.openai.com/v1"
LOOPBACK = "http://127.0.0.1:8000/v1"
PRIVATE = "http://10.1.2.3:8000/v1"
SECTION = "llm_transport.gpt"
RESTRICTED = ("/data/NOTEEVENTS.csv.gz: it is not of the open demo",)
PUBLIC_ADDRESS = "93.184.216.34"
# Results of DNS, mDNS and /etc/hosts; other names do not exist.
NAMES = {
    "api.openai.com": ["162.159.140.245"],
    "api.deepseek.com": ["104.18.26.90"],
    "eu.api.openai.com": ["162.159.140.245"],
    "clinic.openai.azure.com": ["20.62.58.5"],
    "localhost": ["127.0.0.1", "::1"],
    "gpu07": ["10.0.7.7"],
    "gpu08": [PUBLIC_ADDRESS],
    "box.local": ["192.168.1.9"],
    "cloud.local": [PUBLIC_ADDRESS],
    "gpu07.hpc.example.edu": ["130.60.24.7"],
    "half.example.org": ["10.0.0.1", PUBLIC_ADDRESS],
    "metadata.example.org": ["169.254.169.254"],
    "mapped.example.org": ["::ffff:10.0.0.1"],
    "localhost.evil.com": [PUBLIC_ADDRESS],
    "127.0.0.1.evil.com": [PUBLIC_ADDRESS],
    "box.local.evil.com": [PUBLIC_ADDRESS],
    "inside.evil.com": ["127.0.0.1"],
    "xn--mnchen-3ya.de": [PUBLIC_ADDRESS],
}


@pytest.fixture(autouse=True)
def names(monkeypatch):
    """Resolve names as in NAMES, which a test may change, and addresses to themselves, without a network."""
    answers = dict(NAMES)
    real = socket.getaddrinfo

    def getaddrinfo(host, port, *args, **options):
        if host in answers:
            return [(socket.AF_INET6 if ":" in a else socket.AF_INET, 1, 6, "", (a, 0)) for a in answers[host]]
        return real(host, port, *args, **options | {"flags": socket.AI_NUMERICHOST})

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return answers


def is_local(host: str, *local_hosts: str) -> bool:
    return locate(f"http://[{host}]/v1" if ":" in host else f"http://{host}/v1", local_hosts).local


def send(url: str, data_use: str, allowed_hosts=(), local_hosts=(), restricted=RESTRICTED, stored=False) -> None:
    destination = locate(url, local_hosts, SECTION)
    settings = {"section": SECTION, "data_use": data_use, "allowed_hosts": allowed_hosts, "stored": stored}
    permit(destination, data="mimic3", restricted=restricted, **settings)


# --- Location of a server ---


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "127.9.9.9", "::1", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
             "fd00::1", "::ffff:10.0.0.1", "0:0:0:0:0:0:0:1", "gpu07", "box.local", "mapped.example.org",
             "inside.evil.com"],
)  # fmt: skip
def test_local_hosts(host):
    assert is_local(host)


@pytest.mark.parametrize(
    "host", ["8.8.8.8", "172.15.0.1", "172.32.0.1", "192.0.2.1", "100.64.0.1", "0.0.0.0", "169.254.169.254",
             "metadata.example.org", "::", "::ffff:8.8.8.8", "::127.0.0.1", "64:ff9b::a00:1", "2001:db8::1", "fe80::1",
             "127.0.0.1.evil.com", "localhost.evil.com", "box.local.evil.com",
             "xn--mnchen-3ya.de", "half.example.org", "gpu07.hpc.example.edu"],
)  # fmt: skip
def test_hosts_that_are_not_local(host):
    assert not is_local(host)


@pytest.mark.parametrize("host", ["gpu08", "cloud.local"])
def test_a_name_that_looks_local_is_resolved(host):
    assert not is_local(host)


def test_localhost_is_resolved_like_any_name(names):
    names["localhost"] = [PUBLIC_ADDRESS]
    assert not is_local("localhost")


def test_the_user_may_name_a_host_of_the_institution():
    assert is_local("gpu07.hpc.example.edu", "GPU07.hpc.example.edu.")
    assert not is_local("gpu07.hpc.example.edu", "hpc.example.edu", "*.hpc.example.edu", "gpu07")


def test_a_destination_is_resolved_once(names):
    destination = locate("https://half.example.org/v1")
    names["half.example.org"] = ["127.0.0.1"]
    assert destination == Destination("half.example.org", ("10.0.0.1", PUBLIC_ADDRESS), local=False, https=True)


@pytest.mark.parametrize("host", ["nowhere.example.org", "gpu99", "ghost.local", "a..b", f"{'a' * 70}.example.org"])
def test_a_host_that_cannot_be_resolved_is_refused(host):
    with pytest.raises(UserError, match="cannot be resolved on this machine") as error:
        locate(f"http://{host}:8000/v1", [host], SECTION)
    assert host in str(error.value) and f"{SECTION}.base_url" in str(error.value)


@pytest.mark.parametrize(
    "url",
    ["http://localhost@evil.com/v1", "http://user:pw@localhost/v1", "http://localhost\\@evil.com", "ftp://localhost",
     "http://localhost%40evil.com/v1", "http://localhost?@evil.com", "http://localhost#@evil.com/v1", "file:///etc",
     "localhost:8000", "", "http://", "http://local host/v1", "http://localhost:99999/v1", "http://localhost:x/v1",
     "http://[::1", "http://[localhost]/v1", "http://[v1.localhost]/v1",
     "http://[fe80::1%25eth0]/v1", "http://local\nhost/v1", "//localhost/v1",
     "http://lOCAL\N{KELVIN SIGN}.local/v1", "http://münchen.de/v1",
     "http://localhost\N{FULLWIDTH FULL STOP}evil.com/v1",
     "http://ⓛocalhost/v1", "http://evil.com\x00.local/v1", "http://localhost../v1", "http://gpu_07/v1", "http://localhost;evil.com/v1"],
)  # fmt: skip
def test_addresses_that_are_refused_for_all_data(url):
    with pytest.raises(UserError, match=f"{SECTION}.base_url is not a valid"):
        send(url, "local-server", restricted=())


@pytest.mark.parametrize(
    "host", ["134744072", "2130706433", "0x7f000001", "0x08080808", "127.1", "0177.0.0.1", "010.0.0.1", "127.0.0.0x1",
             "256.256.256.256", "10.0.0.1.2", "example.123", "0"],
)  # fmt: skip
def test_numbers_that_parsers_read_differently_are_refused(host):
    with pytest.raises(UserError, match="neither a host name nor an address of four decimal numbers"):
        send(f"http://{host}/v1", "local-server")


def test_upper_case_and_final_dot_are_the_same_host():
    assert locate("HTTP://LOCALHOST.:8000/v1").host == "localhost"
    send("http://LOCALHOST.:8000/v1", "local-server")
    send("https://API.OpenAI.com./v1", "no-retention-cloud", ["api.openai.com"])


# --- Permission to send text ---


@pytest.mark.parametrize("basis", ["none", "local-server", "no-retention-cloud"])
@pytest.mark.parametrize("url", [CLOUD, LOOPBACK, PRIVATE, "http://api.openai.com/v1", "https://api.deepseek.com"])
def test_open_text_may_be_sent_to_any_server(url, basis):
    send(url, basis, restricted=())


@pytest.mark.parametrize(
    ("url", "basis", "hosts", "reason"),
    [
        (CLOUD, "none", ["api.openai.com"], "no data-use basis"),
        (LOOPBACK, "none", [], "no data-use basis"),
        (PRIVATE, "none", [], "no data-use basis"),
        (CLOUD, "unheard-of", ["api.openai.com"], "no data-use basis"),
        (CLOUD, "local-server", ["api.openai.com"], "at 162.159.140.245; if"),
        ("http://169.254.169.254/v1", "local-server", [], f"{SECTION}.local_hosts"),
        ("http://0.0.0.0:8000/v1", "local-server", [], f"{SECTION}.local_hosts"),
        ("http://cloud.local/v1", "local-server", [], f"{SECTION}.local_hosts"),
        ("http://gpu08:8000/v1", "local-server", [], f"{SECTION}.local_hosts"),
        ("http://half.example.org/v1", "local-server", [], f"{SECTION}.local_hosts"),
        ("http://gpu07.hpc.example.edu:8000/v1", "local-server", [], f"{SECTION}.local_hosts"),
        (LOOPBACK, "local-server", [], None),
        (PRIVATE, "local-server", [], None),
        ("http://gpu07:8000/v1", "local-server", [], None),
        (CLOUD, "no-retention-cloud", [], f"{SECTION}.allowed_hosts"),
        (CLOUD, "no-retention-cloud", ["openai.com", "*", "*.openai.com", CLOUD], f"{SECTION}.allowed_hosts"),
        ("https://eu.api.openai.com/v1", "no-retention-cloud", ["api.openai.com"], f"{SECTION}.allowed_hosts"),
        ("https://cloud.local/v1", "no-retention-cloud", [], f"{SECTION}.allowed_hosts"),
        ("http://api.openai.com/v1", "no-retention-cloud", ["api.openai.com"], "without encryption"),
        (CLOUD, "no-retention-cloud", ["API.openai.com"], None),
        ("https://clinic.openai.azure.com/openai/v1", "no-retention-cloud", ["clinic.openai.azure.com"], None),
        (LOOPBACK, "no-retention-cloud", [], None),
    ],
)
def test_restricted_text_needs_a_basis(url, basis, hosts, reason):
    if reason is None:
        send(url, basis, hosts)
        return
    with pytest.raises(UserError) as error:
        send(url, basis, hosts)
    fixed = (f"{SECTION}.data_use: {basis}", "mimic3", RESTRICTED[0], "Nothing was sent", "docs/data-access.md")
    for part in (*fixed, reason):
        assert part in str(error.value)


def test_a_host_that_the_user_names_is_local():
    send("http://gpu07.hpc.example.edu:8000/v1", "local-server", local_hosts=["gpu07.hpc.example.edu"])


@pytest.mark.parametrize("host", WITHOUT_AGREEMENT)
@pytest.mark.parametrize("prefix", ["", "api."])
@pytest.mark.parametrize("basis", ["local-server", "no-retention-cloud"])
def test_services_without_an_agreement_are_refused_even_if_named(host, prefix, basis, names):
    names[prefix + host] = [PUBLIC_ADDRESS]
    with pytest.raises(UserError, match="use a local server, or a service with a zero-retention agreement"):
        send(f"https://{prefix}{host}/v1", basis, [prefix + host], [prefix + host])


def test_a_host_with_a_similar_suffix_is_not_refused(names):
    names["notdeepseek.com"] = [PUBLIC_ADDRESS]
    send("https://notdeepseek.com/v1", "no-retention-cloud", ["notdeepseek.com"])


def test_the_message_counts_further_reasons():
    with pytest.raises(UserError, match="it is not of the open demo, and 2 more"):
        send(CLOUD, "none", restricted=RESTRICTED * 3)


# --- Keys ---


def test_restricted_text_is_not_stored_in_a_cloud():
    """A batch is stored until it is deleted, which violates zero retention."""
    allowed = {"allowed_hosts": ["8.8.8.8"], "data_use": "no-retention-cloud"}
    send("https://8.8.8.8/v1", **allowed)
    with pytest.raises(UserError, match=rf"a batch is stored there as a file.*set {SECTION}.batch to false.*Nothing"):
        send("https://8.8.8.8/v1", **allowed, stored=True)
    send("https://8.8.8.8/v1", "none", restricted=[], stored=True)
    send("http://10.0.0.1/v1", "local-server", stored=True)
    with pytest.raises(UserError, match="no data-use basis"):
        send("http://10.0.0.1/v1", "none", stored=True)


@pytest.mark.parametrize(
    ("url", "local_hosts", "permitted"),
    [
        (CLOUD, [], True),
        (LOOPBACK, [], True),
        (PRIVATE, [], True),
        ("http://gpu07.hpc.example.edu:8000/v1", ["gpu07.hpc.example.edu"], True),
        ("http://gpu07.hpc.example.edu:8000/v1", [], False),
        ("http://api.openai.com/v1", [], False),
        ("http://cloud.local/v1", [], False),
    ],
)
def test_a_key_is_not_sent_without_encryption(url, local_hosts, permitted, monkeypatch):
    monkeypatch.setenv("TEST_KEY", " sk-secret ")
    destination = locate(url, local_hosts)
    if permitted:
        permit_key(destination, SECTION)
        assert api_key(destination, "TEST_KEY", SECTION) == "sk-secret"
        return
    with pytest.raises(UserError, match=f"{SECTION}.base_url: the API key would reach .* without encryption") as error:
        api_key(destination, "TEST_KEY", SECTION)
    assert "sk-secret" not in str(error.value)


def test_only_a_local_server_may_go_without_a_key(monkeypatch):
    monkeypatch.setenv("TEST_KEY", " ")
    assert api_key(locate(LOOPBACK), "TEST_KEY", SECTION) == ""
    with pytest.raises(UserError, match=rf"TEST_KEY \({SECTION}.api_key_variable\) is empty"):
        api_key(locate(CLOUD), "TEST_KEY", SECTION)
    assert api_key(locate(LOOPBACK), None, SECTION) == ""
    with pytest.raises(UserError, match=rf"{SECTION}.api_key_variable is not set; set it to the name of"):
        api_key(locate(CLOUD), None, SECTION)


# --- Early warnings from the configuration ---


@pytest.mark.parametrize(
    ("host", "data_use", "local"),
    [("api.openai.com", "none", False), ("api.openai.com", "no-retention-cloud", False),
     ("8.8.8.8", "local-server", False),
     ("127.0.0.1", "none", True), ("localhost", "none", True), ("gpu07", "none", True), ("box.local", "none", True),
     ("llm.example.org", "local-server", True), ("gpu07.hpc.example.edu", "none", True)],
)  # fmt: skip
def test_early_warnings_need_no_dns(host, data_use, local, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("a name was looked up"))
    seen = foresee(f"https://{host}/v1", data_use, ["gpu07.hpc.example.edu"], SECTION)
    assert (seen.host, seen.local, seen.https) == (host, local, True)


def test_early_warnings_refuse_invalid_addresses():
    with pytest.raises(UserError, match=f"{SECTION}.base_url"):
        foresee("localhost:8000", "local-server", section=SECTION)


@pytest.mark.parametrize(
    ("source", "notes", "expected"),
    [("folder", None, "folder"), ("folder", "synthetic", "folder"), ("synthetic", None, "synthetic"),
     ("open-demo", "synthetic", "open-demo"), ("open-demo", None, "folder"), ("open-demo", "notes", "folder")],
)  # fmt: skip
def test_your_own_notes_are_restricted(source, notes, expected):
    others = {"release": None, "test_list": None, "validation_list": None}
    assert Dataset(source=source, raw="raw", notes=notes, **others).text_source == expected
    assert open_by_config(expected) == (expected != "folder")


def test_unknown_sources_are_restricted():
    assert open_by_config("public") and not open_by_config("anything-new")
