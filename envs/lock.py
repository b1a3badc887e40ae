"""Write the environment files from requirements.yaml, the running environment and the package index.

Run it (`make lock`) after changing requirements.yaml and installing the change. Versions are those that the running
environment holds, so what is tested is what is shipped. What this environment cannot tell comes from the index and is
kept in index.yaml: the hashes of the archives, the CUDA packages of PyPI's torch, and what pip resolves for
environments that conflict with this one. Only what index.yaml lacks is asked for. `--check` uses no network, writes
nothing and fails where any file differs from what would be written.
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
# Kept by envs/lock.py (`make lock`): what only the package index can tell.
# hashes: SHA-256 of every archive of a pin that CPython 3.11 can install on Linux (glibc) or macOS.
# cuda: what this torch from PyPI needs on Linux beside what its CPU build needs.
# apart: what pip resolves for an environment of its own, on Linux (x86-64), from what is asked.
"""
# The distribution that needs more on PyPI than in a CPU build.
TORCH = "torch"
CUDA_MACHINE = {"platform_system": "Linux", "sys_platform": "linux", "platform_machine": "x86_64"}


def closure(names: list[str]) -> dict[str, str]:
    """Exact versions of distributions and all that they require here, by name as published."""
    found: dict[str, str] = {}
    waiting = [Requirement(name) for name in names]
    seen: set[tuple[str, str]] = set()
    while waiting:
        wanted = waiting.pop()
        dist = distribution(wanted.name)
        # A local label such as +cpu belongs to the index it came from, not to the pin.
        found[dist.metadata["Name"]] = dist.version.split("+")[0]
        for extra in ("", *wanted.extras):
            if (key := (canonicalize_name(wanted.name), extra)) not in seen:
                seen.add(key)
                needed = (Requirement(text) for text in dist.requires or [])
                waiting += [r for r in needed if r.marker is None or r.marker.evaluate({"extra": extra})]
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def archives(name: str) -> dict[Version, dict[str, str]]:
    """Archives of a distribution on the index that CPython 3.11 can install here: per version, address by file name.

    The address ends with `#sha256=...`.
    """
    index = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple").rstrip("/")
    page = f"{index}/{canonicalize_name(name)}/"
    with urlopen(Request(page, headers={"Accept": "text/html"}), timeout=60) as answer:
        text = answer.read().decode()
    found: dict[Version, dict[str, str]] = {}
    for address, file in re.findall(r'<a\s[^>]*?href="([^"]+)"[^>]*>\s*([^<]+?)\s*</a>', text):
        try:
            if file.endswith(".whl"):
                _, version, _, tags = parse_wheel_filename(file)
                fits = any(_installable(tag.interpreter, tag.abi, tag.platform) for tag in tags)
            else:
                (_, version), fits = parse_sdist_filename(file), True
        except (InvalidWheelFilename, InvalidSdistFilename):
            continue  # names of old releases, which no pin asks for
        if fits:
            found.setdefault(version, {})[file] = urljoin(page, html.unescape(address))
    return found


def _installable(interpreter: str, abi: str, platform: str) -> bool:
    python = re.fullmatch(r"(?:py|cp)3(\d*)", interpreter)
    if python is None or not (platform == "any" or platform.startswith(("manylinux", "linux", "macosx"))):
        return False
    return interpreter == "cp311" or (abi in ("none", "abi3") and int(python[1] or 0) <= 11)


def hashes_of(name: str, version: str) -> list[str]:
    """SHA-256 of every archive of one release that can be installed, sorted."""
    files = archives(name).get(Version(version), {})
    found = [address.partition("#sha256=")[2] for address in files.values()]
    if not found or not all(found):
        sys.exit(f"{name} {version}: the index has no such release, or tells no SHA-256 of its archives")
    return sorted(found)


class _Remote(io.RawIOBase):
    """A file on a server that is read in pieces, where they are asked for: wheels of CUDA have hundreds of MB."""

    def __init__(self, address: str) -> None:
        self.address, self.place = address.partition("#")[0], 0
        with urlopen(Request(self.address, method="HEAD"), timeout=60) as answer:
            self.size = int(answer.headers["Content-Length"])

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
        with urlopen(Request(self.address, headers={"Range": f"bytes={self.place}-{last}"}), timeout=60) as answer:
            if answer.status != 206:
                sys.exit(f"{self.address}: the server gives whole files only")
            piece = answer.read()
        buffer[: len(piece)] = piece
        self.place += len(piece)
        return len(piece)


def requires(files: dict[str, str]) -> list[Requirement]:
    """What a release requires, from the metadata inside one of its wheels: for Linux on x86-64 if it has several."""
    wheel = min((f for f in files if f.endswith(".whl")), key=lambda f: ("x86_64" not in f, "any" not in f, f))
    with zipfile.ZipFile(io.BufferedReader(_Remote(files[wheel]), 2**18)) as archive:
        place = next(n for n in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", n))
        return Metadata.from_email(archive.read(place), validate=False).requires_dist or []


def cuda_of(torch: str, held: set[str]) -> dict[str, str]:
    """Pins of what PyPI's torch requires on Linux beside the distributions that are held already.

    Each is the newest release that all requirements allow, as pip would choose; what cannot be so is an error.
    """
    limits: dict[str, SpecifierSet] = {}
    chosen: dict[str, str] = {}
    seen: set[tuple[str, str, frozenset[str]]] = set()
    waiting = requires(archives(TORCH)[Version(torch)])
    waiting = [r for r in waiting if r.marker is None or r.marker.evaluate({"extra": "", **CUDA_MACHINE})]
    while waiting:
        wanted = waiting.pop(0)
        name = canonicalize_name(wanted.name)
        if name in held:
            continue
        limits[name] = limits.get(name, SpecifierSet()) & wanted.specifier
        known = archives(name)
        allowed = list(limits[name].filter(known, prereleases=False))
        if not allowed:
            sys.exit(f"{name}: no release is {limits[name]}, as torch {torch} needs it")
        chosen[name] = str(max(allowed))
        if (key := (name, chosen[name], frozenset(wanted.extras))) not in seen:
            seen.add(key)
            for needed in requires(known[max(allowed)]):
                extras = ("", *wanted.extras)
                if needed.marker is None or any(needed.marker.evaluate({"extra": e, **CUDA_MACHINE}) for e in extras):
                    waiting.append(needed)
    return dict(sorted(chosen.items()))


def resolved(requirements: list[str]) -> dict[str, str]:
    """Exact versions of distributions and all that they require, as pip would install them into an empty environment.

    Nothing is installed, and of wheels only the metadata is read.
    """
    options = ["--dry-run", "--ignore-installed", "--only-binary", ":all:", "--quiet", "--report", "-"]
    command = [sys.executable, "-m", "pip", "install", *options, *requirements]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if run.returncode:
        sys.exit(f"pip finds no versions for {', '.join(requirements)}")
    found = [item["metadata"] for item in json.loads(run.stdout)["install"]]
    pins = {item["name"]: item["version"].split("+")[0] for item in found}
    return dict(sorted(pins.items(), key=lambda item: item[0].lower()))


def asked_apart(wanted: dict, name: str) -> list[str]:
    """What is asked of pip for an environment with a resolution of its own."""
    apart = wanted["apart"][name]
    shared = sorted({*wanted["runtime"], *wanted["stages"][apart["stage"]]})
    pinned = [n if n in apart["free"] else f"{n}=={wanted['versions'][n]}" for n in shared]
    return [*apart["requirements"], *pinned]


def apart_for(wanted: dict, kept: dict, ask: bool) -> dict:
    """Environments with a resolution of their own: what is asked, and the pins that pip finds."""
    found = {}
    for name in wanted["apart"]:
        asked, known = asked_apart(wanted, name), kept.get("apart", {}).get(name, {})
        if known.get("asked") != asked:
            if not ask:
                sys.exit(f"envs: index.yaml has no resolution of {name} for requirements.yaml: run `make lock`")
            known = {"asked": asked, "pins": resolved(asked)}
        found[name] = known
    return found


def index_for(union: dict[str, str], apart: dict, kept: dict, ask: bool) -> dict:
    """What the index tells of these pins: from what is kept, the rest from the network if it may be asked."""
    torch = next(version for name, version in union.items() if canonicalize_name(name) == TORCH)
    cuda = kept.get("cuda", {})
    if cuda.get("torch") != torch:
        if not ask:
            sys.exit(f"envs: index.yaml is not for torch {torch}: run `make lock`")
        cuda = {"torch": torch, "needs": cuda_of(torch, {canonicalize_name(name) for name in union})}
    hashes = {}
    pins = {
        pin for pins in (union, cuda["needs"], *(known["pins"] for known in apart.values())) for pin in pins.items()
    }
    for name, version in sorted(pins, key=lambda pin: (pin[0].lower(), Version(pin[1]))):
        pin = f"{name}=={version}"
        if pin not in kept.get("hashes", {}) and not ask:
            sys.exit(f"envs: index.yaml has no hashes of {pin}: run `make lock`")
        hashes[pin] = kept.get("hashes", {}).get(pin) or hashes_of(name, version)
    return {"cuda": cuda, "apart": apart, "hashes": hashes}


def conda_file(wanted: dict, pins: dict[str, str], cuda: dict[str, str], index: dict) -> str:
    """An environment of conda: Python and pip from conda-forge, the rest by pip with the hashes of its archives.

    `cuda` are pins for Linux only.
    """
    lines = [
        *HEADER.splitlines(),
        "channels:",
        "- conda-forge",
        "dependencies:",
        f"- conda-forge::python={wanted['python']}",
        f"- conda-forge::pip={wanted['pip']}",
        "- pip:",
    ]
    for name, version in sorted((pins | cuda).items(), key=lambda item: item[0].lower()):
        marker = ' ; platform_system == "Linux"' if name in cuda else ""
        lines.append(f"  - {name}=={version}{marker}")
        # YAML joins these lines with blanks: to pip they are one requirement.
        lines += [f"    --hash=sha256:{digest}" for digest in index["hashes"][f"{name}=={version}"]]
    return "\n".join(lines) + "\n"


def files(wanted: dict, kept: dict, ask: bool) -> dict[Path, str]:
    """Path and content of every environment file."""
    stages = {stage: closure([*wanted["runtime"], *packages]) for stage, packages in wanted["stages"].items()}
    direct = [name for packages in wanted["stages"].values() for name in packages]
    union = closure([*wanted["runtime"], *direct, *wanted["runner"], *wanted["tests"]])
    held = {canonicalize_name(name): version for name, version in union.items()}
    for name, version in wanted["versions"].items():
        if held.get(canonicalize_name(name)) != version:
            found = held.get(canonicalize_name(name))
            sys.exit(f"requirements.yaml asks for {name} {version}, this environment holds {found}: install it first")
    index = index_for(union, apart_for(wanted, kept, ask), kept, ask)
    cuda = index["cuda"]["needs"]
    made = {
        HERE / f"{stage}.yaml": conda_file(wanted, pins, cuda if TORCH in pins else {}, index)
        for stage, pins in stages.items()
    }
    made |= {HERE / f"{n}.yaml": conda_file(wanted, known["pins"], {}, index) for n, known in index["apart"].items()}
    pins = "".join(f"{name}=={version}\n" for name, version in union.items())
    # A constraint installs nothing by itself, so the same file serves torch with and without CUDA.
    made[HERE / "all.txt"] = f"{HEADER}--constraint cuda.txt\n{pins}"
    made[HERE / "cuda.txt"] = HEADER + "".join(f"{n}=={version}\n" for n, version in cuda.items())
    made[HERE / "index.yaml"] = ABOUT_INDEX + yaml.safe_dump(index, sort_keys=False, width=120)
    return made


def main() -> None:
    """Write the files, or with --check compare them."""
    check = "--check" in sys.argv[1:]
    wanted = yaml.safe_load((HERE / "requirements.yaml").read_text(encoding="utf-8"))
    known = HERE / "index.yaml"
    kept = yaml.safe_load(known.read_text(encoding="utf-8")) if known.is_file() else {}
    made = files(wanted, kept, ask=not check)
    if check:
        stale = [p.name for p, text in made.items() if not p.is_file() or p.read_text(encoding="utf-8") != text]
        if stale:
            sys.exit(f"envs: {', '.join(stale)} differ from requirements.yaml and this environment: run `make lock`")
        return
    for path, text in made.items():
        # `make` installs everything anew when a file of pins has a new time.
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
