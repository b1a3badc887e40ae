"""Every environment is exact and enough, and no file of them can be changed by hand unnoticed."""

import ast
import hashlib
import importlib.util
import io
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.utils import canonicalize_name
from pytest_httpserver import HTTPServer
from runs import ROOT, environment
from werkzeug import Request, Response

from clinragen.provenance.digest import SCRIPTS, closure

WANTED = yaml.safe_load((ROOT / "envs/requirements.yaml").read_text(encoding="utf-8"))
STAGES = sorted(WANTED["stages"])
# Environments that are resolved separately.
APART = sorted(WANTED["apart"])
TWIN = re.compile(r"^ *use rule (\w+) as \1_served with:", re.MULTILINE)


def pip_section(stage: str) -> list[str]:
    """What conda gives to pip, a requirement a line."""
    environment = yaml.safe_load((ROOT / f"envs/{stage}.yaml").read_text(encoding="utf-8"))
    return environment["dependencies"][-1]["pip"]


def names(stage: str) -> set[str]:
    return {canonicalize_name(line.split("==")[0]) for line in pip_section(stage)}


@pytest.mark.parametrize("stage", [*STAGES, *APART])
def test_every_requirement_is_an_exact_pin_with_the_hashes_of_its_archives(stage):
    pin = re.compile(r'[A-Za-z][\w.-]*==[\w.]+( ; platform_system == "Linux")?( --hash=sha256:[0-9a-f]{64})+')
    for line in pip_section(stage):
        assert pin.fullmatch(line), line
    environment = yaml.safe_load((ROOT / f"envs/{stage}.yaml").read_text(encoding="utf-8"))
    assert environment["channels"] == ["conda-forge"]
    for line in environment["dependencies"][:-1]:
        assert re.fullmatch(r"conda-forge::(python|pip)=\d+(\.\d+)+", line)


def test_all_environments_are_of_one_resolution():
    pins = {line.split(" ")[0] for stage in STAGES for line in pip_section(stage)}
    lines = [p for file in ("all", "cuda") for p in (ROOT / f"envs/{file}.txt").read_text(encoding="utf-8").split("\n")]
    assert pins <= set(lines)
    assert len({pin.split("==")[0] for pin in pins}) == len(pins)


@pytest.mark.parametrize("stage", [*STAGES, *APART])
def test_all_that_a_stage_imports_is_in_its_environment(stage):
    """The demo runs no client of a remote service, so that what it imports is not all that a rule may."""
    scripts = [script for script in SCRIPTS.glob("*_*.py") if environment(script.stem) == stage]
    if stage == "serve":
        twins = (name for path in (ROOT / "rules").glob("*.smk") for name in TWIN.findall(path.read_text("utf-8")))
        scripts = [SCRIPTS / f"{name}.py" for name in twins]
    files = {f for script in scripts for f in closure(script)}
    files |= set((SCRIPTS / "clinragen/runtime").glob("*.py"))
    imported = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(node.module.split(".")[0])
    from_where = packages_distributions()
    outside = imported - set(sys.stdlib_module_names) - {"clinragen"}
    assert outside and all(module in from_where for module in outside)
    for module in outside:
        assert {canonicalize_name(name) for name in from_where[module]} & names(stage), f"{stage} lacks {module}"


def test_a_served_model_is_asked_in_the_versions_in_which_asking_is_tested():
    shared = {line.split(" ")[0] for line in pip_section("serve")}
    stage = {*WANTED["runtime"], *WANTED["stages"]["rationale"]} - set(WANTED["apart"]["serve"]["free"])
    assert {f"{name}=={WANTED['versions'][name]}".lower() for name in stage} <= {pin.lower() for pin in shared}
    assert set(WANTED["apart"]["serve"]["requirements"]) <= shared


def test_only_the_stages_with_torch_have_cuda():
    for stage in STAGES:
        assert ("torch" in names(stage)) == ("nvidia-cublas" in names(stage)) == ("triton" in names(stage)), stage


@pytest.fixture
def envs(tmp_path) -> Path:
    """A copy of the directory, to be changed by hand."""
    return Path(shutil.copytree(ROOT / "envs", tmp_path / "envs", ignore=shutil.ignore_patterns("__pycache__")))


def check(envs: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The check of `make lint`, with an index that nobody serves: it uses no network."""
    return subprocess.run(
        [sys.executable, envs / "lock.py", "--check"],
        env={"PIP_INDEX_URL": "http://127.0.0.1:9/simple"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_the_files_are_as_the_lock_writes_them(envs):
    assert check(envs).returncode == 0


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("extract.yaml", "duckdb==2.0.0", "duckdb==2.0.1", "extract.yaml differ"),
        ("extract.yaml", "--hash=sha256:", "--hash=sha256:00", "extract.yaml differ"),
        ("train.yaml", "triton==3.7.1", "triton==3.7.0", "train.yaml differ"),
        ("audit.yaml", "python=3.11.15", "python=3.11", "audit.yaml differ"),
        ("all.txt", "tqdm==", "tqdm>=", "all.txt differ"),
        ("cuda.txt", "nvidia-cublas==", "nvidia-cublas>=", "cuda.txt differ"),
        ("index.yaml", "duckdb==2.0.0", "duckdb==2.0.1", "no hashes of duckdb==2.0.0"),
        ("requirements.yaml", "  duckdb: 2.0.0", "  duckdb: 2.0.1", "asks for duckdb 2.0.1"),
        ("requirements.yaml", "extract: [duckdb]", "extract: [duckdb, pandas]", "extract.yaml differ"),
        ("requirements.yaml", "vllm==0.33.0", "vllm==0.33.1", "no resolution of serve"),
        ("serve.yaml", "vllm==0.33.0", "vllm==0.32.0", "serve.yaml differ"),
    ],
)
def test_a_file_that_was_edited_by_hand_fails_the_check(envs, file, old, new, message):
    replaced(envs / file, old, new)
    run = check(envs)
    assert run.returncode == 1 and message in run.stderr and "Traceback" not in run.stderr


def test_an_environment_that_holds_other_versions_fails_the_check(envs, tmp_path):
    upgraded = tmp_path / "site/idna-9999.0.dist-info"
    upgraded.mkdir(parents=True)
    (upgraded / "METADATA").write_text("Metadata-Version: 2.1\nName: idna\nVersion: 9999.0\n", encoding="utf-8")
    run = check(envs, PYTHONPATH=str(upgraded.parent))
    assert run.returncode == 1 and "idna==9999.0" in run.stderr


class Index:
    """A package index with wheels that contain only metadata."""

    def __init__(self, server: HTTPServer) -> None:
        self.files: dict[str, bytes] = {}
        self.url = server.url_for("/simple")
        server.expect_request(re.compile("/simple/.*")).respond_with_handler(self._page)
        server.expect_request(re.compile("/files/.*")).respond_with_handler(self._file)

    def add(self, file: str, *requires: str) -> str:
        """Publish a wheel; returns its SHA-256."""
        name, version, *_ = file.split("-")
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w") as wheel:
            lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
            wheel.writestr(
                f"{name}-{version}.dist-info/METADATA", "\n".join(lines + [f"Requires-Dist: {r}" for r in requires])
            )
            wheel.writestr(f"{name}-{version}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n")
        self.files[file] = content.getvalue()
        return hashlib.sha256(content.getvalue()).hexdigest()

    def _page(self, request: Request) -> Response:
        name = request.path.strip("/").split("/")[-1]
        found = [f for f in self.files if canonicalize_name(f.split("-")[0]) == name]
        links = (f'<a href="/files/{f}#sha256={hashlib.sha256(self.files[f]).hexdigest()}">{f}</a>' for f in found)
        return Response("<html>" + "<br>".join(links) + "</html>", content_type="text/html")

    def _file(self, request: Request) -> Response:
        content = self.files[request.path.split("/")[-1]]
        response = Response(content, content_type="application/octet-stream", headers={"Accept-Ranges": "bytes"})
        return response.make_conditional(request, accept_ranges=True, complete_length=len(content))


@pytest.fixture
def lock():
    spec = importlib.util.spec_from_file_location("lock", ROOT / "envs/lock.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def index(httpserver, monkeypatch) -> Index:
    served = Index(httpserver)
    monkeypatch.setenv("PIP_INDEX_URL", served.url)
    return served


def test_the_hashes_are_those_of_the_archives_for_this_python(lock, index):
    fit = [
        index.add("toy-1.0-cp311-cp311-manylinux_2_28_x86_64.whl"),
        index.add("toy-1.0-cp39-abi3-macosx_11_0_arm64.whl"),
        index.add("toy-1.0-py2.py3-none-any.whl"),
    ]
    for other in ("1.0-cp312-cp312-manylinux_2_28_x86_64", "1.0-cp311-cp311-win_amd64", "1.1-py3-none-any"):
        index.add(f"toy-{other}.whl")
    index.add("toy-1.0-cp312-abi3-manylinux_2_28_x86_64.whl")
    assert lock.hashes_of("toy", "1.0") == sorted(fit)
    with pytest.raises(SystemExit, match=r"toy 1\.2"):
        lock.hashes_of("toy", "1.2")


def test_what_conflicts_is_resolved_by_pip_on_its_own(lock, index, monkeypatch):
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    index.add("server-2.0-py3-none-any.whl", "shared<3", "inner>=1")
    index.add("inner-1.5-py3-none-any.whl")
    for version in ("2.0", "2.5", "3.0"):
        index.add(f"shared-{version}-py3-none-any.whl")
    assert lock.resolved(["server==2.0", "shared"]) == {"inner": "1.5", "server": "2.0", "shared": "2.5"}
    with pytest.raises(SystemExit, match=r"pip finds no versions for server==2\.0, shared==3\.0"):
        lock.resolved(["server==2.0", "shared==3.0"])


def test_what_torch_needs_beside_its_cpu_build_is_resolved_as_pip_would(lock, index):
    index.add(
        "torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl",
        "held>=1",
        'cuda-toolkit[blas]==13.0.3; platform_system == "Linux"',
        'bindings<14,>=13; platform_system == "Linux"',
        'other; platform_system == "Darwin"',
        'test-tool; extra == "tests"',
    )
    index.add("cuda_toolkit-13.0.3.0-py3-none-any.whl", "blas==13.1.*; extra == 'blas'", "npp; extra == 'npp'")
    for version in ("13.1.2", "13.1.5", "13.2.0"):
        index.add(f"blas-{version}-py3-none-manylinux_2_27_x86_64.whl", "link")
    for version in ("13.0", "13.9", "14.0", "13.10rc1"):
        index.add(f"bindings-{version}-cp311-cp311-manylinux_2_27_x86_64.whl", "link>=1")
    for version in ("1.0", "2.0"):
        index.add(f"link-{version}-py3-none-any.whl")
    assert lock.cuda_of("2.13.0", {"held"}) == {
        "bindings": "13.9",
        "blas": "13.1.5",
        "cuda-toolkit": "13.0.3.0",
        "link": "2.0",
    }
    index.add("bindings-13.9-cp311-cp311-manylinux_2_27_x86_64.whl", "link>=3")
    with pytest.raises(SystemExit, match="link: no release"):
        lock.cuda_of("2.13.0", {"held"})
