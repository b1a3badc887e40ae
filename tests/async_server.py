"""A fast server of the OpenAI protocol, as fast as asyncio allows, that can be as slow or as broken as a test wants."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from typing import Any, Self

# (headers, body as JSON, writer) -> nothing: writes a whole response.
Handler = Callable[[dict[str, Any], asyncio.StreamWriter], Awaitable[None]]


class AsyncServer:
    """Serves `handler` on the loopback from a separate thread; use it with `with`."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.bodies: list[dict[str, Any]] = []
        self.heads: list[str] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def prompts(self) -> list[str]:
        """Last message of each request that arrived."""
        return [body["messages"][-1]["content"] for body in self.bodies]

    def __enter__(self) -> Self:
        self._thread.start()
        start = asyncio.start_server(self._serve, "127.0.0.1", 0, limit=2**20, backlog=512)
        self._server = asyncio.run_coroutine_threadsafe(start, self._loop).result()
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _close(self) -> None:
        self._server.close()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode("latin-1").lower().split("\r\n")
                length = next(int(x.partition(":")[2]) for x in lines if x.startswith("content-length:"))
                body = json.loads(await reader.readexactly(length))
                self.bodies.append(body)
                self.heads.append(head.decode("latin-1"))
                await self.handler(body, writer)
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.close()


def response(status: int, body: bytes, **headers: str) -> bytes:
    """A whole HTTP response."""
    lines = [f"HTTP/1.1 {status} X", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def completion(text: str) -> bytes:
    """The body of a chat completion."""
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
    usage = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
    facts = {"id": "c", "object": "chat.completion", "created": 1, "model": "scripted-1"}
    return json.dumps(facts | {"choices": [choice], "usage": usage}).encode()


def answering(latency: float) -> Handler:
    """Answer each prompt after so many seconds."""

    async def handle(body: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(latency)
        writer.write(response(200, completion(f"answer to {body['messages'][-1]['content']}")))

    return handle
