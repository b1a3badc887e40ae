"""Write the environment files from requirements.yaml and what the running environment holds.

Run it (`make lock`) after changing requirements.yaml and installing the change: every file is then the
exact closure of its direct requirements in this environment. `--check` writes nothing and fails on drift.
"""

import sys
from importlib.metadata import distribution
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HERE = Path(__file__).parent
HEADER = "# Made by envs/lock.py from requirements.yaml: edit that, then `make lock`.\n"


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


def files(wanted: dict) -> dict[Path, str]:
    """Path and content of every environment file."""
    made = {}
    everything = [*wanted["kernel"], *wanted["runner"], *wanted["tests"]]
    for stage, packages in wanted["stages"].items():
        everything += packages
        pins = [f"{name}=={version}" for name, version in closure([*wanted["kernel"], *packages]).items()]
        environment = {
            "channels": ["conda-forge"],
            "dependencies": [
                f"conda-forge::python={wanted['python']}",
                f"conda-forge::pip={wanted['pip']}",
                {"pip": pins},
            ],
        }
        made[HERE / f"{stage}.yaml"] = HEADER + yaml.safe_dump(environment, sort_keys=False)
    union = closure(everything)
    made[HERE / "all.txt"] = HEADER + "".join(f"{name}=={version}\n" for name, version in union.items())
    direct = {canonicalize_name(name): version for name, version in union.items()}
    for name, version in wanted["versions"].items():
        held = direct.get(canonicalize_name(name))
        if held != version:
            sys.exit(f"requirements.yaml asks for {name} {version}, this environment holds {held}: install it first")
    return made


def main() -> None:
    """Write the files, or with --check compare them."""
    made = files(yaml.safe_load((HERE / "requirements.yaml").read_text(encoding="utf-8")))
    if "--check" in sys.argv[1:]:
        stale = [p.name for p, text in made.items() if not p.is_file() or p.read_text(encoding="utf-8") != text]
        if stale:
            sys.exit(f"envs: {', '.join(stale)} differ from requirements.yaml and this environment: run `make lock`")
        return
    for path, text in made.items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
