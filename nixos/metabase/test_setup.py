"""What the set-up sends to Metabase, to a double of it that keeps what it is told."""

from __future__ import annotations

import json
import os
import tempfile
import threading
import unittest
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import setup

HERE = Path(__file__).resolve().parent


class Double(BaseHTTPRequestHandler):
    """Answers as Metabase's API does, and keeps what was made under its path, by number."""

    asked: ClassVar[list[tuple[str, str, Any]]] = []
    made: ClassVar[dict[str, dict[int, Any]]] = {}

    def do_GET(self) -> None:
        path, _, query = self.path.removeprefix("/api/").partition("?")
        if path == "health":
            self.answer({"status": "ok"})
        elif path == "session/properties":
            self.answer(
                {"setup-token": "token", "has-user-setup": "setup" in self.made}
            )
        elif path.endswith("/items"):
            self.answer({"data": self.there(query.removeprefix("models="))})
        else:
            self.answer(
                {"data": self.there(path)} if path == "database" else self.there(path)
            )

    def there(self, kind: str) -> list[dict[str, Any]]:
        return [{"id": n, **body} for n, body in self.made.get(kind, {}).items()]

    def do_POST(self) -> None:
        self.store(len(self.made.get(self.path.removeprefix("/api/"), {})) + 1)

    def do_PUT(self) -> None:
        self.store(int(self.path.rsplit("/", 1)[1]))

    def store(self, number: int) -> None:
        kind = self.path.removeprefix("/api/").split("/")[0]
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append((self.command, self.path.removeprefix("/api/"), body))
        self.made.setdefault(kind, {}).setdefault(number, {}).update(body)
        self.answer({"id": number})

    def answer(self, body: Any) -> None:
        text = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *words: Any) -> None:
        """Nothing to see."""


class SetUp(unittest.TestCase):
    def setUp(self) -> None:
        Double.asked, Double.made = [], {}
        server = HTTPServer(("127.0.0.1", 0), Double)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        for name in ("metabase-admin-password", "clickhouse-reader-password"):
            (Path(folder.name) / name).write_text(f"the-{name}\n")
        os.environ["CREDENTIALS_DIRECTORY"] = folder.name
        self.settings = Path(folder.name) / "settings.json"
        settings = {
            "url": f"http://127.0.0.1:{server.server_port}",
            "email": "admin@example.org",
            "site": "music",
            "reports": str(HERE.parent / "reports"),
            "clickhouse": {
                "host": "node4",
                "port": 8123,
                "user": "reader",
                "dbname": "gold",
                "ssl": False,
            },
        }
        self.settings.write_text(json.dumps(settings))

    def test_everything_is_made_once_and_brought_up_to_date_after(self) -> None:
        setup.main(str(self.settings))
        reports = [
            json.loads(file.read_text())
            for file in (HERE.parent / "reports").glob("*.json")
        ]
        cards = sum(len(report["cards"]) for report in reports)
        self.assertEqual(len(Double.made["card"]), cards)
        self.assertEqual(len(Double.made["dashboard"]), len(reports))
        for dashboard in Double.made["dashboard"].values():
            self.assertTrue(
                all(
                    card["id"] < 0 and card["card_id"]
                    for card in dashboard["dashcards"]
                )
            )
        details = Double.made["database"][1]["details"]
        self.assertEqual(
            (details["user"], details["password"]),
            ("reader", "the-clickhouse-reader-password"),
        )

        Double.asked.clear()
        setup.main(str(self.settings))
        self.assertEqual(
            [path for verb, path, _ in Double.asked if verb == "POST"], ["session"]
        )
        self.assertEqual(len(Double.made["card"]), cards)

    def test_the_administrator_is_made_before_anybody_signs_in(self) -> None:
        setup.main(str(self.settings))
        first, second = Double.asked[:2]
        self.assertEqual(first[1], "setup")
        self.assertEqual(first[2]["user"]["password"], "the-metabase-admin-password")
        self.assertEqual(second[1], "session")


if __name__ == "__main__":
    unittest.main()
