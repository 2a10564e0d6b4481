"""``/wallet``: balance, history, transfers."""

from datetime import datetime
from typing import Annotated, Any

from dishka import FromDishka
from litestar import Controller, Request, Response, get, post
from litestar.datastructures import ResponseHeader
from litestar.params import FromQuery, JSONBody, QueryParameter

from application.idempotency import KeyedRequest, fingerprint
from application.wallet.ports import TransactionFilter
from application.wallet.read_wallet import ReadTransactions, ReadWallet
from application.wallet.transfer_funds import TransferFunds
from domain.identity import Principal
from domain.wallet import TransactionKind
from web.bodies import strict_json
from web.headers import IdempotencyKeyHeader, idempotency_key
from web.injection import inject
from web.openapi import problems
from web.pagination import Cursor, Cursors, Limit
from web.settings import Currency
from web.times import instant
from web.wallet.schemas import BookedOut, TransactionOut, TransactionPage, TransferIn, WalletOut

KEYED = (
    "idempotency_key_missing",
    "idempotency_key_invalid",
    "idempotency_key_reused",
    "idempotency_key_in_progress",
)
CALLER = ("session_revoked", "banned", "anonymous_session", "forbidden")
REPLAYED = ResponseHeader(
    name="Idempotency-Replayed",
    documentation_only=True,
    description="`true` where this is the answer to an earlier request with the same key.",
)
Since = Annotated[datetime | None, QueryParameter(description="From this time on (RFC 3339).")]
Until = Annotated[datetime | None, QueryParameter(description="Before this time (RFC 3339).")]


class WalletController(Controller):
    """The caller's own money."""

    path = "/wallet"
    tags = ["wallet"]  # noqa: RUF012 - Litestar's form

    @get(responses=problems(), operation_id="readWallet", summary="Your balance")
    @inject
    async def read(
        self,
        request: Request[Principal, Any, Any],
        read_wallet: FromDishka[ReadWallet],
        currency: FromDishka[Currency],
    ) -> WalletOut:
        """Read the balance and its version. The first call opens the wallet."""
        return WalletOut.of(await read_wallet(request.user), currency)

    @get(
        "/transactions",
        responses=problems("invalid_cursor"),
        operation_id="listTransactions",
        summary="Your ledger",
    )
    @inject
    async def history(
        self,
        request: Request[Principal, Any, Any],
        read_transactions: FromDishka[ReadTransactions],
        cursors: FromDishka[Cursors],
        limit: Limit = 50,
        cursor: Cursor = None,
        kind: FromQuery[TransactionKind | None] = None,
        since: Since = None,
        until: Until = None,
    ) -> TransactionPage:
        """List the ledger rows of the session's user, newest first. New rows never move a page."""
        wanted = TransactionFilter(kind, instant("since", since), instant("until", until))
        listed = ("wallet", request.user.user_id, wanted)
        page = await read_transactions(
            request.user, wanted, before_version=cursors.read(cursor, int, of=listed), limit=limit
        )
        following = None if page.next_before is None else cursors.write(page.next_before, of=listed)
        return TransactionPage([TransactionOut.of(row) for row in page.transactions], following)

    @post(
        "/transfers",
        before_request=strict_json,
        response_headers=[REPLAYED],
        responses=problems(
            *KEYED, *CALLER, "invalid_amount", "user_not_found", "insufficient_funds", "balance_limit"
        ),
        operation_id="transferFunds",
        summary="Pay another user",
    )
    @inject
    async def transfer(
        self,
        request: Request[Principal, Any, Any],
        transfer_funds: FromDishka[TransferFunds],
        data: JSONBody[TransferIn],
        key: IdempotencyKeyHeader = None,  # noqa: ARG002 - for the OpenAPI document
    ) -> Response[BookedOut]:
        """Move money to another user, once for each Idempotency-Key."""
        sent_key = idempotency_key(request)
        command = data.to_command()
        keyed = KeyedRequest(sent_key, fingerprint("POST", request.url.path, command))
        answer = await transfer_funds(request.user, command, keyed)
        headers = {"Idempotency-Replayed": "true"} if answer.replayed else None
        return Response(BookedOut.of(answer.result), headers=headers)
