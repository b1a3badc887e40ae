"""Write the environment files from requirements.yaml, the running environment and the package index.

Run it (`make lock`) after changing requirements.yaml and installing the change. Versions are those of the running
environment, so what is tested is what is shipped. Data that this environment lacks comes from the index and is kept in
index.yaml: the hashes of the archives, the CUDA packages of PyPI's torch, and what pip resolves for environments that
conflict with this one. Only what index.yaml lacks is requested. `--check` uses no network, writes nothing and fails if
any file differs from what would be written.
"""

import html
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from importlib.metadata import distribution
from pathlib import Path
from urllib.parse import urljoin
from urllib.request import Request, urlopen

import yaml
from packaging.metadata import Metadata
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version

HERE = Path(__file__).parent
HEADER = "# Made by envs/lock.py from requirements.yaml: edit that, then `make lock`.\n"
ABOUT_INDEX = """\
# Kept by envs/lock.py (`make lock`): data that only the package index has.
# hashes: SHA-256 of every archive of a pin that CPython 3.11 can install on Linux (glibc) or macOS.
# cuda: requirements of PyPI's torch on Linux in addition to those of its CPU build.
# apart: what pip resolves for a separate environment, on Linux (x86-64), from what is asked.
"""
# The distribution that has more requirements on PyPI than in a CPU build.
TORCH = "torch"
CUDA_MACHINE = {"platform_system": "Linux", "sys_platform": "linux", "platform_machine": "x86_64"}


def closure(names: list[str]) -> dict[str, str]:
    """Return the installed versions of distributions and of all that they require, by name as published."""
    versions: dict[str, str] = {}
    waiting = [Requirement(name) for name in names]
    seen: set[tuple[str, str]] = set()
    while waiting:
        requirement = waiting.pop()
        dist = distribution(requirement.name)
        # A local label such as +cpu belongs to the index it came from, not to the pin.
        versions[dist.metadata["Name"]] = dist.version.split("+")[0]
        for extra in ("", *requirement.extras):
            if (key := (canonicalize_name(requirement.name), extra)) not in seen:
                seen.add(key)
                needed = (Requirement(text) for text in dist.requires or [])
                waiting += [r for r in needed if r.marker is None or r.marker.evaluate({"extra": extra})]
    return dict(sorted(versions.items(), key=lambda item: item[0].lower()))


def archives(name: str) -> dict[Version, dict[str, str]]:
    """Return the URLs of the archives on the index that CPython 3.11 can install, by version and file name.

    A URL ends with `#sha256=...`.
    """
    index = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple").rstrip("/")
    page = f"{index}/{canonicalize_name(name)}/"
    with urlopen(Request(page, headers={"Accept": "text/html"}), timeout=60) as response:
        text = response.read().decode()
    urls: dict[Version, dict[str, str]] = {}
    for address, file in re.findall(r'<a\s[^>]*?href="([^"]+)"[^>]*>\s*([^<]+?)\s*</a>', text):
        try:
            if file.endswith(".whl"):
                _, version, _, tags = parse_wheel_filename(file)
                fits = any(_installable(tag.interpreter, tag.abi, tag.platform) for tag in tags)
            else:
                (_, version), fits = parse_sdist_filename(file), True
        except (InvalidWheelFilename, InvalidSdistFilename):
            continue  # names of old releases, which no pin uses
        if fits:
            urls.setdefault(version, {})[file] = urljoin(page, html.unescape(address))
    return urls


def _installable(interpreter: str, abi: str, platform: str) -> bool:
    python = re.fullmatch(r"(?:py|cp)3(\d*)", interpreter)
    if python is None or not (platform == "any" or platform.startswith(("manylinux", "linux", "macosx"))):
        return False
    return interpreter == "cp311" or (abi in ("none", "abi3") and int(python[1] or 0) <= 11)


def hashes_of(name: str, version: str) -> list[str]:
    """Return the SHA-256 of every installable archive of a release, sorted."""
    files = archives(name).get(Version(version), {})
    hashes = [url.partition("#sha256=")[2] for url in files.values()]
    if not hashes or not all(hashes):
        sys.exit(f"{name} {version}: the index has no such release, or no SHA-256 of its archives; change the pin")
    return sorted(hashes)


class _Remote(io.RawIOBase):
    """A file on a server, read in pieces on demand: CUDA wheels have hundreds of MB."""

    def __init__(self, address: str) -> None:
        self.address, self.place = address.partition("#")[0], 0
        with urlopen(Request(self.address, method="HEAD"), timeout=60) as response:
            self.size = int(response.headers["Content-Length"])

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.place, io.SEEK_END: self.size}[whence]
        return self.place

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        last = min(self.place + len(buffer), self.size) - 1
        if last < self.place:
            return 0
        with urlopen(Request(self.address, headers={"Range": f"bytes={self.place}-{last}"}), timeout=60) as response:
            if response.status != 206:
                sys.exit(f"{self.address}: the server does not support ranges; set PIP_INDEX_URL to another index")
            piece = response.read()
        buffer[: len(piece)] = piece
        self.place += len(piece)
        return len(piece)


def requires(files: dict[str, str]) -> list[Requirement]:
    """Return the requirements of a release, from the metadata of one of its wheels (preferably Linux on x86-64)."""
    wheel = min((f for f in files if f.endswith(".whl")), key=lambda f: ("x86_64" not in f, "any" not in f, f))
    with zipfile.ZipFile(io.BufferedReader(_Remote(files[wheel]), 2**18)) as archive:
        path = next(n for n in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", n))
        return Metadata.from_email(archive.read(path), validate=False).requires_dist or []


def cuda_of(torch: str, held: set[str]) -> dict[str, str]:
    """Return pins for what PyPI's torch requires on Linux in addition to the distributions in `held`.

    Each is the newest release that all requirements allow, as pip would choose; it is an error if there is none.
    """
    limits: dict[str, SpecifierSet] = {}
    pins: dict[str, str] = {}
    seen: set[tuple[str, str, frozenset[str]]] = set()
    waiting = requires(archives(TORCH)[Version(torch)])
    waiting = [r for r in waiting if r.marker is None or r.marker.evaluate({"extra": "", **CUDA_MACHINE})]
    while waiting:
        requirement = waiting.pop(0)
        name = canonicalize_name(requirement.name)
        if name in held:
            continue
        limits[name] = limits.get(name, SpecifierSet()) & requirement.specifier
        releases = archives(name)
        allowed = list(limits[name].filter(releases, prereleases=False))
        if not allowed:
            sys.exit(f"{name}: no release satisfies {limits[name]}, which torch {torch} requires")
        pins[name] = str(max(allowed))
        if (key := (name, pins[name], frozenset(requirement.extras))) not in seen:
            seen.add(key)
            for needed in requires(releases[max(allowed)]):
                extras = ("", *requirement.extras)
                if needed.marker is None or any(needed.marker.evaluate({"extra": e, **CUDA_MACHINE}) for e in extras):
                    waiting.append(needed)
    return dict(sorted(pins.items()))


def resolved(requirements: list[str]) -> dict[str, str]:
    """Return the versions that pip would install into an empty environment for these requirements.

    Nothing is installed, and only the metadata of wheels is read.
    """
    options = ["--dry-run", "--ignore-installed", "--only-binary", ":all:", "--quiet", "--report", "-"]
    command = [sys.executable, "-m", "pip", "install", *options, *requirements]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if run.returncode:
        sys.exit(f"pip finds no versions for {', '.join(requirements)}")
    packages = [item["metadata"] for item in json.loads(run.stdout)["install"]]
    pins = {package["name"]: package["version"].split("+")[0] for package in packages}
    return dict(sorted(pins.items(), key=lambda item: item[0].lower()))


def asked_apart(declared: dict, name: str) -> list[str]:
    """Return the requirements of an environment that is resolved separately."""
    apart = declared["apart"][name]
    shared = sorted({*declared["runtime"], *declared["stages"][apart["stage"]]})
    pinned = [n if n in apart["free"] else f"{n}=={declared['versions'][n]}" for n in shared]
    return [*apart["requirements"], *pinned]


def apart_for(declared: dict, kept: dict, ask: bool) -> dict:
    """Return requirements and pins of the environments that are resolved separately."""
    resolutions = {}
    for name in declared["apart"]:
        asked, resolution = asked_apart(declared, name), kept.get("apart", {}).get(name, {})
        if resolution.get("asked") != asked:
            if not ask:
                sys.exit(f"envs: index.yaml has no resolution of {name} for requirements.yaml: run `make lock`")
            resolution = {"asked": asked, "pins": resolved(asked)}
        resolutions[name] = resolution
    return resolutions


def index_for(union: dict[str, str], apart: dict, kept: dict, ask: bool) -> dict:
    """Return the index data of these pins: kept data, and the rest from the network if `ask`."""
    torch = next(version for name, version in union.items() if canonicalize_name(name) == TORCH)
    cuda = kept.get("cuda", {})
    if cuda.get("torch") != torch:
        if not ask:
            sys.exit(f"envs: index.yaml is not for torch {torch}: run `make lock`")
        cuda = {"torch": torch, "needs": cuda_of(torch, {canonicalize_name(name) for name in union})}
    hashes = {}
    sources = (union, cuda["needs"], *(resolution["pins"] for resolution in apart.values()))
    pins = {pin for source in sources for pin in source.items()}
    for name, version in sorted(pins, key=lambda pin: (pin[0].lower(), Version(pin[1]))):
        pin = f"{name}=={version}"
        if pin not in kept.get("hashes", {}) and not ask:
            sys.exit(f"envs: index.yaml has no hashes of {pin}: run `make lock`")
        hashes[pin] = kept.get("hashes", {}).get(pin) or hashes_of(name, version)
    return {"cuda": cuda, "apart": apart, "hashes": hashes}


def conda_file(declared: dict, pins: dict[str, str], cuda: dict[str, str], index: dict) -> str:
    """Return a conda environment file: Python and pip from conda-forge, the rest by pip with hashes.

    `cuda` are pins for Linux only.
    """
    lines = [
        *HEADER.splitlines(),
        "channels:",
        "- conda-forge",
        "dependencies:",
        f"- conda-forge::python={declared['python']}",
        f"- conda-forge::pip={declared['pip']}",
        "- pip:",
    ]
    for name, version in sorted((pins | cuda).items(), key=lambda item: item[0].lower()):
        marker = ' ; platform_system == "Linux"' if name in cuda else ""
        lines.append(f"  - {name}=={version}{marker}")
        # YAML joins these lines with spaces, so pip reads a single requirement.
        lines += [f"    --hash=sha256:{digest}" for digest in index["hashes"][f"{name}=={version}"]]
    return "\n".join(lines) + "\n"


def files(declared: dict, kept: dict, ask: bool) -> dict[Path, str]:
    """Return path and content of every environment file."""
    stages = {stage: closure([*declared["runtime"], *packages]) for stage, packages in declared["stages"].items()}
    direct = [name for packages in declared["stages"].values() for name in packages]
    union = closure([*declared["runtime"], *direct, *declared["runner"], *declared["tests"]])
    held = {canonicalize_name(name): version for name, version in union.items()}
    for name, version in declared["versions"].items():
        if held.get(canonicalize_name(name)) != version:
            installed = held.get(canonicalize_name(name))
            sys.exit(f"requirements.yaml asks for {name} {version}, but {installed} is installed: install it first")
    index = index_for(union, apart_for(declared, kept, ask), kept, ask)
    cuda = index["cuda"]["needs"]
    contents = {
        HERE / f"{stage}.yaml": conda_file(declared, pins, cuda if TORCH in pins else {}, index)
        for stage, pins in stages.items()
    }
    contents |= {
        HERE / f"{name}.yaml": conda_file(declared, r["pins"], {}, index) for name, r in index["apart"].items()
    }
    pins = "".join(f"{name}=={version}\n" for name, version in union.items())
    # A constraint installs nothing by itself, so the same file serves torch with and without CUDA.
    contents[HERE / "all.txt"] = f"{HEADER}--constraint cuda.txt\n{pins}"
    contents[HERE / "cuda.txt"] = HEADER + "".join(f"{n}=={version}\n" for n, version in cuda.items())
    contents[HERE / "index.yaml"] = ABOUT_INDEX + yaml.safe_dump(index, sort_keys=False, width=120)
    return contents


def main() -> None:
    """Write the files, or with --check compare them."""
    check = "--check" in sys.argv[1:]
    declared = yaml.safe_load((HERE / "requirements.yaml").read_text(encoding="utf-8"))
    index = HERE / "index.yaml"
    kept = yaml.safe_load(index.read_text(encoding="utf-8")) if index.is_file() else {}
    contents = files(declared, kept, ask=not check)
    if check:
        stale = [p.name for p, text in contents.items() if not p.is_file() or p.read_text(encoding="utf-8") != text]
        if stale:
            sys.exit(f"envs: {', '.join(stale)} differ from requirements.yaml and this environment: run `make lock`")
        return
    for path, text in contents.items():
        # A new timestamp of a file of pins makes `make` reinstall everything.
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
