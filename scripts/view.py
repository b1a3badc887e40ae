"""Show the site of a results tree in a browser.

    python scripts/view.py results/demo

Serves all files of the tree, restricted ones too, until Ctrl-C: to this machine only, and under an address that nobody
else knows. Opens a browser if there is a screen, and says how to forward the port if not. Exit status: 0, or 2
without a front page.
"""

import argparse
import errno
import getpass
import os
import secrets
import socket
import sys
import webbrowser
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

LOOPBACK, PORTS = "127.0.0.1", 50
DEMOS = ("demo", "open-demo", "planted")


class Handler(SimpleHTTPRequestHandler):
    """Serves files below `/<key>/` only: other users of this machine reach the port, but do not know the key."""

    def __init__(self, *arguments: Any, key: str, **options: Any) -> None:
        self._key = f"/{key}/"
        super().__init__(*arguments, **options)

    def send_head(self) -> Any:
        """Send the head of the file; 404 without the key."""
        if not self.path.startswith(self._key):
            return self.send_error(404)
        self.path = self.path[len(self._key) - 1 :]
        return super().send_head()

    def list_directory(self, path: Any) -> None:
        """Send 404: the pages link to files only."""
        self.send_error(404)

    def log_message(self, *words: Any) -> None:
        """Log nothing."""


def server_of(tree: Path, port: int, key: str) -> ThreadingHTTPServer:
    """Return a server of the files of a tree on the first free port from `port`; OSError if fifty are taken."""
    handler = partial(Handler, key=key, directory=str(tree))
    for candidate in range(port, port + PORTS):
        try:
            return ThreadingHTTPServer((LOOPBACK, candidate), handler)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    raise OSError(errno.EADDRINUSE, f"ports {port} to {port + PORTS - 1} are taken; choose another with --port")


def has_screen() -> bool:
    """Return whether a browser that starts here would be seen."""
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def main() -> int:
    """Serve, and open a browser or print how to reach the server."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", type=Path, help="a results tree, such as results/demo")
    parser.add_argument("--port", type=int, default=8000, help="the first port to try")
    options = parser.parse_args()
    tree, key = options.tree, secrets.token_urlsafe(12)
    if not (tree / "index.html").is_file():
        maker = f"`make {tree.name}`" if tree.name in DEMOS else "`snakemake site` with the options of its run"
        print(f"{tree}/index.html is missing; {maker} makes it", file=sys.stderr)
        return 2
    with suppress(KeyboardInterrupt), server_of(tree, options.port, key) as server:
        port = server.server_address[1]
        url = f"http://{LOOPBACK}:{port}/{key}/index.html"
        print(f"{tree} is at {url}\nOnly this machine reaches it, and only who has this address. Stop with Ctrl-C.")
        if not (has_screen() and webbrowser.open(url)):
            print("No screen here? On yours, run the following line, then open the address above in a browser:\n"
                  f"  ssh -N -L {port}:{LOOPBACK}:{port} {getpass.getuser()}@{socket.getfqdn()}")  # fmt: skip
        sys.stdout.flush()
        server.serve_forever()
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
