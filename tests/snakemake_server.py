"""Many dry runs of Snakemake from one process that has imported it: each runs in a fork of its own.

A fork starts from the state right after the imports, so every dry run reads Snakefile, configuration, changed code and
metadata afresh, as a new process would; what is saved is the second that imports and parsing take.
"""

import json
import os
import subprocess
import sys
from pathlib import Path


class Server:
    """Snakemake in a folder, as a context."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __enter__(self) -> "Server":
        self._process = subprocess.Popen(
            [sys.executable, __file__], cwd=self.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.stdin.close()
        self._process.wait()

    def snakemake(self, *arguments: str | Path) -> str:
        """What Snakemake prints, standard error included; AssertionError where it fails."""
        self._process.stdin.write(json.dumps([str(a) for a in arguments]) + "\n")
        self._process.stdin.flush()
        status, output = json.loads(self._process.stdout.readline())
        assert status == 0, output[-6000:]
        return output


def serve() -> None:
    """Answer requests, one list of arguments a line, until the input ends."""
    import snakemake.cli

    snakemake.cli.get_argument_parser()  # finds and imports the plugins
    # Parsed code is kept under the time and size of its file: what changes is parsed anew.
    sys.path.insert(0, str(Path("scripts").resolve()))
    from clinragen.provenance.digest import code_digest

    for script in Path("scripts").glob("*.py"):
        code_digest(script.stem)
    for line in sys.stdin:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.dup2(writing, 1)
            os.dup2(writing, 2)
            status = 1
            try:
                snakemake.cli.main(json.loads(line))
            except SystemExit as end:
                # A text is a message, as for the interpreter.
                status = end.code if isinstance(end.code, int) else print(end.code) or 1
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        os.close(writing)
        with os.fdopen(reading, encoding="utf-8") as pipe:
            output = pipe.read()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(json.dumps([status, output]), flush=True)


if __name__ == "__main__":
    serve()
