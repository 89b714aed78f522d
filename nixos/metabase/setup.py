#!/usr/bin/env python3
"""Finishes Metabase's set-up through its API, connects ClickHouse, and writes the dashboards of a folder.

Runs before anybody can reach Metabase, and again at every start: what is there already is brought to what the files
say, and what people made besides is left alone.
"""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

READY_WITHIN_SECONDS = 600


class RefusedError(Exception):
    """Metabase answered with an error."""


class Metabase:
    """Metabase's API."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session: str | None = None

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The answer to one request."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        if self.session:
            headers["X-Metabase-Session"] = self.session
        request = urllib.request.Request(
            f"{self.url}/api/{path}", data, headers, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            said = error.read().decode(errors="replace")
            raise RefusedError(f"{method} /api/{path}: {error.code} {said}") from error
        return json.loads(text) if text else None

    def wait(self) -> None:
        """Until it has started, which takes a minute or two the first time."""
        end = time.monotonic() + READY_WITHIN_SECONDS
        while True:
            try:
                if self.ask("GET", "health")["status"] == "ok":
                    return
            except (OSError, RefusedError) as error:
                if time.monotonic() > end:
                    raise SystemExit(
                        f"Metabase at {self.url} is not ready: {error}"
                    ) from error
            time.sleep(1)

    def sign_in(self, email: str, password: str, site: str) -> None:
        """As the administrator, who is made where there is none."""
        token = self.ask("GET", "session/properties").get("setup-token")
        if token and not self.ask("GET", "session/properties").get("has-user-setup"):
            user = {
                "email": email,
                "password": password,
                "first_name": "Admin",
                "last_name": "Admin",
            }
            user["site_name"] = site
            preferences = {"site_name": site, "allow_tracking": False}
            self.ask(
                "POST", "setup", {"token": token, "user": user, "prefs": preferences}
            )
        self.session = self.ask(
            "POST", "session", {"username": email, "password": password}
        )["id"]

    def database(self, name: str, details: dict[str, Any]) -> int:
        """The number of the ClickHouse connection, made or brought up to date."""
        body = {"name": name, "engine": "clickhouse", "details": details}
        for there in self.ask("GET", "database")["data"]:
            if there["name"] == name:
                return int(self.ask("PUT", f"database/{there['id']}", body)["id"])
        return int(self.ask("POST", "database", body)["id"])

    def collection(self, name: str) -> int:
        """The number of our folder."""
        for there in self.ask("GET", "collection"):
            if there["name"] == name and not there.get("archived"):
                return int(there["id"])
        return int(self.ask("POST", "collection", {"name": name})["id"])

    def items(self, collection: int, model: str) -> dict[str, int]:
        """What a folder holds, by name."""
        answer = self.ask("GET", f"collection/{collection}/items?models={model}")
        return {item["name"]: int(item["id"]) for item in answer["data"]}

    def card(self, there: dict[str, int], body: dict[str, Any]) -> int:
        """The number of a question, made or brought up to date."""
        if body["name"] in there:
            return int(self.ask("PUT", f"card/{there[body['name']]}", body)["id"])
        return int(self.ask("POST", "card", body)["id"])

    def dashboard(self, report: dict[str, Any], database: int, collection: int) -> None:
        """One dashboard with its questions."""
        cards = self.items(collection, "card")
        placed = []
        for index, card in enumerate(report["cards"]):
            body = {
                "name": card["name"],
                "display": card["display"],
                "collection_id": collection,
                "visualization_settings": card.get("settings", {}),
                "dataset_query": {
                    "type": "native",
                    "database": database,
                    "native": {"query": card["sql"]},
                },
            }
            place = {
                key: card["place"][key] for key in ("row", "col", "size_x", "size_y")
            }
            # A number below 0 is a card that is new on the dashboard.
            placed.append(
                {"id": -1 - index, "card_id": self.card(cards, body), **place}
            )
        there = self.items(collection, "dashboard").get(report["name"])
        about = {
            "name": report["name"],
            "description": report["description"],
            "collection_id": collection,
        }
        number = there or int(self.ask("POST", "dashboard", about)["id"])
        self.ask("PUT", f"dashboard/{number}", {**about, "dashcards": placed})


def credential(name: str) -> str:
    """A secret that systemd handed over."""
    return (Path(os.environ["CREDENTIALS_DIRECTORY"]) / name).read_text().strip()


def main(settings_file: str) -> None:
    """Everything that the settings say."""
    settings = json.loads(Path(settings_file).read_text())
    metabase = Metabase(settings["url"])
    metabase.wait()
    metabase.sign_in(
        settings["email"], credential("metabase-admin-password"), settings["site"]
    )
    details = {
        **settings["clickhouse"],
        "password": credential("clickhouse-reader-password"),
    }
    database = metabase.database("goldrecord", details)
    collection = metabase.collection("goldrecord")
    for file in sorted(Path(settings["reports"]).glob("*.json")):
        metabase.dashboard(json.loads(file.read_text()), database, collection)


if __name__ == "__main__":
    main(sys.argv[1])
