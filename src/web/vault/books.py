"""``/vault/books``: what every account comes to."""

from datetime import UTC, datetime
from decimal import Decimal

import msgspec
from dishka import FromDishka
from litestar import Controller, Response, get

from application.vault.reading import ReadVault
from domain.money import NOTHING, money_text
from domain.policies import Action, error_codes
from web.authentication import SessionRequest
from web.bodies import TotalText, wire
from web.endpoints import Currency, inject
from web.headers import request_info
from web.openapi import problems
from web.query import instant
from web.wallet.wallet import At


class AccountOut(msgspec.Struct):
    """What an account comes to; ``wallets`` are all wallets together."""

    account: str
    total: TotalText


class BooksOut(msgspec.Struct):
    """Every account at one time; ``imbalance`` is their sum, and zero."""

    at: datetime
    currency: str
    accounts: list[AccountOut]
    imbalance: TotalText


class BooksController(Controller):
    """The books. For admins."""

    path = "/vault/books"
    tags = ("vault",)

    @get(
        responses=problems(*error_codes(Action.READ_BOOKS)),
        operation_id="readBooks",
        summary="What every account comes to",
    )
    @inject
    async def books(
        self,
        request: SessionRequest,
        read_vault: FromDishka[ReadVault],
        currency: FromDishka[Currency],
        at: At = None,
    ) -> Response[BooksOut]:
        """Read every account's total, now or as it was at a time. For admins."""
        when = instant("at", at)
        accounts = await read_vault.books(request.user, when, request_info(request))
        imbalance = sum((Decimal(row["total"]) for row in accounts), NOTHING)
        answer = {
            "at": when or datetime.now(UTC),
            "currency": currency,
            "accounts": accounts,
            "imbalance": money_text(imbalance),
        }
        return wire(BooksOut, answer)
