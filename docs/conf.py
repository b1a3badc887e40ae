"""The documentation site: `make docs-site` builds it from the Markdown files as they are on GitHub.

The sources are read from the root of the repository, so that a link between two pages is the same in both places.
"""

from sphinx.application import Sphinx

project = "ClinRaGen: a reproduction"
author = "The maintainers of this reproduction of ClinRaGen"
copyright = "2026, the maintainers (MIT licence)"

extensions = ["myst_parser", "sphinxcontrib.mermaid"]
include_patterns = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/*.md", "results/README.md"]
# Not read at all: environments and results hold tens of thousands of files.
exclude_patterns = [".*", "site", "results/[!R]*", "scripts", "tests", "resources", "answers", "data", "profiles"]
root_doc = "README"

nitpicky = True
# A link to a heading is checked too; GitHub makes the same anchors.
myst_heading_anchors = 4
myst_fence_as_directive = ["mermaid"]
# Drawn in the browser by a script from jsdelivr.net; without network a page shows the source of the diagram.
mermaid_height = "auto"

# A fenced block without language is a shell command, not Python.
highlight_language = "none"

html_theme = "furo"
html_title = project
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False

# What the sidebar shows, in the order of docs/README.md.
SIDEBAR = {
    "Start": ("docs/README", "docs/tutorial", "docs/status"),
    "Run": ("docs/data-access", "docs/cluster", "docs/costs", "docs/rehearsal", "docs/environments"),
    "Change": ("docs/config", "docs/decisions", "docs/extending", "docs/variants", "docs/partial-reruns"),
    "Code": ("docs/architecture", "docs/rulegraph", "CONTRIBUTING", "CHANGELOG"),
    "Evidence": ("docs/planted-evidence", "docs/faults", "docs/reproducibility", "docs/performance"),
    "Results": (
        "results/README",
        "docs/results",
        "docs/trace",
        "docs/verify",
        "docs/release",
        "docs/threat-model",
        "docs/human-study",
    ),
}


def add_sidebar(app: Sphinx, page: str, source: list[str]) -> None:
    """Add the tables of contents, which GitHub would show as code, to the first page."""
    if page == root_doc:
        for caption, pages in SIDEBAR.items():
            source[0] += "\n".join(["\n```{toctree}", ":hidden:", f":caption: {caption}", "", *pages, "```\n"])


def setup(app: Sphinx) -> None:
    """Register the hook above."""
    app.connect("source-read", add_sidebar)
