"""Taplo, as tests use it: `taplo lint`, and a language server of its family, which its own wheel is built without."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

PATIENCE = 60.0


def program(name: str) -> str:
    """A program of the environment that the tests run in."""
    places = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    found = shutil.which(name, path=places)
    assert found is not None, f'{name} is not installed: pip install -e ".[dev]"'
    return found


def lint(files: Iterable[Path], schema: Path | None = None) -> list[tuple[str, int, int, str]]:
    """(file's name, line, column, message) of everything that `taplo lint` underlines.

    Args:
        schema: in place of the one that the files name.
    """
    given = [] if schema is None else ["--schema", schema.absolute().as_uri()]
    done = subprocess.run(
        [program("taplo"), "lint", "--no-auto-config", "--colors", "never", *given, *map(str, files)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    said = done.stdout + done.stderr
    found = re.findall(r"^error: (.*)\n\s*┌─ (.*):(\d+):(\d+)$", said, re.MULTILINE)
    assert (done.returncode == 0) == (not found), said
    return [(Path(file).name, int(line), int(column), message) for message, file, line, column in found]


class LanguageServer:
    """Speaks JSON-RPC with `olpat lsp stdio` over one document that lies in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.count, self.uri = folder, 0, (folder / "recipe.toml").as_uri()
        self.underlined: list[dict[str, Any]] = []

    def __enter__(self) -> LanguageServer:
        self.process = subprocess.Popen(
            [program("olpat"), "lsp", "--no-auto-config", "stdio"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.deadline = threading.Timer(PATIENCE, self.process.kill)
        self.deadline.start()
        root = self.folder.as_uri()
        folders = [{"uri": root, "name": "here"}]
        self.ask("initialize", processId=None, rootUri=root, capabilities={}, workspaceFolders=folders)
        self._send({"method": "initialized", "params": {}})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.deadline.cancel()
        self.process.kill()
        self.process.communicate()

    def open(self, text: str) -> None:
        """Open the document; where "|" stands in it is the cursor of the questions that follow."""
        before, _, after = text.partition("|")
        self.position = {"line": before.count("\n"), "character": len(before) - before.rfind("\n") - 1}
        document = {"uri": self.uri, "languageId": "toml", "version": 1, "text": before + after}
        self._send({"method": "textDocument/didOpen", "params": {"textDocument": document}})

    def offered(self) -> dict[str, str]:
        """What completes the document at the cursor -> what is said of it."""
        items = self.ask("textDocument/completion", textDocument={"uri": self.uri}, position=self.position) or []
        labels = [item["label"] for item in items]
        assert len(labels) == len(set(labels)), f"offered twice: {labels}"
        return {item["label"]: (item.get("documentation") or {}).get("value", "") for item in items}

    def hover(self) -> str:
        """What is shown over what the cursor is in."""
        shown = self.ask("textDocument/hover", textDocument={"uri": self.uri}, position=self.position)
        return "" if shown is None else str(shown["contents"]["value"]).strip()

    def ask(self, method: str, **parameters: Any) -> Any:
        """The answer to a request; what the server tells or asks meanwhile is dealt with."""
        self.count += 1
        self._send({"id": self.count, "method": method, "params": parameters})
        while True:
            message = self._receive()
            if message.get("method") == "textDocument/publishDiagnostics":
                self.underlined = message["params"]["diagnostics"]
            if "method" in message and "id" in message:
                asked = message["method"] == "workspace/configuration"
                self._send({"id": message["id"], "result": [None] if asked else None})
            elif message.get("id") == self.count:
                assert "error" not in message, message["error"]
                return message.get("result")

    def _send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        self.process.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        size = 0
        while line := self.process.stdout.readline().strip():
            name, _, value = line.partition(b":")
            size = int(value) if name.lower() == b"content-length" else size
        assert size, "the language server has ended"
        message: dict[str, Any] = json.loads(self.process.stdout.read(size))
        return message
