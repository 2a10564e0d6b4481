"""What ``lingualink adopt --report`` prints."""

import msgspec

from infrastructure.adoption.report import survey
from infrastructure.postgres.address import DatabaseAddress
from infrastructure.redaction import redact

CONCLUSION = "Nothing was changed. This release takes no database over: it only shows what stands in the way."


async def adoption_report(database: DatabaseAddress, *, as_json: bool) -> str:
    """A line for each observation, or one JSON object, ``{"observations": […]}``."""
    seen = await survey(database)
    if as_json:
        return redact(msgspec.json.encode({"observations": seen}).decode())
    return redact("\n".join([*map(str, seen), CONCLUSION]))
