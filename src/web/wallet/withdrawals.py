"""``/wallet/withdrawals``: taking money out, and what became of it."""

from datetime import datetime
from uuid import UUID

import msgspec
from dishka import FromDishka
from litestar import Controller, Response, get, post
from litestar.params import FromQuery, JSONBody

from application.ports import PageRequest, Position
from application.wallet.reading import ReadWallet
from application.wallet.withdrawals import WithdrawCommand, WithdrawFunds
from domain.errors import InvalidCursor, SessionRevoked
from domain.money import PAYOUT_PLACES, Money
from domain.policies import Action, error_codes
from domain.withdrawals import WithdrawalStatus
from web.authentication import SessionRequest
from web.bodies import MoneyText, NoteField, PayoutField, wire
from web.endpoints import inject
from web.idempotency import IdempotencyKeyHeader, keyed, sent
from web.openapi import problems
from web.pagination import Cursor, Cursors, Limit
from web.wallet.statement import TransactionOut


class WithdrawalOut(msgspec.Struct):
    """A request to pay out ``amount``; ``transaction_id`` is the transaction that took it out of the wallet."""

    id: UUID
    user_id: UUID
    amount: MoneyText
    status: WithdrawalStatus
    transaction_id: UUID
    settled_by: UUID | None
    settled_at: datetime | None
    reason: str | None
    created_at: datetime


class WithdrawalPageOut(msgspec.Struct):
    """Some withdrawals; ``next_cursor`` is null on the last page."""

    items: list[WithdrawalOut]
    next_cursor: str | None


class WithdrawIn(msgspec.Struct, forbid_unknown_fields=True):
    """Money to be paid out."""

    amount: PayoutField
    note: NoteField | None = None


class PostedWithdrawalOut(msgspec.Struct):
    """The withdrawal, what was posted for it, and the wallet's balance and version after it."""

    withdrawal: WithdrawalOut
    transaction: TransactionOut
    balance: MoneyText
    version: int
    epoch: int


class WithdrawalsController(Controller):
    """The caller's own withdrawals."""

    path = "/wallet/withdrawals"
    tags = ("wallet",)

    @get(
        responses=problems(SessionRevoked.code, InvalidCursor.code),
        operation_id="listWithdrawals",
        summary="Your withdrawals",
    )
    @inject
    async def withdrawals(
        self,
        request: SessionRequest,
        read_wallet: FromDishka[ReadWallet],
        cursors: FromDishka[Cursors],
        status: FromQuery[WithdrawalStatus | None] = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Response[WithdrawalPageOut]:
        """List the withdrawals of the session's user, newest first."""
        scope = ("withdrawals", request.user.user_id, status)
        after = cursors.read(cursor, Position, of=scope)
        page = await read_wallet.withdrawals(request.user, status, PageRequest(limit, after))
        return wire(WithdrawalPageOut, cursors.page(page, of=scope))

    @post(
        responses=problems(*error_codes(Action.WITHDRAW)),
        operation_id="withdrawFunds",
        summary="Take money out",
    )
    @inject
    async def withdraw(
        self,
        request: SessionRequest,
        withdraw_funds: FromDishka[WithdrawFunds],
        data: JSONBody[WithdrawIn],
        key: IdempotencyKeyHeader = None,  # noqa: ARG002 - for the OpenAPI document
    ) -> Response[PostedWithdrawalOut]:
        """Hold money to be paid out, once for each Idempotency-Key. It leaves the balance at once."""
        sent_key = keyed(request)
        command = WithdrawCommand(Money.parse(data.amount, places=PAYOUT_PLACES), data.note)
        answer = await withdraw_funds(request.user, command, sent_key)
        return sent(PostedWithdrawalOut, request, answer)
