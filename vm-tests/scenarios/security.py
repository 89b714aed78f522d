"""Who is let in, what is shown, and what a service that was taken over could reach."""

import shlex

from .site import PATIENCE, Site

# Tenths of systemd's scale from 0 to 10.
MOST_EXPOSED = 15
# Nothing but these may be reached from outside of a machine on its own.
FROM_OUTSIDE = {22, 3000, 3001, 9094}


def security(site: Site) -> None:
    node = site.node
    with site.subtest("everything is up, and events are in bronze"):
        site.wait_until_up()
        site.simulate(5_000, seed=8)
        site.wait_until_read()

    if site.kafka_clients:
        with site.subtest(
            "programs elsewhere write to Kafka what they may, and nothing else"
        ):
            node.wait_for_unit("kafka-users.service", timeout=PATIENCE)
            site.simulate(5_000, seed=8, client="shop")
            site.wait_until_read()
            events = site.events()
            assert events == 10_000, f"{events} events in bronze of 10000 events"
            node.fail(
                f"timeout 60 systemd-run --quiet --collect --wait --uid=goldrecord {site.coming_as('guest')} "
                "-- $(command -v goldrecord-eventsim) simulate --kafka --events 100 --users 10"
            )
            assert site.events() == events, "a guest's events are in bronze"

        with site.subtest("a secret that is not there is asked for by name"):
            secret = "/etc/secrets/kafka-user-guest"
            check = "goldrecord-credentials.service"
            node.succeed(f"mv {secret} {secret}.away")
            node.fail(f"systemctl restart {check}")
            node.succeed(
                f"journalctl --no-pager -o cat -u {check} | grep -F 'kafka-user-guest: there is no file {secret}'"
            )
            node.succeed(f"mv {secret}.away {secret}; systemctl restart {check}")

    with site.subtest("gold is in ClickHouse"):
        site.build()

    with site.subtest("each of our services is confined"):
        units = node.succeed(
            "systemctl list-units --all --plain --no-legend --type=service 'goldrecord-*' | cut -d' ' -f1"
        ).split()
        assert units, "no service of goldrecord is loaded"
        for unit in units:
            node.succeed(
                f"systemd-analyze security --no-pager --threshold={MOST_EXPOSED} {unit}"
            )

    with site.subtest("they run as nobody's superuser"):
        for unit in units:
            if node.get_unit_property(unit, "MainPID") != "0":
                user = node.succeed(
                    f"ps -o user= -p $(systemctl show -P MainPID {unit})"
                ).strip()
                assert user == "goldrecord", f"{unit} runs as {user}"

    with site.subtest("ClickHouse lets in whom it knows, and readers only read"):
        node.fail(f"{site.curl('reader', 'a-guess')} --data-binary 'SELECT 1'")
        node.fail(f"{site.curl('nobody', '')} --data-binary 'SELECT 1'")
        assert int(site.ask("SELECT count() FROM gold.listening_hourly")) > 0
        for query in (
            "INSERT INTO gold._releases (name) VALUES ('x')",
            "DROP TABLE gold._releases",
            "CREATE TABLE gold.t (a Int8) ENGINE = Memory",
        ):
            node.fail(
                f"{site.curl('reader', site.reader_password)} --data-binary {shlex.quote(query)}"
            )

    with site.subtest("no secret is shown"):
        for unit in units:
            shown = node.succeed(f"systemctl show {unit}; systemctl cat {unit}")
            for secret in secrets(site):
                assert secret not in shown, f"{unit} shows a secret"
        world = node.succeed(
            "find /etc/credstore /var/lib/goldrecord-secrets -type f -perm /o=r 2>/dev/null || true"
        ).strip()
        assert not world, f"everybody may read {world}"
        for secret in secrets(site):
            _, found = node.execute(
                f"grep -rlsF {shlex.quote(secret)} /etc/goldrecord /etc/systemd /nix/store --include='*' -m1 2>/dev/null | head -n 3"
            )
            assert not found.strip(), f"a secret stands in {found}"

    with site.subtest("no metrics, no lake and no table is reached from outside"):
        listening = node.succeed("ss -Hltn | awk '{print $4}'").split()
        outside = {
            int(address.rsplit(":", 1)[1])
            for address in listening
            if not address.startswith(("127.", "[::1]", "[::ffff:127."))
        }
        assert site.reached_from_peers or outside <= FROM_OUTSIDE, (
            f"open to everybody: {sorted(outside - FROM_OUTSIDE)}"
        )


def secrets(site: Site) -> list[str]:
    """The secrets of this machine."""
    text = site.node.succeed(
        "cat /etc/credstore/* /var/lib/goldrecord-secrets/* 2>/dev/null | tr '\\0' '\\n' || true; echo"
    )
    return [line for line in text.split() if len(line) > 8]
