"""Ingestors come and go, and no record is lost or doubled."""

from .site import PATIENCE, Site

EVENTS = 60_000


def scale(site: Site) -> None:
    node = site.node
    with site.subtest("one ingestor reads everything"):
        site.wait_until_up()
        site.simulate(EVENTS, seed=3)
        site.wait_until_read()

    with site.subtest("a second one is added under load, and shares"):
        site.simulate(EVENTS, seed=3, background=True)
        node.succeed("systemctl start goldrecord-ingestor@2.service", timeout=PATIENCE)
        wait_for_load(site)
        site.wait_until_read()
        site.simulate(EVENTS, seed=3)
        site.wait_until_read()
        said = node.succeed(
            "journalctl --no-pager -o cat -u goldrecord-ingestor@2.service"
        )
        assert commits(site, 2) > 0, (
            f"the second ingestor committed nothing:\n{said[-3000:]}"
        )

    with site.subtest("one is killed, and the other takes over what it had"):
        node.succeed("systemctl kill --signal=KILL goldrecord-ingestor@1.service")
        site.simulate(EVENTS, seed=3)
        site.wait_until_up()
        site.wait_until_read()

    with site.subtest("one leaves, and the other reads everything"):
        node.succeed("systemctl stop goldrecord-ingestor@2.service", timeout=PATIENCE)
        site.simulate(EVENTS, seed=3)
        site.wait_until_read()

    with site.subtest("nothing was lost or doubled"):
        site.verify(ledger=None)
        events = site.events()
        assert events == 5 * EVENTS, f"{events} events in bronze of {5 * EVENTS} events"


def wait_for_load(site: Site) -> None:
    site.node.wait_until_succeeds(
        "! systemctl is-active -q load.service", timeout=PATIENCE
    )


def commits(site: Site, instance: int) -> int:
    """How often an ingestor has committed since it started, as its metrics say."""
    sum_up = "awk '/^goldrecord_ingestor_table_commits_total/ { n += $NF } END { print n + 0 }'"
    return int(
        site.node.succeed(f"curl -sf http://127.0.0.1:942{instance}/metrics | {sum_up}")
    )
