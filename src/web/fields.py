"""Field types that requests and answers share, each with its schema."""

from typing import Annotated, Any, Final

from litestar.params import PathParameter, QueryParameter
from msgspec import Meta

# Lower case, hyphenated, not nil: one spelling for each id.
UUID_PATTERN: Final = "^(?!00000000-0000-0000-0000-000000000000$)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"
NO_NUL: Final = "^[^\\u0000]*$"

UuidField = Annotated[str, Meta(pattern=UUID_PATTERN, max_length=36, extra_json_schema={"format": "uuid"})]
UuidPath = Annotated[
    str, PathParameter(pattern=UUID_PATTERN, max_length=36, description="Lower-case hyphenated.")
]
UuidQuery = Annotated[str | None, QueryParameter(pattern=UUID_PATTERN, max_length=36)]
TextQuery = Annotated[str | None, QueryParameter(pattern=NO_NUL, max_length=100)]
# ``query`` itself is a reserved word of Litestar's.
SearchQuery = Annotated[str | None, QueryParameter(name="query", pattern=NO_NUL, max_length=100)]
ReasonField = Annotated[str, Meta(min_length=1, max_length=500, pattern=NO_NUL)]
NoteField = Annotated[str, Meta(min_length=1, max_length=500, pattern=NO_NUL)]


def _amount_schema(places: int, limit: str) -> dict[str, Any]:
    return {
        "pattern": rf"^(0|[1-9][0-9]{{0,7}})(\.[0-9]{{1,{places}}})?$",
        "examples": ["12.50"],
        "description": f"Decimal, above zero, at most {limit}; never a JSON number.",
    }


# Not checked by the schema: a bad amount has a code of its own (domain.money.Money.parse).
AmountField = Annotated[str, Meta(extra_json_schema=_amount_schema(4, "99999999.9999"))]
PayoutField = Annotated[str, Meta(extra_json_schema=_amount_schema(2, "99999999.99"))]
# At least two places, and no zero beyond the second.
MONEY_PATTERN: Final = r"^-?(0|[1-9][0-9]{0,7})\.[0-9]{2}([0-9]?[1-9])?$"
MoneyText = Annotated[str, Meta(extra_json_schema={"pattern": MONEY_PATTERN, "examples": ["12.50", "0.005"]})]
# A sum over many wallets or rows.
TotalText = Annotated[
    str,
    Meta(
        extra_json_schema={"pattern": r"^-?(0|[1-9][0-9]*)\.[0-9]{2}([0-9]?[1-9])?$", "examples": ["12.50"]}
    ),
]
HashText = Annotated[str, Meta(extra_json_schema={"pattern": "^[0-9a-f]{64}$"})]
