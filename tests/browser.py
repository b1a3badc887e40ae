"""A headless Chromium without network, driven by the DevTools protocol over its pipe."""

import base64
import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
           "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars",
           "--host-resolver-rules=MAP * ~NOTFOUND", "--remote-debugging-pipe")  # fmt: skip
PATIENCE = 60.0


class Browser:
    """A page of Chromium; a context manager that ends the process."""

    def __init__(self, profile: Path) -> None:
        down, up = os.pipe(), os.pipe()

        def connect() -> None:
            # Chromium reads commands from descriptor 3 and writes answers to 4; copies made above cannot overlap them.
            ends = os.dup(down[0]), os.dup(up[1])
            for end, number in zip(ends, (3, 4), strict=True):
                os.dup2(end, number)

        self._process = subprocess.Popen(
            [str(CHROMIUM), *OPTIONS, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=connect,
            close_fds=False,
        )
        for end in (down[0], up[1]):
            os.close(end)
        self._commands, self._answers = os.fdopen(down[1], "wb"), os.fdopen(up[0], "rb")
        self._buffer, self._number, self._session = b"", 0, ""
        self.events: list[dict[str, Any]] = []
        """What the browser has reported by itself, of the domains that are enabled."""
        page = next(t for t in self.send("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self._session = self.send("Target.attachToTarget", targetId=page["targetId"], flatten=True)["sessionId"]
        self.send("Page.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(OSError, RuntimeError):
            self._session = ""
            self.send("Browser.close")
        self._process.kill()
        self._process.wait()
        for end in (self._commands, self._answers):
            with contextlib.suppress(OSError):
                end.close()

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result; RuntimeError if the browser refuses it."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        message |= {"sessionId": self._session} if self._session else {}
        self._commands.write(json.dumps(message).encode() + b"\0")
        self._commands.flush()
        while (answer := self._message()).get("id") != self._number:
            self.events.append(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            piece = os.read(self._answers.fileno(), 2**16)
            if not piece:
                raise RuntimeError("the browser has ended")
            self._buffer += piece
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def open(self, page: Path, width: int = 1280, height: int = 800, dark: bool = False, fragment: str = "") -> None:
        """Open a file as a screen of this size, in CSS pixels, would show it."""
        self.shown_as(width, height, dark)
        self.send("Page.navigate", url="about:blank")
        self.send("Page.navigate", url=page.absolute().as_uri() + fragment)
        self.wait(lambda: self.run("location.protocol === 'file:' && document.readyState === 'complete'"))

    def shown_as(self, width: int = 1280, height: int = 800, dark: bool = False) -> None:
        """Change the screen on which the page is shown."""
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", media="screen", features=[scheme])

    def wait(self, holds: Callable[[], Any]) -> None:
        """Wait until something holds; TimeoutError if it never does."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            # A page cannot be asked while another one takes its place.
            with contextlib.suppress(RuntimeError):
                if holds():
                    return
            time.sleep(0.05)
        raise TimeoutError("the page is not as expected")

    def run(self, script: str, frame: str = "") -> Any:
        """Return the value of an expression in the page, or in one of its frames by its id."""
        where = (
            {"contextId": self.send("Page.createIsolatedWorld", frameId=frame)["executionContextId"]} if frame else {}
        )
        result = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True, **where)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{script}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def frame(self) -> str:
        """Wait for the one frame inside the page to show a document, and return its id."""

        def loaded() -> str:
            frames = self.send("Page.getFrameTree")["frameTree"].get("childFrames", [])
            number = frames[0]["frame"]["id"] if frames else ""
            return number if number and self.run("document.readyState === 'complete'", number) else ""

        self.wait(loaded)
        return loaded()

    def click(self, element: str, frame: str = "") -> None:
        """Click an element, given as an expression, wherever the layout moves it; the click follows the answer."""
        self.run(f"(e => {{ setTimeout(() => e.click()); }})({element})", frame)

    def press(self, element: str, frame: str = "") -> None:
        """Click in the middle of an element, given as an expression, with the mouse, as a person would."""
        middle = "(e => { const r = e.getBoundingClientRect(); return [r.left + r.width / 2, r.top + r.height / 2]; })"
        into = f"({element}).scrollIntoView({{block: 'center'}})"
        self.run(into, frame)
        left, top = self.run(f"{middle}({element})", frame)
        if frame:
            outer = self.run("(r => [r.left, r.top])(document.querySelector('iframe').getBoundingClientRect())")
            left, top = left + outer[0], top + outer[1]
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=left, y=top, button="left", clickCount=1)

    def key(self, name: str) -> None:
        """Press and release a key such as Tab or Enter."""
        code = {"Tab": 9, "Enter": 13}[name]
        text = {"text": "\r"} if name == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=name, windowsVirtualKeyCode=code, **text)

    def tabs(self) -> list[str]:
        """Return the addresses of all open tabs."""
        return [t["url"] for t in self.send("Target.getTargets")["targetInfos"] if t["type"] == "page"]

    def picture(self, path: Path, whole: bool = False) -> None:
        """Write what is on the screen, or the whole page, as PNG."""
        found = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(found["data"]))
