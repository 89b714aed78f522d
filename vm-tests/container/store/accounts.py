"""The configuration's users and groups, added to the base root's."""

from pathlib import Path

SYSTEM_IDS = range(899, 500, -1)


def merged(passwd: str, group: str, users: dict, groups: dict) -> tuple[str, str]:
    """Both files' text with what they lack. Ids that the configuration leaves open are drawn from the system's."""
    accounts = [line.split(":") for line in passwd.splitlines()]
    teams = [line.split(":") for line in group.splitlines()]
    free = iter(SYSTEM_IDS)
    known = {line[0] for line in accounts}
    new = {
        name: user
        for name, user in users.items()
        if name not in known and user["group"] != "nixbld"
    }
    for name in sorted(
        {user["group"] for user in new.values()}
        | {extra for user in new.values() for extra in user["extraGroups"]}
    ):
        if name not in {line[0] for line in teams}:
            number = groups.get(name, {}).get("gid")
            teams.append([name, "x", str(next(free) if number is None else number), ""])
    for name, user in new.items():
        number = next(free) if user["uid"] is None else user["uid"]
        team = next(line[2] for line in teams if line[0] == user["group"])
        accounts.append(
            [name, "x", str(number), team, name, user["home"], "/usr/sbin/nologin"]
        )
        for line in teams:
            if line[0] in user["extraGroups"] or name in groups.get(line[0], {}).get(
                "members", []
            ):
                line[3] = ",".join(filter(None, [line[3], name]))
    return tuple(
        "".join(":".join(line) + "\n" for line in lines) for lines in (accounts, teams)
    )


def add(root: Path, base: Path, users: dict, groups: dict) -> None:
    texts = merged(
        (base / "etc/passwd").read_text(),
        (base / "etc/group").read_text(),
        users,
        groups,
    )
    for name, text in zip(("passwd", "group"), texts, strict=True):
        file = root / "etc" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
