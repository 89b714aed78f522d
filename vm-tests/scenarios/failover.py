"""The active NameNode's machine dies, and the standby takes its place."""

import shlex
from typing import Any

from .site import PATIENCE, Site

EVENTS = 60_000


def failover(site: Site) -> None:
    with site.subtest("one NameNode is active, the other stands by"):
        site.wait_until_up()
        active = site.node.wait_until_succeeds(
            active_of(site), timeout=PATIENCE
        ).strip()
        first = named(site, active)
        (second,) = (machine for machine in site.name_nodes if machine is not first)
        site.node.wait_until_succeeds(
            f"{state_of(second)} | grep -qx standby", timeout=PATIENCE
        )

    with site.subtest("events are read"):
        site.simulate(EVENTS, seed=9)
        site.wait_until_read()

    with site.subtest(
        "the active one's machine dies under load, and the other takes over"
    ):
        site.simulate(EVENTS, seed=9, background=True)
        first.crash()
        site.node.wait_until_succeeds(
            f"{state_of(second)} | grep -qx active", timeout=PATIENCE
        )
        site.node.wait_until_succeeds(
            "! systemctl is-active -q load.service", timeout=PATIENCE
        )
        site.wait_until_read()
        site.verify(ledger=None)

    with site.subtest("the machine comes back, and stands by"):
        first.start()
        site.node.wait_until_succeeds(
            f"{state_of(first)} | grep -qx standby", timeout=PATIENCE
        )

    with site.subtest("a build on the lake that both have kept"):
        site.build()
        site.verify()
        events = site.events()
        assert events == 2 * EVENTS, f"{events} events in bronze of {2 * EVENTS} events"


def state_of(machine: Any) -> str:
    """A command that prints what a NameNode says it is."""
    url = f"http://{machine.name}:9870/jmx?qry=Hadoop:service=NameNode,name=NameNodeStatus"
    return f"curl -sf --max-time 5 {shlex.quote(url)} | jq -r '.beans[0].State'"


def active_of(site: Site) -> str:
    """A command that prints the active NameNode's machine, and fails while there is none."""
    asks = " || ".join(
        f"({state_of(machine)} | grep -qx active && echo {machine.name})"
        for machine in site.name_nodes
    )
    return f"({asks})"


def named(site: Site, name: str) -> Any:
    return next(machine for machine in site.name_nodes if machine.name == name)
