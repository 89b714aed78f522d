"""Five machines: events are sent and read on one, built on another, and asked for on a third, while a broker and a
DataNode are lost."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from .site import PATIENCE, Site

PASSWORD = "$(cat /etc/secrets/clickhouse-reader-password)"
# The units that make a machine what it is in the cluster.
UNITS = {
    "node1": [
        "apache-kafka",
        "apicurio-registry",
        "hdfs-namenode",
        "hdfs-zkfc",
        "zookeeper",
    ],
    "node2": ["apache-kafka", "hdfs-namenode", "hdfs-zkfc", "zookeeper"],
    "node3": ["apache-kafka", "hdfs-datanode", "hdfs-journalnode", "zookeeper"],
    "node4": ["hdfs-datanode", "clickhouse"],
    "node5": ["hdfs-datanode", "prometheus", "grafana", "metabase", "akhq"],
}
EVENTS = 30_000


def cluster(
    machines: dict[str, Any], subtest: Callable[[str], AbstractContextManager]
) -> None:
    builds = Site(
        machines["node2"],
        subtest,
        clickhouse="http://node4:8123",
        reader_password=PASSWORD,
    )
    reads = Site(
        machines["node3"],
        subtest,
        clickhouse="http://node4:8123",
        reader_password=PASSWORD,
    )

    with subtest("every machine has what it is there for"):
        for name, units in UNITS.items():
            for unit in units:
                machines[name].wait_for_unit(f"{unit}.service", timeout=PATIENCE)
        machines["node2"].wait_for_unit("goldrecord.target", timeout=PATIENCE)
        reads.wait_until_up()

    with subtest("events come in, and their charts are true"):
        reads.simulate(EVENTS, seed=15)
        reads.wait_until_read()
        builds.build()
        builds.verify(ledger=None)
        listens = reads.truth()["topics"]["listen_events"]["events"]
        shown = int(reads.ask("SELECT sum(listens) FROM gold.listening_hourly"))
        assert shown == listens, (
            f"ClickHouse says {shown} listens, the ledger {listens}"
        )

    with subtest("a broker and a DataNode are lost, and events come in all the same"):
        machines["node1"].succeed("systemctl kill --signal=KILL apache-kafka.service")
        machines["node5"].crash()
        reads.simulate(EVENTS, seed=15)
        reads.wait_until_read()
        reads.verify(ledger=None)

    with subtest("both come back"):
        machines["node5"].start()
        machines["node5"].wait_for_unit("hdfs-datanode.service", timeout=PATIENCE)
        machines["node1"].wait_for_unit("apache-kafka.service", timeout=PATIENCE)
        builds.build()
        builds.verify(ledger=None)
