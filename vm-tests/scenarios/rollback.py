"""A new generation of the system is tried and taken back, while events come."""

from .site import PATIENCE, Site

SYSTEM = "/run/booted-system"
CHANGED = f"{SYSTEM}/specialisation/changed"
INTERVAL = "grep -E '^flush_interval' /etc/goldrecord/goldrecord.toml"


def rollback(site: Site) -> None:
    node = site.node
    with site.subtest("events are read"):
        site.wait_until_up()
        before = node.succeed(INTERVAL)
        site.simulate(60_000, seed=14, background=True)

    with site.subtest("a new generation takes over"):
        node.succeed(f"{CHANGED}/bin/switch-to-configuration test", timeout=PATIENCE)
        assert node.succeed(INTERVAL) != before, "the configuration is the same"
        site.wait_until_up()

    with site.subtest("and is taken back"):
        node.succeed(f"{SYSTEM}/bin/switch-to-configuration test", timeout=PATIENCE)
        assert node.succeed(INTERVAL) == before, (
            "the configuration is still the new one"
        )
        site.wait_until_up()

    with site.subtest("nothing was lost or doubled"):
        node.wait_until_succeeds(
            "! systemctl is-active -q load.service", timeout=PATIENCE
        )
        site.wait_until_read()
        site.build()
        site.verify()
        site.charts_are_true()
