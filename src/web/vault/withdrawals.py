"""``/vault/withdrawals``: what waits to be paid out, and how it ended."""

from enum import StrEnum
from uuid import UUID

import msgspec
from dishka import FromDishka
from litestar import Controller, Response, get, post
from litestar.params import FromQuery, JSONBody

from application.ports import PageRequest, Position
from application.vault.reading import ReadVault
from application.vault.withdrawals import SettleCommand, SettleWithdrawal
from domain.approvals import Approval
from domain.errors import InvalidCursor
from domain.policies import Action, error_codes
from domain.withdrawals import WithdrawalStatus
from web.authentication import SessionRequest
from web.bodies import ReasonField, wire
from web.endpoints import inject
from web.headers import request_info
from web.openapi import problems
from web.pagination import Cursor, Cursors, Limit
from web.query import UuidPath
from web.vault.approvals import WAITS
from web.wallet.withdrawals import WithdrawalOut, WithdrawalPageOut


class Outcome(StrEnum):
    """How a withdrawal ends."""

    COMPLETED = "completed"
    FAILED = "failed"


class SettlementIn(msgspec.Struct, forbid_unknown_fields=True):
    """The end of a withdrawal."""

    outcome: Outcome
    reason: ReasonField | None = None


class WithdrawalQueueController(Controller):
    """Withdrawals to settle: for admins, and never their own."""

    path = "/vault/withdrawals"
    tags = ("vault",)

    @get(
        responses=problems(*error_codes(Action.READ_WITHDRAWALS), InvalidCursor.code),
        operation_id="listWithdrawalQueue",
        summary="Withdrawals to settle",
    )
    @inject
    async def withdrawals(
        self,
        request: SessionRequest,
        read_vault: FromDishka[ReadVault],
        cursors: FromDishka[Cursors],
        status: FromQuery[WithdrawalStatus | None] = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Response[WithdrawalPageOut]:
        """List everybody's withdrawals, oldest first. For admins."""
        scope = ("withdrawal queue", request.user.user_id, status)
        after = cursors.read(cursor, Position, of=scope)
        page = await read_vault.withdrawals(
            request.user, status, request_info(request), PageRequest(limit, after)
        )
        return wire(WithdrawalPageOut, cursors.page(page, of=scope))

    @post(
        "/{withdrawal_id:str}/settlement",
        status_code=200,
        responses={**problems(*error_codes(Action.SETTLE_WITHDRAWAL)), 202: WAITS},
        operation_id="settleWithdrawal",
        summary="Say how a withdrawal ended",
    )
    @inject
    async def settle(
        self,
        request: SessionRequest,
        settle_withdrawal: FromDishka[SettleWithdrawal],
        withdrawal_id: UuidPath,
        data: JSONBody[SettlementIn],
    ) -> Response[WithdrawalOut]:
        """Settle once: ``failed`` gives the money back. The same outcome again changes nothing. For admins.

        A completed one may wait for a second admin: 202 with the approval.
        """
        command = SettleCommand(UUID(withdrawal_id), WithdrawalStatus(data.outcome.value), data.reason)
        settled = await settle_withdrawal(request.user, command, request_info(request))
        answer = wire(WithdrawalOut, settled)
        if isinstance(settled, Approval):
            answer.status_code = 202
        return answer
