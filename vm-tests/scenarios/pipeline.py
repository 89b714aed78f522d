"""Events in, charts out: the whole way on one installation."""

from .site import PATIENCE, Site


def pipeline(site: Site) -> None:
    with site.subtest("everything starts in its order"):
        site.wait_until_up()

    with site.subtest("a bootstrap that runs again makes nothing"):
        again = site.node.succeed(
            "systemctl restart goldrecord-bootstrap.service && journalctl --no-pager -o cat -u goldrecord-bootstrap.service | grep -c 'everything was there'"
        )
        assert int(again) >= 1, again
        site.wait_until_up()

    with site.subtest("events are read into bronze"):
        site.simulate(events=20_000 if site.small else 50_000, seed=1)
        site.wait_until_read()
        site.verify(ledger=None)

    with site.subtest("silver and gold are built and loaded"):
        site.build()
        site.verify()
        site.charts_are_true()

    with site.subtest("the lake is kept in shape, and nothing changes"):
        site.node.succeed(
            "systemctl start goldrecord-lake-maintenance.service", timeout=PATIENCE
        )
        site.verify()

    with site.subtest("everything stops in its order, and starts again"):
        site.node.succeed("systemctl stop goldrecord.target", timeout=PATIENCE)
        # Its parts have jobs of their own, which the target's does not wait for.
        parts = site.node.get_unit_property("goldrecord.target", "ConsistsOf")
        assert "goldrecord-ingestor@1.service" in parts, parts
        left = (
            f"systemctl show -P ActiveState {parts} | grep -vE '^(inactive|failed|)$'"
        )
        site.node.wait_until_fails(left, timeout=PATIENCE)
        site.node.succeed("systemctl start goldrecord.target", timeout=PATIENCE)
        site.wait_until_up()
        site.verify()
