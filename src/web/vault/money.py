"""``/vault/withdrawals`` and ``/vault/users/{user_id}/transactions``: money that admins decide on."""

from typing import Any

from dishka import FromDishka
from litestar import Controller, Request, Response, get, post
from litestar.params import FromQuery, JSONBody

from application.idempotency import KeyedRequest, fingerprint
from application.vault.book_transaction import BookTransaction
from application.vault.settle_withdrawal import SettleWithdrawal
from application.vault.withdrawal_queue import ReadWithdrawalQueue
from application.wallet.ports import WithdrawalPosition
from domain.identity import Principal
from domain.withdrawals import WithdrawalStatus
from web.bodies import strict_json
from web.fields import UuidPath
from web.headers import IdempotencyKeyHeader, idempotency_key, origin
from web.injection import inject
from web.openapi import problems
from web.pagination import Cursor, Cursors, Limit
from web.vault.money_schemas import BookIn, SettlementIn
from web.wallet.controller import CALLER, KEYED, REPLAYED
from web.wallet.schemas import BookedOut
from web.wallet.withdrawal_schemas import WithdrawalOut, WithdrawalPageOut


class VaultMoneyController(Controller):
    """Withdrawals to settle, and balances to correct: for admins, and never on their own wallet."""

    path = "/vault"
    tags = ["vault"]  # noqa: RUF012 - Litestar's form

    @get(
        "/withdrawals",
        responses=problems(*CALLER, "invalid_cursor"),
        operation_id="listWithdrawalQueue",
        summary="Withdrawals to settle",
    )
    @inject
    async def withdrawals(
        self,
        request: Request[Principal, Any, Any],
        read_queue: FromDishka[ReadWithdrawalQueue],
        cursors: FromDishka[Cursors],
        status: FromQuery[WithdrawalStatus | None] = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> WithdrawalPageOut:
        """List everybody's withdrawals, oldest first. For admins."""
        listed = ("withdrawal queue", request.user.user_id, status)
        after = cursors.read(cursor, WithdrawalPosition, of=listed)
        page = await read_queue(request.user, status, origin(request), after=after, limit=limit)
        following = None if page.next_after is None else cursors.write(page.next_after, of=listed)
        return WithdrawalPageOut([WithdrawalOut.of(row) for row in page.withdrawals], following)

    @post(
        "/withdrawals/{withdrawal_id:str}/settlement",
        status_code=200,
        before_request=strict_json,
        responses=problems(*CALLER, "withdrawal_not_found", "withdrawal_already_settled", "balance_limit"),
        operation_id="settleWithdrawal",
        summary="Say how a withdrawal ended",
    )
    @inject
    async def settle(
        self,
        request: Request[Principal, Any, Any],
        settle_withdrawal: FromDishka[SettleWithdrawal],
        withdrawal_id: UuidPath,
        data: JSONBody[SettlementIn],
    ) -> WithdrawalOut:
        """Settle once: ``failed`` gives the money back. The same outcome again changes nothing. For admins."""
        command = data.to_command(withdrawal_id)
        return WithdrawalOut.of(await settle_withdrawal(request.user, command, origin(request)))

    @post(
        "/users/{user_id:str}/transactions",
        before_request=strict_json,
        response_headers=[REPLAYED],
        responses=problems(
            *KEYED, *CALLER, "invalid_amount", "user_not_found", "insufficient_funds", "balance_limit"
        ),
        operation_id="bookTransaction",
        summary="Correct a user's balance",
    )
    @inject
    async def book(
        self,
        request: Request[Principal, Any, Any],
        book_transaction: FromDishka[BookTransaction],
        user_id: UuidPath,
        data: JSONBody[BookIn],
        key: IdempotencyKeyHeader = None,  # noqa: ARG002 - for the OpenAPI document
    ) -> Response[BookedOut]:
        """Book a bonus, a refund or a penalty, once for each Idempotency-Key. For admins."""
        sent_key = idempotency_key(request)
        command = data.to_command(user_id)
        keyed = KeyedRequest(sent_key, fingerprint("POST", request.url.path, command))
        answer = await book_transaction(request.user, command, keyed, origin(request))
        headers = {"Idempotency-Replayed": "true"} if answer.replayed else None
        return Response(BookedOut.of(answer.result), headers=headers)
