"""Secrets, addresses and paths planted into files of a release are found."""

import json

import pytest
from attacks import SECRETS, kinds, scan


@pytest.mark.parametrize("way", SECRETS)
@pytest.mark.parametrize("name", ["a.md", "a.json", "results/.records/a.csv.json"])
def test_a_secret_is_found(sources, way, name):
    kind, text = SECRETS[way]
    text = text if name == "a.md" else json.dumps({"command": ["x", text]})
    known = {"secrets": {"MY_KEY": "correct-horse/battery staple"}, "places": {"the home directory": "/home/jane"}}
    assert kind in kinds(sources, name, text, **known)


def test_keys_of_other_services(sources):
    for key in ("hf_" + "a" * 30, "AKIA" + "A1B2C3D4E5F6G7H8", "ghp_" + "a" * 36):
        assert kinds(sources, "a.md", f"x {key} y") == {"secret"}


def test_mail_addresses_of_the_citation_and_of_nobody_are_no_secret(sources):
    tracked = {"CITATION.cff": "email: us@lab.org", "docs/a.md": "mail us@lab.org, x@example.org, y@sub.example.com"}
    assert scan(sources, {"a.md": "us@lab.org or git@github.com"}, tracked).findings == []
    found = scan(sources, {"a.md": "jane@lab.org"}, {"docs/a.md": "ask jane@lab.org"} | tracked).findings
    assert [(one.file, one.kind) for one in found] == [("a.md", "e-mail address")]
    found = scan(sources, {"a.md": "jane@lab.org"}, {"docs/b.md": "ask jane@lab.org"} | tracked).findings
    assert [(one.file, one.kind) for one in found] == [("a.md", "e-mail address"), ("docs/b.md", "e-mail address")]


def test_folders_of_the_machine_are_found_in_tracked_files(sources):
    known = {"places": {"raw files (raw/mimic3)": "/data/physionet/mimic3"}}
    (found,) = scan(sources, {}, {"config.yaml": "raw: /data/physionet/mimic3\n"}, **known).findings
    assert found.file == "config.yaml" and found.kind == "path of raw files (raw/mimic3)"


@pytest.mark.parametrize(
    "host", ["localhost", "gpu7", "gpu7.local", "a.internal", "x.lan", "10.1.2.3", "127.0.0.1", "192.168.0.7", "[::1]",
             "[fd00::1]", "llm.hospital.org:8000"],
)  # fmt: skip
def test_addresses_of_servers_of_ones_own_are_places(sources, host):
    for text in (f"http://{host}/v1", f"see https://{host}", json.dumps({"base_url": f"https://{host}/v1"})):
        assert kinds(sources, "a.md", text) == {"private server"}
        assert scan(sources, {}, {"docs/a.md": text}).findings == []
    public = "https://w3id.org/x, http://8.8.8.8/, https://api.openai.com/v1: 12, https://en.wikipedia.org."
    assert kinds(sources, "a.md", public) == set()


def test_made_up_keys_of_tests_are_none(sources):
    tracked = {"tests/x.py": "KEY = 'sk-abcdefghijklmnop1234'"}
    (found,) = scan(sources, {}, {"scripts/x.py": tracked["tests/x.py"]}).findings
    assert found.kind == "secret"
    known = {"secrets": {"K": "sk-abcdefghijklmnop1234"}}
    assert [f.kind for f in scan(sources, {}, {"tests/x.py": tracked["tests/x.py"]}, **known).findings] == [
        "value of K"
    ]


def test_a_folder_whose_name_begins_alike_is_another(sources):
    assert (
        kinds(sources, "a.md", "/home/janet/x and /mnt/home/jane2 and {out}/home/jane", places={"home": "/home/jane"})
        == set()
    )
