"""Two checks of `make lint` that no tool has: phrases that docs/phrases.txt replaces, and the length of a module.

python tests/house.py [FILE ...]: all files that git tracks where none is named.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PHRASES = Path("docs/phrases.txt")
# Data, and the lists of what is replaced.
NOT_PROSE = ("resources/", "envs/all.txt", "envs/index.yaml", "docs/phrases.txt", "docs/words.txt")
TEXT = (".cff", ".css", ".html", ".js", ".md", ".py", ".rst", ".smk", ".toml", ".txt", ".yaml", ".yml", "file")
LINES = 400


def main(names: list[str]) -> int:
    """Print what is wrong with the files; the exit status."""
    names = names or subprocess.check_output(["git", "ls-files"], text=True).splitlines()
    phrases = [line.rpartition("->") for line in PHRASES.read_text(encoding="utf-8").splitlines()]
    patterns = {re.compile(pattern, re.IGNORECASE): better for pattern, _, better in phrases}
    problems = [problem for name in names if name.endswith(TEXT) for problem in problems_of(Path(name), patterns)]
    print(*problems, sep="\n", end="\n" if problems else "")
    return 1 if problems else 0


def problems_of(path: Path, patterns: dict[re.Pattern[str], str]) -> Iterator[str]:
    """Yield the problems of a file, each with its place and what is better."""
    if not path.is_file():  # deleted, but not yet for git
        return
    lines = path.read_text(encoding="utf-8").splitlines()
    if path.suffix == ".py" and len(lines) > LINES:
        yield f"{path}: {len(lines)} lines; a module has at most {LINES}"
    if not path.as_posix().startswith(NOT_PROSE):
        for number, line in enumerate(lines, 1):
            for pattern, better in patterns.items():
                if match := pattern.search(line):
                    yield f"{path}:{number}: {match.group()!r} -> {better}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
