"""What the pages of the results say about themselves in their heads, from which the front page lists them."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from posixpath import dirname, join, normpath
from urllib.parse import unquote

from clinragen.errors import UserError

SECTIONS = ("Claims", "Tables", "Figures", "Data", "Knowledge", "Training", "Costs", "Audit")


@dataclass(frozen=True)
class Heading:
    """A heading of the second level, and the anchor that leads to it; empty without one."""

    text: str
    anchor: str


@dataclass(frozen=True)
class Page:
    """A page of the results; all paths are relative to the results directory."""

    path: str
    title: str
    section: str
    lead: str
    files: list[str] = field(default_factory=list)
    headings: list[Heading] = field(default_factory=list)


def read_page(file: Path, tree: Path) -> Page:
    """Read the title, section, description, data files and headings of a page below `tree`.

    UserError if it has no title or none of the sections.
    """
    parser = _Parser()
    parser.feed(file.read_text(encoding="utf-8"))
    path = file.relative_to(tree).as_posix()
    section = parser.metas.get("section", "")
    if section not in SECTIONS or not parser.title:
        raise UserError(
            f"{file}: title {parser.title!r}, section {section!r}; expected a title and one of {', '.join(SECTIONS)}: "
            "set `page`, `section`, `files` and `lead` in its template and regenerate it"
        )
    files = [normpath(join(dirname(path), unquote(href))) for href in parser.files]
    return Page(path, parser.title, section, parser.metas.get("description", ""), files, parser.headings)


def by_section(pages: list[Page]) -> dict[str, list[Page]]:
    """Return the pages of each section that has any, in a fixed order; within it in the order given."""
    sections = {section: [page for page in pages if page.section == section] for section in SECTIONS}
    return {section: members for section, members in sections.items() if members}


class _Parser(HTMLParser):
    """Collects what `Page` has; a heading belongs to its own id, or else to that of the section that it begins."""

    def __init__(self) -> None:
        super().__init__()
        self.title = ""
        self.metas: dict[str, str] = {}
        self.files: list[str] = []
        self.headings: list[Heading] = []
        self._text: list[str] | None = None
        self._anchor = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "meta" and "name" in values:
            self.metas[values["name"]] = values.get("content", "")
        elif tag == "link" and values.get("rel") == "alternate":
            self.files.append(values.get("href", ""))
        elif tag == "section":
            self._anchor = values.get("id", "")
        elif tag in ("title", "h2"):
            self._text = []
            self._anchor = values.get("id", self._anchor)

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("title", "h2") or self._text is None:
            return
        text, self._text = " ".join("".join(self._text).split()), None
        if tag == "title":
            self.title = self.title or text
        else:
            self.headings.append(Heading(text, self._anchor))
            self._anchor = ""
