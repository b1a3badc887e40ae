"""The templates of each page, as its rule lists them."""

from pathlib import Path

TEMPLATES = Path(__file__).parents[1] / "scripts/clinragen/pages/templates"


def templates(page: str) -> list[Path]:
    """Return the files from which a page is rendered."""
    return [TEMPLATES / name for name in ("base.html", "style.css", "macros.html", f"{page}.html")]
