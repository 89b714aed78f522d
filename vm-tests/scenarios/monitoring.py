"""Everything is watched: each target answers, each panel has series, and Metabase shows what ClickHouse has."""

import json
import shlex
from typing import Any
from urllib.parse import quote

from .site import PATIENCE, Site

SECRETS = "/var/lib/goldrecord-secrets"
PROMETHEUS = "http://127.0.0.1:9090/api/v1"
GRAFANA = f'http://admin:"$(cat {SECRETS}/grafana-admin-password)"@127.0.0.1:3000/api'
METABASE = "http://127.0.0.1:3001/api"


def monitoring(site: Site) -> None:
    node = site.node
    with site.subtest("everything is up, and gold is in ClickHouse"):
        site.wait_until_up()
        site.simulate(20_000, seed=13)
        site.wait_until_read()
        site.build()

    with site.subtest("every target answers"):
        down = '.data.activeTargets | length > 9 and all(.health == "up")'
        node.wait_until_succeeds(
            f"curl -sf {PROMETHEUS}/targets | jq -e {shlex.quote(down)}",
            timeout=PATIENCE,
        )

    with site.subtest(
        "every alert is known, and none that says something is lost is on"
    ):
        rules = answer(node, f"{PROMETHEUS}/rules")["data"]["groups"]
        assert {"targets", "goldrecord-ingestor"} <= {
            group["name"] for group in rules
        }, rules
        alerts = answer(node, f"{PROMETHEUS}/alerts")["data"]["alerts"]
        lost = {"IngestorUnbalanced", "IngestorRecordsLost"}
        assert not lost & {alert["labels"]["alertname"] for alert in alerts}, alerts

    with site.subtest("every panel's query returns series"):
        node.wait_until_succeeds(f"curl -sf {GRAFANA}/health", timeout=PATIENCE)
        dashboard = answer(node, f"{GRAFANA}/dashboards/uid/goldrecord-overview")[
            "dashboard"
        ]
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                if "expr" in target:
                    ask = f"{PROMETHEUS}/query?query={quote(target['expr'])}"
                    some = f"curl -sf {shlex.quote(ask)} | jq -e '.data.result | length > 0'"
                    # What has not happened, such as a bad record, has no series yet.
                    if 'kind!="good"' not in target["expr"]:
                        node.wait_until_succeeds(some, timeout=PATIENCE)
                else:
                    site.ask(target["rawSql"])

    with site.subtest("Metabase is set up, and its questions are answered"):
        node.wait_for_unit("goldrecord-reports-apply.service", timeout=PATIENCE)
        sign_in = f"""jq -n --arg p "$(cat {SECRETS}/metabase-admin-password)" '{{username: "admin@goldrecord.local", password: $p}}'"""
        session = json.loads(
            node.succeed(
                f"{sign_in} | curl -sf -H 'Content-Type: application/json' -d @- {METABASE}/session"
            )
        )["id"]
        header = f"-H 'X-Metabase-Session: {session}'"
        cards = json.loads(node.succeed(f"curl -sf {header} {METABASE}/card"))
        assert cards, "there are no questions"
        for card in cards:
            result = json.loads(
                node.succeed(
                    f"curl -sf -X POST {header} {METABASE}/card/{card['id']}/query"
                )
            )
            assert result["row_count"] > 0, f"{card['name']}: {result.get('error')}"


def answer(node: Any, url: str) -> Any:
    return json.loads(node.succeed(f"curl -sf {url}"))
