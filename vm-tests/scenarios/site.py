"""An installation under test: which machine runs what, and what every scenario asks of it."""

import json
import shlex
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

LEDGER = "/var/lib/goldrecord/ledger.json"
# What does not come is waited for so long, in seconds: as long as the NixOS driver waits, for machines that are busy with others.
PATIENCE = 900


@dataclass
class Site:
    """The machines. `node` runs goldrecord's services, and whatever is not named."""

    node: Any
    subtest: Callable[[str], AbstractContextManager]
    clickhouse: str = "http://localhost:8123"
    # As a shell reads it.
    reader_password: str = (
        "$(cat /var/lib/goldrecord-secrets/clickhouse-reader-password)"
    )
    # Whether other machines have business with this one's servers.
    reached_from_peers: bool = False
    # Where programs that are on none of the machines connect to Kafka.
    kafka_clients: str | None = None
    # What a run of all tests has time for: fewer events, and nothing twice.
    small: bool = False
    name_nodes: list[Any] = field(default_factory=list)
    others: list[Any] = field(default_factory=list)

    @property
    def machines(self) -> list[Any]:
        return [self.node, *self.others]

    # --- the operator's command ---------------------------------------------------------------

    def goldrecord(self, words: str) -> str:
        return self.node.succeed(
            f"runuser -u goldrecord -- goldrecord {words}", timeout=PATIENCE
        )

    def status(self) -> dict[str, Any]:
        return json.loads(self.goldrecord("status --json"))

    def verify(self, ledger: str | None = LEDGER) -> None:
        """The balance of every partition, and with a ledger every number of silver and gold."""
        against = f" --ledger {ledger}" if ledger else ""
        code, said = self.node.execute(
            f"runuser -u goldrecord -- goldrecord verify{against} 2>&1",
            timeout=PATIENCE,
        )
        assert code == 0, f"goldrecord verify{against}:\n{said}"

    def events(self) -> int:
        """Records that bronze has taken; `verify` proves that each is there once. A query would see what the last
        build saw."""
        topics = self.status()["topics"]["known"]
        return sum(
            partition["next"] or 0
            for topic in topics
            for partition in topic["partitions"]
        )

    # --- the services -------------------------------------------------------------------------

    def wait_until_up(self) -> None:
        """Everything that is enabled has started, in its order."""
        self.node.wait_for_unit("goldrecord.target", timeout=PATIENCE)
        # The target is reached without what failed and is tried again; in a cluster the bootstrap is another machine's.
        parts = self.node.get_unit_property("goldrecord.target", "Wants").split()
        for part in ("goldrecord-bootstrap.service", "goldrecord-ingestor@1.service"):
            if part in parts:
                self.node.wait_for_unit(part, timeout=PATIENCE)

    def simulate(
        self,
        events: int,
        seed: int,
        users: int = 500,
        days: int = 7,
        ledger: str = LEDGER,
        background: bool = False,
        client: str | None = None,
    ) -> None:
        """Simulated listeners to Kafka, with the ledger of the truth. In the background it is the unit `load`. With the
        name of a client they come from elsewhere.

        Simulations of other seeds would number their sessions alike. The same one again sends the same events, and
        each counts once: bronze has them all, and the ledger still is the truth of silver and gold."""
        wait = "--no-block" if background else "--wait"
        if client:
            wait += f" {self.coming_as(client)}"
        words = f"simulate --kafka --events {events} --users {users} --days {days} --seed {seed} --ledger {ledger}"
        run = f"systemd-run --quiet --collect {wait} --unit=load --uid=goldrecord -- $(command -v goldrecord-eventsim) {words}"
        self.node.succeed(run, timeout=PATIENCE)

    def coming_as(self, client: str) -> str:
        """What makes one of our programs a client of Kafka from elsewhere, as words for systemd-run."""
        settings = {
            "BOOTSTRAP_SERVERS": self.kafka_clients,
            "TLS": "true",
            "CA_FILE": "/etc/secrets/kafka-authorities",
            "SASL": "scram-sha-512",
            "USER": client,
        }
        return " ".join(
            [f"-p LoadCredential=kafka-password:/etc/secrets/kafka-user-{client}"]
            + [f"-E GOLDRECORD_KAFKA__{key}={value}" for key, value in settings.items()]
        )

    def wait_until_read(self) -> None:
        """Every record that Kafka has is committed to bronze."""
        behind = "[.topics.known[].partitions[] | .lag] | length > 0 and all(. == 0)"
        ask = f"runuser -u goldrecord -- goldrecord status --json | jq -e {shlex.quote(behind)}"
        self.node.wait_until_succeeds(ask, timeout=PATIENCE)

    def build(self) -> None:
        """Silver and gold from what bronze has now, and what came of it in ClickHouse."""
        node = self.node
        # A build that began earlier would not see the last rows, and a job of a running unit is only joined.
        node.succeed(
            "systemctl stop goldrecord-layers.timer goldrecord-layers.service goldrecord-loader.service"
        )
        before = node.get_unit_property("goldrecord-loader.service", "InvocationID")
        node.succeed("systemctl start goldrecord-layers.service", timeout=PATIENCE)
        loader = "systemctl show goldrecord-loader.service -P"
        began = f'test "$({loader} InvocationID)" != "{before}"'
        ended = (
            f'test "$({loader} ActiveState) $({loader} Result)" = "inactive success"'
        )
        node.wait_until_succeeds(f"{began} && {ended}", timeout=PATIENCE)

    def ask(self, query: str) -> str:
        """ClickHouse's answer to the reading user, as the dashboards' user asks."""
        return self.node.succeed(
            f"{self.curl('reader', self.reader_password)} --data-binary {shlex.quote(query)}"
        ).strip()

    def curl(self, user: str, password: str) -> str:
        """A question to ClickHouse, without its text."""
        return f'curl -sS --fail-with-body -H "X-ClickHouse-User: {user}" -H "X-ClickHouse-Key: {password}" {self.clickhouse}'

    def truth(self, ledger: str = LEDGER) -> dict[str, Any]:
        return json.loads(self.node.succeed(f"cat {ledger}"))

    def charts_are_true(self, ledger: str = LEDGER) -> None:
        """What ClickHouse answers is what the simulation knows."""
        listens = self.truth(ledger)["topics"]["listen_events"]["events"]
        answer = int(self.ask("SELECT sum(listens) FROM gold.listening_hourly"))
        assert answer == listens, (
            f"ClickHouse says {answer} listens, the ledger {listens}"
        )
