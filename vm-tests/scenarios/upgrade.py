"""What the release before has written is read by this one, and goes on in it."""

from collections.abc import Callable

from .site import PATIENCE, Site

EVENTS = 20_000


def upgrade(site: Site, to_new: Callable[[], None]) -> None:
    with site.subtest("the old programs bring events to gold"):
        site.wait_until_up()
        site.simulate(EVENTS, seed=18)
        site.wait_until_read()
        site.build()
        site.verify()

    with site.subtest("the new ones take their place"):
        to_new()
        site.wait_until_up()

    with site.subtest("they read what the old ones wrote"):
        site.verify()
        site.charts_are_true()

    with site.subtest("and go on in the same tables"):
        site.simulate(EVENTS, seed=18)
        site.wait_until_read()
        site.build()
        site.verify()
        events = site.events()
        assert events == 2 * EVENTS, f"{events} events in bronze of {2 * EVENTS} events"
        site.node.succeed(
            "systemctl start goldrecord-lake-maintenance.service", timeout=PATIENCE
        )
        site.verify()
