"""A plain Debian machine as an operator would set one up: our units where a package puts them, the servers beside."""

import hashlib
from pathlib import Path

import servers
from nspawn import Machine

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
FILES = HERE / "debian"
PROGRAMS = [
    "goldrecord",
    *(
        f"goldrecord-{name}"
        for name in ("eventsim", "ingestor", "lake-maintenance", "layers", "loader")
    ),
]
# What each role's units are called; the same as on NixOS.
ROLES = {
    "kafka": ["apache-kafka"],
    "registry": ["apicurio-registry"],
    "namenode": ["hdfs-namenode", "hdfs-lake"],
    "datanode": ["hdfs-datanode"],
    "journal": ["hdfs-journalnode"],
    "clickhouse": ["clickhouse"],
    "goldrecord": [],
}
ONE_NODE = ("kafka", "registry", "namenode", "datanode", "clickhouse", "goldrecord")
# What the units load as credentials, and the password of whoever asks ClickHouse for charts.
SECRETS = {"clickhouse-password": "loading-is-my-trade"}
READER_PASSWORD = "reading-is-mine"


def set_up(
    machine: Machine,
    roles: tuple[str, ...],
    node: str,
    lake: str | None = None,
    programs: Path | None = None,
) -> None:
    """Makes the machine's disk what its roles need; `node` is the machine of everything it does not run itself.
    `programs` is the folder of others than those just built."""
    words = {
        "node": node,
        "host": machine.name,
        "java": servers.JAVA,
        "servers": servers.SERVERS,
        "jars": f"{servers.SERVERS}/hdfs/lib",
        "lake": lake or f"hdfs://{node}:8020",
        "loader_hash": password_hash(SECRETS["clickhouse-password"]),
        "reader_hash": password_hash(READER_PASSWORD),
    }
    for here, there in servers.java_binds().items():
        machine.bind(here, there)
    for kind in ("kafka", "hdfs", "registry", "clickhouse"):
        machine.bind(servers.installation(kind), f"{servers.SERVERS}/{kind}")
    for file in sorted((FILES / "etc").rglob("*")):
        if file.is_file():
            machine.write(
                f"/etc/{file.relative_to(FILES / 'etc')}",
                filled(file.read_text(), words),
            )
    machine.write(
        "/usr/local/bin/hdfs", filled((FILES / "hdfs").read_text(), words), 0o755
    )
    for role in roles:
        for unit in ROLES[role]:
            enable(
                machine,
                f"{unit}.service",
                filled((FILES / f"{unit}.service").read_text(), words),
                "multi-user.target",
            )
    if "goldrecord" in roles:
        for program in PROGRAMS:
            machine.place(f"/usr/bin/{program}").touch(0o755)
        put_programs(machine, programs or servers.binaries())
        install(machine)


def put_programs(machine: Machine, folder: Path) -> None:
    """Our programs, in place of those that are there, while the machine is down."""
    for here, there in list(machine.binds.items()):
        if there.startswith("/usr/bin/goldrecord"):
            del machine.binds[here]
    for program in PROGRAMS:
        machine.bind(folder / program, f"/usr/bin/{program}")


def install(machine: Machine) -> None:
    """Our units and dbt project, where the Debian package puts them."""
    machine.bind(REPOSITORY / "warehouse", "/usr/share/goldrecord/warehouse")
    units = REPOSITORY / "units"
    for file in units.iterdir():
        if file.name.endswith(".conf"):
            machine.write("/usr/lib/sysusers.d/goldrecord.conf", file.read_text())
        else:
            machine.write(f"/usr/lib/systemd/system/{file.name}", file.read_text())
    for name, secret in SECRETS.items():
        machine.write(f"/etc/credstore/goldrecord.{name}", secret, 0o600)
    enable(machine, "goldrecord.target", None, "multi-user.target")
    for unit in (
        "goldrecord-bootstrap.service",
        "goldrecord-layers.timer",
        "goldrecord-lake-maintenance.timer",
    ):
        enable(machine, unit, None, "goldrecord.target")
    enable(
        machine,
        "goldrecord-ingestor@1.service",
        None,
        "goldrecord.target",
        "goldrecord-ingestor@.service",
    )


def enable(
    machine: Machine, unit: str, text: str | None, target: str, file: str | None = None
) -> None:
    """Has a unit start with a target, as `systemctl enable` does; one of the host's own comes with its text."""
    folder = "/usr/lib/systemd/system"
    if text is not None:
        folder = "/etc/systemd/system"
        machine.write(f"{folder}/{unit}", text)
    machine.place(f"/etc/systemd/system/{target}.wants/{unit}").symlink_to(
        f"{folder}/{file or unit}"
    )


def filled(text: str, words: dict[str, str]) -> str:
    """A template with each `@word@` in place."""
    for word, value in words.items():
        text = text.replace(f"@{word}@", value)
    return text


def password_hash(password: str) -> str:
    """As ClickHouse keeps it."""
    return hashlib.sha256(password.encode()).hexdigest()
