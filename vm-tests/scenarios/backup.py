"""A table of the lake is lost, and ClickHouse whole; both come back from what backups and the lake have."""

from .site import PATIENCE, Site

TABLE = "bronze/listen_events"
COUNT = "'select count(*) from bronze.listen_events'"
DATABASES = ("gold", "gold_data")
HDFS = "runuser -u hdfs -- hdfs --config /etc/hadoop-conf dfs"


def backup(site: Site) -> None:
    node = site.node
    with site.subtest("events, gold, and a snapshot of the lake"):
        site.wait_until_up()
        site.simulate(20_000, seed=11)
        site.wait_until_read()
        site.build()
        site.verify()
        node.succeed("systemctl start hdfs-snapshot.service", timeout=PATIENCE)
        snapshot = node.succeed(
            'runuser -u hdfs -- goldrecord-restore snapshots | awk \'/day-/ { sub(".*/", "", $NF); print $NF }\''
        ).split()[-1]

    with site.subtest("a table is lost"):
        node.succeed("systemctl stop goldrecord.target", timeout=PATIENCE)
        node.succeed(f"{HDFS} -rm -r -skipTrash /lake/{TABLE}", timeout=PATIENCE)
        node.fail(f"runuser -u goldrecord -- goldrecord sql {COUNT}", timeout=PATIENCE)

    with site.subtest("it comes back from the snapshot"):
        node.succeed(
            f"{HDFS} -mkdir -p /restored && {HDFS} -chown goldrecord /restored"
        )
        node.succeed(
            f"runuser -u hdfs -- goldrecord-restore lake {snapshot} {TABLE}",
            timeout=PATIENCE,
        )
        node.succeed(f"{HDFS} -mv /restored/{TABLE} /lake/{TABLE}", timeout=PATIENCE)
        node.succeed(
            f"runuser -u goldrecord -- goldrecord sql {COUNT}", timeout=PATIENCE
        )
        site.verify()

    with site.subtest("ClickHouse is lost, and loaded again from the lake"):
        for database in DATABASES:
            node.succeed(
                f"{site.curl('loader', loader(site))} --data-binary 'DROP DATABASE {database} SYNC'"
            )
        node.succeed("systemctl start goldrecord-loader.service", timeout=PATIENCE)
        site.charts_are_true()

    with site.subtest("everything goes on from there"):
        node.succeed("systemctl start goldrecord.target", timeout=PATIENCE)
        site.wait_until_up()
        site.simulate(20_000, seed=11)
        site.wait_until_read()
        site.build()
        site.verify()
        events = site.events()
        assert events == 40_000, f"{events} events in bronze of 40000 events"


def loader(site: Site) -> str:
    """The loader's password, as a shell reads it."""
    return site.reader_password.replace("reader-", "")
