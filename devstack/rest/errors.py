"""PostgREST's error bodies, and the HTTP statuses that it gives to SQLSTATEs."""

import re
from dataclasses import dataclass
from typing import Any

import asyncpg

_STATUS_OF_SQLSTATE = (
    ("08|53(?!400)|57P01", 503),
    ("0L|0P|28", 403),
    ("23503|23505", 409),
    ("25006", 405),
    ("42883|42P01", 404),
    ("09|25|2D|38|39|3B|40|53|54|55|57|58|F0|HV|P0(?!001)|XX|21|42P17", 500),
)


@dataclass
class RestError(Exception):
    """An answer that is no success; its body is ``{"code", "message", "details", "hint"}``."""

    status: int
    code: str
    message: str
    details: Any = None
    hint: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """A 401 names its scheme, and what is wrong with a token."""
        told = (
            f' error="invalid_token", error_description="{self.message}"'
            if self.code[:7] == "PGRST30"
            else ""
        )
        return {"WWW-Authenticate": f"Bearer{told}"} if self.status == 401 else {}


def from_postgres(error: asyncpg.PostgresError, role: str) -> RestError:
    """What PostgreSQL refused to *role*."""
    told = error.as_dict()
    code, message = str(told.get("sqlstate")), str(told.get("message"))
    if code == "42501":
        status = 401 if role == "anon" else 403
    elif code == "22023" and re.fullmatch('role ".*" does not exist', message):
        status = 401
    elif re.fullmatch(r"PT[2-5]\d\d", code):
        status = int(code[2:])
    else:
        status = next((status for states, status in _STATUS_OF_SQLSTATE if re.match(states, code)), 400)
    return RestError(status, code, message, told.get("detail"), told.get("hint"))
