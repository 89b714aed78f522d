"""What stands in for nixpkgs' packages: servers from the testkit's cache in nixpkgs' shape, and our own binaries."""

from pathlib import Path

import debian
import servers
from store import Packages

HERE = Path(__file__).resolve().parent
JAVA = f"{servers.JAVA}/bin/java"
KAFKA = {
    "kafka-server-start": "kafka.Kafka",
    "kafka-storage": "kafka.tools.StorageTool",
    "kafka-topics": "org.apache.kafka.tools.TopicCommand",
    "kafka-configs": "kafka.admin.ConfigCommand",
    "kafka-acls": "org.apache.kafka.tools.AclCommand",
    "kafka-consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
}
ENGINE = "node_modules/@chdb/lib-linux-x64-gnu/libchdb.so"
# The parts of ClickHouse's own configuration that the modules build on; theirs is merged into it.
CLICKHOUSE = {
    "config.xml": "<clickhouse><user_directories><users_xml><path>/etc/clickhouse-server/users.xml</path></users_xml></user_directories></clickhouse>\n",
    "users.xml": "<clickhouse><profiles><default/></profiles><quotas><default/></quotas><users><default><password/><networks><ip>::1</ip></networks><profile>default</profile><quota>default</quota></default></users></clickhouse>\n",
}


def kafka_tool(program: str) -> str:
    return f"""#!/bin/sh
here=$(dirname "$(dirname "$(readlink -f "$0")")")
# shellcheck disable=SC2086 # options are words
exec {JAVA} ${{KAFKA_HEAP_OPTS:--Xmx256m}} $KAFKA_OPTS -cp "$here/libs/*" {program} "$@"
"""


def packages() -> Packages:
    kafka, hdfs = servers.installation("kafka"), servers.installation("hdfs")
    registry, clickhouse = (
        servers.installation("registry"),
        servers.installation("clickhouse"),
    )
    prometheus = servers.installation("prometheus") / "usr/bin"
    agent = servers.maven("io.prometheus.jmx", "jmx_prometheus_javaagent", "1.0.1")
    # The commands find their jars beside themselves, as Nix's package has them.
    hadoop = debian.filled(
        (debian.FILES / "hdfs").read_text(),
        {
            "java": servers.JAVA,
            "jars": '$(dirname "$(dirname "$(readlink -f "$0")")")/lib/jars',
        },
    )
    built = servers.binaries()
    return {
        r"goldrecord-[0-9.]+": {
            **{
                f"bin/{program}": f"host:{built / program}"
                for program in debian.PROGRAMS
            },
            "lib/goldrecord/reports-apply": f"host:{debian.REPOSITORY / 'nixos/metabase/setup.py'}",
            "share/goldrecord/warehouse": f"host:{debian.REPOSITORY / 'warehouse'}",
        },
        r"apache-kafka-.*": {
            "libs": f"host:{kafka / 'lib'}",
            **{
                f"bin/{name}.sh": kafka_tool(program) for name, program in KAFKA.items()
            },
        },
        r"hadoop-[0-9.]+": {
            "lib/jars": f"host:{hdfs / 'lib'}",
            "bin/hdfs": hadoop,
            "etc/hadoop/log4j.properties": "text:"
            + (debian.FILES / "etc/hadoop/log4j.properties").read_text(),
        },
        # Hadoop brings ZooKeeper's jars along.
        r"zookeeper-[0-9.]+": {"lib": f"host:{hdfs / 'lib'}"},
        # The testkit's is older and keeps no schemas in Kafka: here they are in a file.
        r"apicurio-registry-.*": {
            "lib/apicurio": f"host:{registry}",
            "bin/apicurio-registry": f'#!/bin/sh\nhere=$(dirname "$(dirname "$(readlink -f "$0")")")\nexec {JAVA} $JAVA_OPTS "-Dquarkus.datasource.jdbc.url=jdbc:h2:file:./schemas;WRITE_DELAY=0" -jar "$here/lib/apicurio/runner.jar"\n',
        },
        r"clickhouse-[0-9].*": {
            "bin/clickhouse-server": (HERE / "clickhouse_server.py").read_text(),
            "lib/engine": f"host:{clickhouse}",
            **{
                f"etc/clickhouse-server/{name}": f"text:{text}"
                for name, text in CLICKHOUSE.items()
            },
        },
        r"(openjdk|jdk|jre|zulu|temurin).*": {
            "bin": f"{servers.JAVA}/bin",
            "lib": f"{servers.JAVA}/lib",
        },
        r"jmx-prometheus-javaagent-.*": {
            f"lib/{agent.name}": f"host:{agent}",
        },
        r"prometheus-[0-9.]+": {"bin/prometheus": f"host:{prometheus / 'prometheus'}"},
        r"prometheus-[0-9.]+-cli": {"bin/promtool": f"host:{prometheus / 'promtool'}"},
    }
