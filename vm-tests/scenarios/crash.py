"""Every process of the machine is killed at once, under load.

A container and a killed virtual machine keep what the kernel had in memory for the disk, so this does not prove what a
power cut leaves. There HDFS's `synconclose` and Kafka's replication on other machines protect; one machine alone may
lose Kafka's last, unflushed records after a power cut.
"""

import shlex

from .site import PATIENCE, Site


def crash(site: Site) -> None:
    # Large enough that reading is under way when the machine dies.
    events, users, times = (60_000, 1_200, 1) if site.small else (200_000, 4_000, 2)
    with site.subtest("everything is up"):
        site.wait_until_up()

    for life in range(1, times + 1):
        with site.subtest(f"the machine dies under load, for the {life}. time"):
            before = site.events()
            site.simulate(events, seed=2, users=users, background=True)
            wait_for_more(site, before)
            site.node.crash()
            site.node.start()
            site.wait_until_up()

    with site.subtest("the listeners finish, and nothing is lost or doubled"):
        # The same simulation again: an event that was sent before has the same id, and counts once.
        site.simulate(events, seed=2, users=users)
        site.wait_until_read()
        site.verify(ledger=None)
        site.build()
        site.verify()
        site.charts_are_true()


def wait_for_more(site: Site, before: int) -> None:
    """Until the ingestor has committed something of what is being sent."""
    rows = '[.tables[] | select(.table | startswith("bronze/")) | .rows] | add'
    status = "runuser -u goldrecord -- goldrecord status --json"
    # Every partition has a row for where it began besides.
    more = shlex.quote(f"({rows}) > {before} + 1000")
    site.node.wait_until_succeeds(f"{status} | jq -e {more}", timeout=PATIENCE)
