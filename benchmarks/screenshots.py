"""The pictures in the documents, taken by headless Chromium: the page's answer, and the journal as `graft ui` opens it.

    python -m benchmarks.screenshots [--experiment NAME] [--to FOLDER]

Needs a page and runs in the journal: `make repro` writes some.
"""

import base64
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from components.data.artifacts import Page
from components.system.errors import Parser, UserError, run_cli
from pipeline.places import ARTIFACTS

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SECONDS, SETTLING = 60, 3  # that a page may take to be there, and what moves on it to come to rest
TIDY = """
localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true');
addEventListener('DOMContentLoaded', () => document.head.insertAdjacentHTML('beforeend',
  '<style>.modebar { visibility: hidden; }</style>'));
"""  # MLflow 3.17 opens its assistant on a first visit; a chart's tools are there for a pointer alone
WAYS, CHARTS = "document.body?.innerText.includes('Group:')", "document.querySelectorAll('.js-plotly-plot').length > 4"
PICTURES: dict[
    str, tuple[str, str, int, int]
] = {  # what follows the view's address, what is true on the page when it is there, width and height in pixels
    "mlflow": ("", WAYS, 1500, 640),
    "mlflow_charts": ("&compareRunsMode=CHART", CHARTS, 1500, 1900),
}
ANSWER, ANSWER_WIDTH, ANSWER_HEIGHT = ".answer", 1000, 800  # a page is shown down to where it ends; CSS pixels


class Browser:
    """Headless Chromium with one page, driven by its DevTools protocol over two pipes."""

    def __init__(self, folder: Path):
        program = next(filter(None, map(shutil.which, BROWSERS)), None)
        if program is None:
            raise UserError(
                f"no {BROWSERS[0]} here to take pictures with: install it, as by `apt-get install chromium`"
            )
        (to_read, self.write), (self.read, to_write) = os.pipe(), os.pipe()
        command = [program, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
                   "--disable-background-networking", "--disable-component-update", "--disable-sync",
                   f"--user-data-dir={folder}", "--remote-debugging-pipe", "about:blank"]  # fmt: skip
        in_place = ["bash", "-c", f'exec "$@" 3<&{to_read} 4>&{to_write}', "bash", *command]
        self.process = subprocess.Popen(in_place, pass_fds=(to_read, to_write), stderr=subprocess.DEVNULL)
        for end in (to_read, to_write):
            os.close(end)
        self.numbers, self.waiting, self.session = count(1), b"", ""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.call("Page.enable")
        self.call("Page.addScriptToEvaluateOnNewDocument", source=TIDY)

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Return the result of a method of the protocol.

        Raises:
            UserError: Chromium has ended, or refuses.
        """
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters}
        os.write(
            self.write, json.dumps(message | ({"sessionId": self.session} if self.session else {})).encode() + b"\0"
        )
        while (answer := self._next_message()).get("id") != number:
            pass
        if "error" in answer:
            raise UserError(f"Chromium does not take {method}: {answer['error']['message']}")
        return answer["result"]

    def _next_message(self) -> dict[str, Any]:
        """Return the next message from Chromium, the answer to a call or an event."""
        while b"\0" not in self.waiting:
            received = os.read(self.read, 1 << 16)
            if not received:
                raise UserError("Chromium has ended before it answered: start it by hand to see why")
            self.waiting += received
        message, _, self.waiting = self.waiting.partition(b"\0")
        return json.loads(message)

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression on the page."""
        return self.call("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def open(self, address: str, is_there: str, width: int, height: int) -> None:
        """Open an address in a window of a size in pixels, and wait until a JavaScript expression on its page is true.

        Raises:
            UserError: It is not after `SECONDS`.
        """
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=address)
        end = monotonic() + SECONDS
        while not self.evaluate(is_there):
            if monotonic() > end:
                raise UserError(f"{address} is not there after {SECONDS} s: is this another version of MLflow?")
            sleep(0.5)
        sleep(SETTLING)

    def save_picture(self, file: Path, last: str = "") -> None:
        """Save what the page shows as a PNG of at most 128 colours, which makes it small.

        Args:
            file: The PNG file.
            last: A CSS selector of the element below which the page is left out; without it nothing is.
        """
        from PIL import Image

        file.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))
        with Image.open(file) as image:
            picture = image.convert("RGB")
        if last:
            end = self.evaluate(f"document.querySelector({json.dumps(last)}).getBoundingClientRect().bottom")
            picture = picture.crop((0, 0, picture.width, min(picture.height, round(end) + 8)))
        picture.quantize(128, dither=Image.Dither.NONE).save(file, optimize=True)

    def close(self) -> None:
        """End Chromium, and wait until it has ended."""
        self.session = ""
        self.call("Browser.close")
        self.process.wait()
        for end in (self.write, self.read):
            os.close(end)


@contextmanager
def served_journal() -> Iterator[dict[str, str]]:
    """Serve the journal by `graft ui` on this machine; yield the address of the view of each experiment by its name.

    Raises:
        UserError: It does not start.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "pipeline", "ui", "--port", str(port)]
    environment = {**os.environ, "BROWSER": "true"}  # opens nothing
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            lines: list[str] = []
            for line in server.stdout:
                if "Ctrl-C" in line:
                    break
                lines.append(line)
            else:
                raise UserError("`graft ui` ended without serving the journal: run it to see why")
            yield dict(line.strip().split(": ", 1) for line in lines if ": http" in line)
        finally:
            server.terminate()


def page_of(data_set: str) -> Path:
    """Return the file of the first page of a data set that lies here.

    Raises:
        UserError: There is none.
    """
    for page in Page.list_in(ARTIFACTS):
        if page.facts.data_set == data_set:
            return page.path / "comparison.html"
    raise UserError(f"no page of {data_set} in {ARTIFACTS}: `make repro` with a recipe of it makes one")


def main(words: list[str]) -> None:
    """Take the pictures of an experiment, by default the one that was last updated, into a folder, by default docs/."""
    parser = Parser(prog="python -m benchmarks.screenshots", description=__doc__.partition("\n")[0])
    parser.add_argument("--experiment", help="the data set; by default the last one that something was logged of")
    parser.add_argument("--to", type=Path, default=Path("docs"), help="the folder; docs by default")
    values = parser.parse_args(words)
    with served_journal() as views, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        experiment = values.experiment or next(iter(views))
        if experiment not in views:
            raise UserError(f"the journal has no experiment {experiment!r}: choose one of {', '.join(views)}")
        page = page_of(experiment).resolve().as_uri()
        with closing(Browser(Path(folder))) as browser:
            browser.open(page, f"!!document.querySelector('{ANSWER}')", ANSWER_WIDTH, ANSWER_HEIGHT)
            browser.save_picture(values.to / "page.png", ANSWER)
            for name, (query, is_there, width, height) in PICTURES.items():
                browser.open(views[experiment] + query, is_there, width, height)
                browser.save_picture(values.to / f"{name}.png")
        for file in (values.to / f"{name}.png" for name in ("page", *PICTURES)):
            print(f"{file}: {file.stat().st_size:,} bytes")


if __name__ == "__main__":
    run_cli(main)
