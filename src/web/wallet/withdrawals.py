"""``/wallet/withdrawals``: taking money out, and what became of it."""

from typing import Any

from dishka import FromDishka
from litestar import Controller, Request, Response, get, post
from litestar.params import FromQuery, JSONBody

from application.idempotency import KeyedRequest, fingerprint
from application.wallet.ports import WithdrawalPosition
from application.wallet.read_withdrawals import ReadWithdrawals
from application.wallet.withdraw_funds import WithdrawFunds
from domain.identity import Principal
from domain.withdrawals import WithdrawalStatus
from web.bodies import strict_json
from web.headers import IdempotencyKeyHeader, idempotency_key
from web.injection import inject
from web.openapi import problems
from web.pagination import Cursor, Cursors, Limit
from web.wallet.controller import CALLER, KEYED, REPLAYED
from web.wallet.withdrawal_schemas import HoldOut, WithdrawalOut, WithdrawalPageOut, WithdrawIn


class WithdrawalsController(Controller):
    """The caller's own withdrawals."""

    path = "/wallet/withdrawals"
    tags = ["wallet"]  # noqa: RUF012 - Litestar's form

    @get(responses=problems("invalid_cursor"), operation_id="listWithdrawals", summary="Your withdrawals")
    @inject
    async def withdrawals(
        self,
        request: Request[Principal, Any, Any],
        read_withdrawals: FromDishka[ReadWithdrawals],
        cursors: FromDishka[Cursors],
        status: FromQuery[WithdrawalStatus | None] = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> WithdrawalPageOut:
        """List the withdrawals of the session's user, newest first."""
        listed = ("withdrawals", request.user.user_id, status)
        after = cursors.read(cursor, WithdrawalPosition, of=listed)
        page = await read_withdrawals(request.user, status, after=after, limit=limit)
        following = None if page.next_after is None else cursors.write(page.next_after, of=listed)
        return WithdrawalPageOut([WithdrawalOut.of(row) for row in page.withdrawals], following)

    @post(
        before_request=strict_json,
        response_headers=[REPLAYED],
        responses=problems(*KEYED, *CALLER, "invalid_amount", "insufficient_funds"),
        operation_id="withdrawFunds",
        summary="Take money out",
    )
    @inject
    async def withdraw(
        self,
        request: Request[Principal, Any, Any],
        withdraw_funds: FromDishka[WithdrawFunds],
        data: JSONBody[WithdrawIn],
        key: IdempotencyKeyHeader = None,  # noqa: ARG002 - for the OpenAPI document
    ) -> Response[HoldOut]:
        """Hold money to be paid out, once for each Idempotency-Key. It leaves the balance at once."""
        sent_key = idempotency_key(request)
        command = data.to_command()
        keyed = KeyedRequest(sent_key, fingerprint("POST", request.url.path, command))
        answer = await withdraw_funds(request.user, command, keyed)
        headers = {"Idempotency-Replayed": "true"} if answer.replayed else None
        return Response(HoldOut.of(answer.result), headers=headers)
