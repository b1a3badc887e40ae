"""The download of the open demos, against a server on this machine."""

import gzip
import hashlib
import inspect
import subprocess
import sys
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from clinragen.demo import download
from clinragen.demo.download import download_tables
from clinragen.errors import UserError
from clinragen.registry.checksums import read_checksums
from clinragen.registry.raw import DECLARATION, declaration
from clinragen.step import Out
from demo_download import demo_download

ROOT = Path(__file__).parents[2]
PINNED = ROOT / "resources" / "demo" / "open_demo_sha256.txt"
TABLE = b"row_id,subject_id\n1,10006\n" * 1000
PACKED = gzip.compress(TABLE, 1, mtime=1)


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Release:
    """A release on loopback; `faults` gives, per file, what the next answers do wrong."""

    def __init__(self) -> None:
        self.files = {"PATIENTS.csv": TABLE, "hosp/patients.csv.gz": PACKED}
        self.files["SHA256SUMS.txt"] = "".join(f"{sha(c)} {name}\n" for name, c in self.files.items()).encode()
        self.faults: dict[str, list[str]] = {}
        self.asked: Counter[str] = Counter()
        release = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.removeprefix("/demo/")
                release.asked[name] += 1
                fault = release.faults[name].pop(0) if release.faults.get(name) else ""
                content = release.files.get(name)
                if content is None or fault.isdigit():
                    self.send_error(int(fault or 404))
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: len(content) // 2] if fault == "truncated" else content)

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/demo/"


@pytest.fixture
def release():
    made = Release()
    yield made
    made.server.shutdown()
    made.server.server_close()


def fetch(release: Release, directory: Path, pinned: dict[str, str] | None = None) -> Path:
    target = directory / "PATIENTS.csv.gz"
    download_tables(release.url, {"PATIENTS": target}, pinned or {}, wait_seconds=0)
    return target


def test_a_table_is_packed_the_same_each_time(release, tmp_path):
    first = fetch(release, tmp_path, {"PATIENTS.csv": sha(TABLE)})
    assert gzip.decompress(first.read_bytes()) == TABLE
    before = first.read_bytes()
    assert fetch(release, tmp_path).read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["PATIENTS.csv.gz"]


def test_a_table_that_is_published_compressed_keeps_its_bytes(release, tmp_path):
    target = tmp_path / "patients.csv.gz"
    download_tables(release.url, {"hosp/patients": target}, {"hosp/patients.csv.gz": sha(PACKED)}, wait_seconds=0)
    assert target.read_bytes() == PACKED
    with pytest.raises(UserError, match=r"lists hosp/patients\.csv\.gz as .*expected"):
        download_tables(release.url, {"hosp/patients": target}, {"hosp/patients.csv.gz": "0" * 64}, wait_seconds=0)


@pytest.mark.parametrize("dataset", ["mimic3", "mimic4"])
def test_the_step_names_each_table_as_the_release_does(dataset, release, tmp_path):
    tables = {t: facts["file"] for t, facts in declaration()[dataset]["tables"].items() if t in arguments_of_step()}
    suffix = ".csv" if dataset == "mimic3" else ".csv.gz"
    release.files |= {f"{file}{suffix}": PACKED if suffix == ".csv.gz" else TABLE for file in tables.values()}
    listed = (f"{sha(content)} {name}\n" for name, content in release.files.items())
    release.files["SHA256SUMS.txt"] = "".join(listed).encode()
    (tmp_path / "pinned.txt").write_text("")
    flags = [x for t in tables for x in (f"--{t.replace('_', '-')}", tmp_path / dataset / f"{tables[t]}.csv.gz")]
    flags += ["--pinned", tmp_path / "pinned.txt", "--raw-tables", DECLARATION]
    flags += ["--dataset", dataset, "--base-url", release.url]
    subprocess.run([sys.executable, ROOT / "scripts/demo_download.py", *flags], check=True, capture_output=True)
    assert len(tables) == 9
    for file in tables.values():
        assert gzip.decompress((tmp_path / dataset / f"{file}.csv.gz").read_bytes()) == TABLE


def arguments_of_step() -> set[str]:
    return {name for name, kind in inspect.get_annotations(demo_download, eval_str=True).items() if kind is Out}


@pytest.mark.parametrize("fault", ["503", "429", "truncated"])
def test_a_passing_failure_is_retried(release, tmp_path, fault):
    release.faults = {"PATIENTS.csv": [fault, fault]}
    assert gzip.decompress(fetch(release, tmp_path).read_bytes()) == TABLE
    assert release.asked["PATIENTS.csv"] == 3


def test_a_truncated_answer_never_becomes_a_file(release, tmp_path):
    release.faults = {"PATIENTS.csv": ["truncated"] * download.ATTEMPTS}
    with pytest.raises(UserError, match=rf"PATIENTS\.csv: .*{len(TABLE) // 2} of {len(TABLE)} bytes.*make demo"):
        fetch(release, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_file_never_becomes_a_file(release, tmp_path):
    release.files["PATIENTS.csv"] = TABLE.replace(b"10006", b"10007")
    with pytest.raises(UserError, match=r"PATIENTS\.csv: has SHA-256 .*the release lists"):
        fetch(release, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_release_that_is_not_the_known_one_is_refused_before_its_download(release, tmp_path):
    with pytest.raises(UserError, match=r"SHA256SUMS\.txt: lists PATIENTS\.csv as .*expected"):
        fetch(release, tmp_path, {"PATIENTS.csv": "0" * 64})
    assert release.asked["PATIENTS.csv"] == 0


def test_a_missing_file_is_reported_at_once_with_url_and_remedy(release, tmp_path):
    del release.files["PATIENTS.csv"]
    with pytest.raises(UserError, match=r"http://127.*/PATIENTS\.csv: HTTP status 404.*manually"):
        fetch(release, tmp_path)
    assert release.asked["PATIENTS.csv"] == 1


def test_a_table_that_the_release_does_not_list_is_refused(release, tmp_path):
    release.files["SHA256SUMS.txt"] = b""
    with pytest.raises(UserError, match=r"does not list PATIENTS\.csv"):
        fetch(release, tmp_path)


def test_an_unreachable_server_is_reported_with_url_and_remedy(tmp_path, release):
    release.server.shutdown()
    release.server.server_close()
    with pytest.raises(UserError, match=r"SHA256SUMS\.txt: .*after 4 attempts.*make demo"):
        fetch(release, tmp_path)


def test_known_checksums_are_whole():
    known = read_checksums(PINNED.read_text())
    assert len(known) == 11
    assert all(name.endswith(".csv") and len(digest) == 64 for name, digest in known.items())
    assert not {"CHARTEVENTS.csv", "LABEVENTS.csv"} & known.keys()
