"""``/wallet``: balance, history, transfers."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import msgspec
from dishka import FromDishka
from litestar import Controller, MediaType, Response, get, post
from litestar.params import FromQuery, JSONBody, QueryParameter

from application.ports import PageRequest
from application.wallet.reading import ReadWallet, TransactionFilter
from application.wallet.transfers import TransferCommand, TransferFunds
from domain.errors import InvalidCursor, SessionRevoked
from domain.money import Money
from domain.policies import Action, error_codes
from domain.wallet import TransactionKind
from web.authentication import SessionRequest
from web.bodies import AmountField, MoneyText, NoteField, UuidField, wire
from web.endpoints import Currency, inject
from web.headers import accepts_rather
from web.idempotency import IdempotencyKeyHeader, keyed, sent
from web.openapi import problems
from web.pagination import Cursor, Cursors, Limit
from web.query import instant
from web.wallet.statement import StatementOut, TransactionOut, csv_response, to_statement

Since = Annotated[datetime | None, QueryParameter(description="From this time on (RFC 3339).")]
At = Annotated[datetime | None, QueryParameter(description="As it was at this time (RFC 3339).")]
From = Annotated[datetime | None, QueryParameter(name="from", description="From this time on (RFC 3339).")]
Until = Annotated[datetime | None, QueryParameter(description="Before this time (RFC 3339).")]


class WalletOut(msgspec.Struct):
    """A balance, and how many transactions made it; of two the one with the higher (epoch, version) is the newer."""

    user_id: UUID
    balance: MoneyText
    currency: str
    version: int
    epoch: int


class TransactionPage(msgspec.Struct):
    """Some ledger rows, newest first; ``next_cursor`` is null on the last page."""

    items: list[TransactionOut]
    next_cursor: str | None


class TransferIn(msgspec.Struct, forbid_unknown_fields=True):
    """A payment to another user."""

    recipient_id: UuidField
    amount: AmountField
    note: NoteField | None = None


class PostedTransactionOut(msgspec.Struct):
    """What was posted on a wallet, with its balance and version after it."""

    transaction: TransactionOut
    balance: MoneyText
    version: int
    epoch: int


class WalletController(Controller):
    """The caller's own money."""

    path = "/wallet"
    tags = ("wallet",)

    @get(responses=problems(SessionRevoked.code), operation_id="readWallet", summary="Your balance")
    @inject
    async def read(
        self,
        request: SessionRequest,
        read_wallet: FromDishka[ReadWallet],
        currency: FromDishka[Currency],
        at: At = None,
    ) -> Response[WalletOut]:
        """Read the balance and its version, now or as they were at a time. The first call opens the wallet."""
        wallet = await read_wallet.balance(request.user, instant("at", at))
        return wire(WalletOut, {**wallet, "currency": currency})

    @get(
        "/statement",
        responses=problems(SessionRevoked.code),
        operation_id="readStatement",
        summary="Your statement",
    )
    @inject
    async def statement(
        self,
        request: SessionRequest,
        read_wallet: FromDishka[ReadWallet],
        currency: FromDishka[Currency],
        since: From = None,
        until: Until = None,
    ) -> Response[StatementOut]:
        """Read what moved the balance between two times: this month so far, unless others are named.

        JSON, or CSV (RFC 4180, UTF-8) with `Accept: text/csv`.
        """
        end = instant("until", until) or datetime.now(UTC)
        begin = instant("from", since) or end.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        found = await read_wallet.statement(request.user, begin, end)
        if accepts_rather(request.scope, "text/csv", MediaType.JSON):
            return csv_response(found)
        answer = wire(StatementOut, to_statement(found, request.user.user_id, currency))
        answer.headers["Vary"] = "Accept"
        return answer

    @get(
        "/transactions",
        responses=problems(SessionRevoked.code, InvalidCursor.code),
        operation_id="listTransactions",
        summary="Your ledger",
    )
    @inject
    async def history(
        self,
        request: SessionRequest,
        read_wallet: FromDishka[ReadWallet],
        cursors: FromDishka[Cursors],
        limit: Limit = 50,
        cursor: Cursor = None,
        kind: FromQuery[TransactionKind | None] = None,
        since: Since = None,
        until: Until = None,
    ) -> Response[TransactionPage]:
        """List the ledger rows of the session's user, newest first. New rows never move a page.

        Of one kind a page may hold fewer rows than asked for, even none, while ``next_cursor`` goes on.
        """
        wanted = TransactionFilter(kind, instant("since", since), instant("until", until))
        scope = ("wallet", request.user.user_id, wanted)
        before = cursors.read(cursor, int, of=scope)
        page = await read_wallet.transactions(request.user, wanted, PageRequest(limit, before))
        return wire(TransactionPage, cursors.page(page, of=scope))

    @post(
        "/transfers",
        responses=problems(*error_codes(Action.TRANSFER)),
        operation_id="transferFunds",
        summary="Pay another user",
    )
    @inject
    async def transfer(
        self,
        request: SessionRequest,
        transfer_funds: FromDishka[TransferFunds],
        data: JSONBody[TransferIn],
        key: IdempotencyKeyHeader = None,  # noqa: ARG002 - for the OpenAPI document
    ) -> Response[PostedTransactionOut]:
        """Move money to another user, once for each Idempotency-Key."""
        sent_key = keyed(request)
        command = TransferCommand(UUID(data.recipient_id), Money.parse(data.amount), data.note)
        answer = await transfer_funds(request.user, command, sent_key)
        return sent(PostedTransactionOut, request, answer)
