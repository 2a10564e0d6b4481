"""Writes the tables of docs/security.md from the code: who may do what, and the states of a post.

``--check`` writes nothing, and ends with 1 where the page is not what the code says.
"""

import re
import sys
from collections.abc import Callable
from pathlib import Path

from domain.policies import POLICIES, Policy
from domain.posts import TRANSITIONS, Decision

PAGE = Path(__file__).parents[1] / "docs" / "security.md"


def policies() -> str:
    """The policy table."""
    lines = [
        "| action | who | on what | rules beyond the role | audited as |",
        "| --- | --- | --- | --- | --- |",
    ]
    return "\n".join(lines + [_policy(row) for row in POLICIES])


def _policy(row: Policy) -> str:
    rules = "; ".join(f"{rule.words} (`{rule.refusal.code}`)" for rule in row.rules) or "none"
    recorded = f"`{row.audited_as}`" if row.audited_as else "not a vault action"
    return f"| `{row.action}` | {row.role} | {row.on} | {rules} | {recorded} |"


def transitions() -> str:
    """The states of a post."""
    lines = ["| from | to | action | reason | the author's money |", "| --- | --- | --- | --- | --- |"]
    for (before, after), transition in TRANSITIONS.items():
        action = Decision(after, None, None).action
        reason = "required" if transition.reason_required else "optional"
        lines.append(f"| {before} | {after} | `{action}` | {reason} | {transition.money} |")
    return "\n".join(lines)


SECTIONS: dict[str, Callable[[], str]] = {"policies": policies, "transitions": transitions}


def rendered(page: str) -> str:
    """*page* with every section between its markers as the code says.

    Raises:
        LookupError: a section has no place in the page.
    """
    for name, render in SECTIONS.items():
        begin, end = f"<!-- {name}: made by scripts/render_policies.py -->", f"<!-- {name} end -->"
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        if not pattern.search(page):
            raise LookupError(begin)
        made = f"{begin}\n{render()}\n{end}"
        page = pattern.sub(lambda _, made=made: made, page)  # type: ignore[misc]
    return page


def main() -> int:
    """Write or check the page."""
    page = PAGE.read_text()
    made = rendered(page)
    if "--check" in sys.argv[1:]:
        return int(made != page)
    PAGE.write_text(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
