"""Processes under measurement: CPU and memory of a whole tree, from ``/proc`` (proc(5))."""

import os
import resource
from dataclasses import dataclass
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds (user and system, reaped children too) and resident bytes."""

    cpu: float
    memory: int


def usage_of(root: int) -> Usage:
    """What *root* and all that descend from it have used, and hold.

    Raises:
        ProcessLookupError: it is gone.
    """
    table = _table()
    if root not in table:
        raise ProcessLookupError(f"process {root} is gone")
    members, found = {root}, {root}
    while found:
        found = {pid for pid, (parent, _) in table.items() if parent in found} - members
        members |= found
    used = [table[pid][1] for pid in members]
    return Usage(sum(one.cpu for one in used), sum(one.memory for one in used))


def busy_seconds() -> float:
    """CPU seconds that all cores of the machine have spent on anything, since it started."""
    fields = [int(word) / TICK for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return sum(fields) - fields[3] - fields[4]  # all but idle and waiting for disks


def children_seconds() -> float:
    """CPU seconds of this process's children that have ended: wrk's."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _table() -> dict[int, tuple[int, Usage]]:
    table = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                raw = (entry / "stat").read_text()
            except OSError:
                continue  # it ended just now
            fields = raw[raw.rindex(")") + 2 :].split()
            cpu = sum(map(int, fields[11:15])) / TICK
            table[int(entry.name)] = (int(fields[1]), Usage(cpu, int(fields[21]) * PAGE))
    return table
