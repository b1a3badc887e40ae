"""Arguments that the steps of the paper's tables share; imports nothing that only some steps need."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from clinragen.config.paper import Configured, RunOptions
from clinragen.step import SharedOut

if TYPE_CHECKING:
    from clinragen.evaluate.paper.forms import Shown
    from clinragen.evaluate.paper.missing import Missing


@dataclass(frozen=True)
class TableForms:
    """The printed table, and a table in all its forms."""

    paper: Path
    templates: list[Path]
    table: SharedOut
    markdown: SharedOut
    latex: SharedOut
    page: SharedOut

    def write(self, shown: "Shown", html: str) -> None:
        """Write the table as Markdown, as LaTeX, and as its page `html`."""
        from clinragen.evaluate.paper.forms import to_latex, to_markdown

        for out, text in ((self.markdown, to_markdown(shown)), (self.latex, to_latex(shown)), (self.page, html)):
            out.path.write_text(text, encoding="utf-8")


@dataclass(frozen=True)
class ComparedForms(TableForms):
    """The same for a table whose rows the configuration may lack."""

    paper_rows: Path
    configured: Configured
    options: RunOptions

    def missing(self, number: int) -> "Missing":
        """Return how to make the rows of the table of this number."""
        from clinragen.evaluate.paper.missing import Missing
        from clinragen.registry.paper_rows import read_paper_rows

        return Missing(read_paper_rows(self.paper_rows, number), self.configured, self.options)
