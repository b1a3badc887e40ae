"""Lists of SHA-256 in the format of `sha256sum`, and that of the published files of the open demos."""

from pathlib import Path

OPEN_DEMO = Path(__file__).resolve().parents[3] / "resources" / "demo" / "open_demo_sha256.txt"


def read_checksums(text: str) -> dict[str, str]:
    """Return the SHA-256 per file name, from lines of `digest name`."""
    lines = (line.split(maxsplit=1) for line in text.splitlines() if line.strip())
    return {parts[1].lstrip("*").strip(): parts[0].lower() for parts in lines if len(parts) == 2}
