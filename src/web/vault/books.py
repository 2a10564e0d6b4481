"""``/vault/books`` and ``/vault/transactions``: what every account comes to, and taking a transaction back."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import msgspec
from dishka import FromDishka
from litestar import Controller, Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody

from application.vault.adjustments import ReverseCommand, ReverseTransaction
from application.vault.reading import ReadVault
from domain.money import NOTHING, money_text
from domain.policies import Action, error_codes
from web.authentication import SessionRequest
from web.bodies import MoneyText, NoteField, TotalText, wire
from web.endpoints import Currency, inject
from web.headers import request_info
from web.openapi import problems
from web.query import UuidPath, instant
from web.wallet.statement import TransactionOut
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


class ReversalIn(msgspec.Struct, forbid_unknown_fields=True):
    """Why a transaction is taken back."""

    reason: NoteField


class ReversalOut(msgspec.Struct):
    """The rows that take a transaction back, two for a transfer; ``shortfall`` is what its wallet could not give."""

    transactions: list[TransactionOut]
    shortfall: MoneyText


class BooksController(Controller):
    """The books. For admins."""

    path = "/vault"
    tags = ["vault"]  # noqa: RUF012 - Litestar's form

    @get(
        "/books",
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

    @post(
        "/transactions/{transaction_id:str}/reversal",
        responses={
            **problems(*error_codes(Action.REVERSE_TRANSACTION)),
            200: ResponseSpec(ReversalOut, description="It was taken back before.", generate_examples=False),
        },
        operation_id="reverseTransaction",
        summary="Take a transaction back",
    )
    @inject
    async def reverse(
        self,
        request: SessionRequest,
        reverse_transaction: FromDishka[ReverseTransaction],
        transaction_id: UuidPath,
        data: JSONBody[ReversalIn],
    ) -> Response[ReversalOut]:
        """Take an adjustment or a transfer back, once; the same request again changes nothing. For admins."""
        command = ReverseCommand(UUID(transaction_id), data.reason)
        posted = await reverse_transaction(request.user, command, request_info(request))
        answer = wire(ReversalOut, {"transactions": posted.transactions, "shortfall": posted.shortfall})
        answer.status_code = 201 if posted.is_new else 200
        return answer
