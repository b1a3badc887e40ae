"""Memory of a process that asks a language model: while answers come in, and once it holds them all."""

import gc
import multiprocessing
from pathlib import Path

from async_server import Handler, completion, response
from unit.test_llm_ask import model, requests

from clinragen.llm.request import Request


def answering_at_length(characters: int) -> Handler:
    """Answer every prompt at once, with a text of so many characters."""
    text = "word " * (characters // 5)

    async def handle(body, writer) -> None:
        writer.write(response(200, completion(text)))

    return handle


def while_asking(url: str, directory: Path, number: int, points: int = 10) -> tuple[list[float], float]:
    """MB that a new process holds beyond its requests: after each tenth of the answers, and with the answers.

    Every answer is new to the journal in `directory`.
    """
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_ask, (url, str(directory), number, points))


def _ask(url: str, directory: str, number: int, points: int) -> tuple[list[float], float]:
    wanted = requests(number)
    # What is imported and built at the first request does not count as growth.
    model(url, Path(directory, "first"), concurrency=64).ask(requests(200), "mimic3", [], lambda *_: [])
    before, seen, taken = resident(), 0, []

    def check(request: Request, text: str) -> list[str]:
        nonlocal seen
        seen += 1  # once for each answer that comes in, and again when the answers are put together
        if seen % (number // points) == 0 and seen <= number:
            taken.append(resident() - before)
        return []

    answers, _ = model(url, Path(directory, "second"), concurrency=64).ask(wanted, "mimic3", [], check)
    gc.collect()
    assert len(answers) == number and len(taken) == points
    return taken, resident() - before


def resident() -> float:
    """Resident memory of this process in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6
