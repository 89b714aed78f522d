"""Count an NDJSON file of the original EventSim, to compare with what `goldrecord verify` finds in the lake.

    python scripts/outside/sample_counts.py FILE [> counts.json]

FILE may be plain, .gz, .bz2 or .xz. Written with the standard library alone and sharing nothing with the
Rust code, so that a mistake in one is not repeated in the other. The output has the form of the ledger.
"""

import bz2
import gzip
import hashlib
import json
import lzma
import sys
from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path

OPENERS = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
STATUS_CHANGES = {
    "Submit Upgrade",
    "Submit Downgrade",
    "Submit Registration",
    "Cancellation Confirmation",
}


def topic_of(page: str) -> str:
    """The one topic that a page's events go to."""
    if page == "NextSong":
        return "listen_events"
    if page in ("Login", "Logout"):
        return "auth_events"
    if page in STATUS_CHANGES:
        return "status_change_events"
    return "page_view_events"


def count(file: Path) -> dict:
    """The file's ledger."""
    events = 0
    users: set[int] = set()
    topics: dict[str, Counter] = defaultdict(Counter)
    listens_by_hour: Counter = Counter()
    listens_by_song: Counter = Counter()
    registrations: Counter = Counter()
    cancellations: Counter = Counter()
    active: dict[str, set[int]] = defaultdict(set)

    with OPENERS.get(file.suffix, open)(file, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                event = json.loads(line)
                at = datetime.fromtimestamp(event["ts"] / 1000, UTC)
                page = event["page"]
            except (ValueError, KeyError, TypeError) as problem:
                sys.exit(f"{file}:{number}: not an event of EventSim: {problem!r}")
            day, hour = at.strftime("%Y-%m-%d"), at.strftime("%Y-%m-%dT%H")
            events += 1
            topics[topic_of(page)][hour] += 1
            if event.get("userId"):
                user = int(event["userId"])
                users.add(user)
                active[day].add(user)
            if page == "NextSong":
                listens_by_hour[hour] += 1
                artist, song = event.get("artist") or "", event.get("song") or ""
                listens_by_song[f"{artist}\x1f{song}"] += 1
            elif page == "Submit Registration":
                registrations[day] += 1
            elif page == "Cancellation Confirmation":
                cancellations[day] += 1

    return {
        "format": 1,
        "source": {
            "file": file.name,
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        },
        "events": events,
        "users": len(users),
        "topics": {
            topic: {"events": hours.total(), "hours": in_order(hours)}
            for topic, hours in sorted(topics.items())
        },
        "metrics": {
            "listens_by_hour": in_order(listens_by_hour),
            "active_users_by_day": {
                day: len(who) for day, who in sorted(active.items())
            },
            "listens_by_song": in_order(listens_by_song),
            "registrations_by_day": in_order(registrations),
            "cancellations_by_day": in_order(cancellations),
        },
    }


def in_order(counts: Counter) -> dict[str, int]:
    return dict(sorted(counts.items()))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    json.dump(count(Path(sys.argv[1])), sys.stdout, ensure_ascii=False, indent=1)
    sys.stdout.write("\n")
