"""A switch of its own for the machines of a test: nothing of it shows in the host's network."""

import subprocess


def ip(*args: str, check: bool = True) -> None:
    done = subprocess.run(["ip", *args], text=True, capture_output=True)
    if check and done.returncode:
        raise RuntimeError(f"ip {' '.join(args)}: {done.stderr.strip()}")


class Network:
    """A bridge in a network namespace, with one cable to each machine's."""

    def __init__(self, prefix: str, subnet: str = "192.168.1"):
        self.prefix, self.subnet = prefix, subnet
        self.switch = f"{prefix}-switch"
        self.ports: dict[str, str] = {}
        ip("netns", "add", self.switch)
        ip("-n", self.switch, "link", "add", "br0", "type", "bridge")
        ip("-n", self.switch, "link", "set", "br0", "up")
        ip("-n", self.switch, "link", "set", "lo", "up")

    def namespace(self, name: str) -> str:
        return f"{self.prefix}-{name}"

    def plug(self, name: str) -> str:
        """A new machine's namespace and cable. Returns its address."""
        namespace, port = self.namespace(name), f"port{len(self.ports) + 1}"
        address = f"{self.subnet}.{len(self.ports) + 1}"
        self.ports[name] = port
        ip("netns", "add", namespace)
        ip(
            "-n",
            self.switch,
            "link",
            "add",
            port,
            "type",
            "veth",
            "peer",
            "name",
            "eth1",
            "netns",
            namespace,
        )
        ip("-n", self.switch, "link", "set", port, "master", "br0")
        ip("-n", self.switch, "link", "set", port, "up")
        ip("-n", namespace, "link", "set", "lo", "up")
        ip("-n", namespace, "addr", "add", f"{address}/24", "dev", "eth1")
        ip("-n", namespace, "link", "set", "eth1", "up")
        return address

    def cable(self, name: str, state: str) -> None:
        """Pulls a machine's cable (`down`) or puts it back (`up`)."""
        ip("-n", self.switch, "link", "set", self.ports[name], state)

    def close(self) -> None:
        for name in self.ports:
            ip("netns", "del", self.namespace(name), check=False)
        ip("netns", "del", self.switch, check=False)
