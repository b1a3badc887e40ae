"""The commands of the documentation: fenced blocks of Markdown, inline code, and comments of the configuration."""

import re
import shlex
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from runs import ROOT

PAGES = [
    path.relative_to(ROOT).as_posix()
    for path in (
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        ROOT / "results/README.md",
        *sorted((ROOT / "docs").glob("*.md")),
        *sorted((ROOT / "config").glob("*.yaml")),
    )
    if path.name != "local.yaml"
]
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
# Inline code that is a command; a program's name alone is not one.
INLINE = re.compile(r"(?:[A-Z_]+=\S+ )*(?:(?:snakemake|make|pytest|bash|cp) \S|python (?:scripts/|-)).*")
SHELL = ("", "bash", "sh", "console")
ASSIGNMENT = re.compile(r"[A-Z_]+=.*")
# Placeholders of the pages, and the values that tests substitute.
PLACEHOLDERS = {
    r"\.\.\.(?= |$)": "results/demo",
    r"<[^<>|]+>": "something",
    r"\bRULE(?= |$)": "train_phase2",
}


@dataclass(frozen=True)
class Block:
    """A fenced block."""

    page: str
    language: str
    body: str

    @property
    def defines_function(self) -> bool:
        """Whether the block is a shell script with a function, to be run as a whole."""
        return re.search(r"^\w+\(\) *\{", self.body, re.MULTILINE) is not None


@dataclass(frozen=True)
class Command:
    """One simple command, as the shell would split it, with its page and its line as written."""

    page: str
    line: str
    words: tuple[str, ...]


def blocks() -> list[Block]:
    """All fenced blocks of all pages."""
    return [
        Block(page, language, textwrap.dedent(body))
        for page in PAGES
        for _, language, body in FENCE.findall((ROOT / page).read_text(encoding="utf-8"))
    ]


def commands() -> list[Command]:
    """All commands of all pages, each line once; options in square brackets are tried without and with."""
    found: dict[str, Command] = {}
    for block in blocks():
        if block.language in SHELL and not block.defines_function:
            for line in lines_of(block.body):
                for command in parsed(block.page, line):
                    found.setdefault(shlex.join(command.words), command)
    for page in PAGES:
        for line in inline(page, (ROOT / page).read_text(encoding="utf-8")):
            for command in parsed(page, line):
                found.setdefault(shlex.join(command.words), command)
    return list(found.values())


def lines_of(body: str) -> list[str]:
    """The command lines of a block: those after `$ ` where there are any; indented lines continue the line above."""
    if re.search(r"^\$ ", body, re.MULTILINE):
        return re.findall(r"^\$ (.*)$", body, re.MULTILINE)
    joined = re.sub(r" *\\?\n +", " ", body.replace("\\\n", " \n "))
    return [line for line in joined.splitlines() if line.strip() and not line.startswith("#")]


def inline(page: str, text: str) -> list[str]:
    """Commands in running text, and in the comments of a configuration file."""
    if page.endswith(".yaml"):
        comments = re.findall(r"^ *#(.*)$", text, re.MULTILINE)
        text = "\n".join(f"`{c.strip()}`" if c.startswith("   ") else c for c in comments)
    plain = FENCE.sub("", text).replace("\\|", "|")
    spans = (" ".join(span.split()) for span in re.findall(r"`([^`]+)`", plain))
    return [span for span in spans if INLINE.fullmatch(span)]


def parsed(page: str, line: str) -> Iterator[Command]:
    """The simple commands of a line."""
    for variant in dict.fromkeys((re.sub(r"(?<=\s)\[[^][]*\]", "", line), re.sub(r"(?<=\s)\[([^][]*)\]", r"\1", line))):
        words: list[str] = []
        for token in [*tokens(filled(variant)), ";"]:
            if token in ("&&", "||", ";", "|", "&"):
                while words and ASSIGNMENT.fullmatch(words[0]):
                    words.pop(0)
                if words:
                    yield Command(page, line, tuple(words))
                words = []
            else:
                words.append(token)


def filled(line: str) -> str:
    """The line with something in place of every placeholder."""
    for pattern, value in PLACEHOLDERS.items():
        line = re.sub(pattern, value, line)
    return line


def tokens(text: str) -> list[str]:
    """Words and operators of a command line; comments are dropped."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    return list(lexer)
