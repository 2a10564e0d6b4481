"""``/vault/users/{user_id}/transactions`` and ``/vault/transactions``: balances that admins correct."""

from enum import StrEnum
from uuid import UUID

import msgspec
from dishka import FromDishka
from litestar import Controller, Response, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody

from application.vault.adjustments import AdjustBalance, AdjustCommand, ReverseTransaction
from domain.money import Money
from domain.policies import Action, error_codes
from domain.wallet import TransactionKind
from web.authentication import SessionRequest
from web.bodies import AmountField, MoneyText, NoteField, wire
from web.endpoints import inject
from web.headers import request_info
from web.idempotency import IdempotencyKeyHeader, keyed, sent
from web.openapi import problems
from web.query import UuidPath
from web.vault.approvals import WAITS
from web.wallet.statement import TransactionOut
from web.wallet.wallet import PostedTransactionOut


class AdjustmentKind(StrEnum):
    """The kinds that are posted by hand."""

    BONUS = "bonus"
    PENALTY = "penalty"
    REFUND = "refund"


class AdjustmentIn(msgspec.Struct, forbid_unknown_fields=True):
    """A correction of a balance; the note is for its owner."""

    kind: AdjustmentKind
    amount: AmountField
    note: NoteField


class ReversalIn(msgspec.Struct, forbid_unknown_fields=True):
    """Why a transaction is taken back."""

    reason: NoteField


class ReversalOut(msgspec.Struct):
    """The rows that take a transaction back, two for a transfer; ``shortfall`` is what its wallet could not give."""

    transactions: list[TransactionOut]
    shortfall: MoneyText


class AdjustmentsController(Controller):
    """Balances to correct: for admins, and never their own."""

    path = "/vault"
    tags = ("vault",)

    @post(
        "/users/{user_id:str}/transactions",
        responses={**problems(*error_codes(Action.ADJUST_BALANCE)), 202: WAITS},
        operation_id="bookTransaction",
        summary="Correct a user's balance",
    )
    @inject
    async def adjust(
        self,
        request: SessionRequest,
        adjust_balance: FromDishka[AdjustBalance],
        user_id: UuidPath,
        data: JSONBody[AdjustmentIn],
        key: IdempotencyKeyHeader = None,  # noqa: ARG002 - for the OpenAPI document
    ) -> Response[PostedTransactionOut]:
        """Post a bonus, a refund or a penalty, once for each Idempotency-Key. For admins.

        A large one may wait for a second admin: 202 with the approval.
        """
        sent_key = keyed(request)
        kind, amount = TransactionKind(data.kind.value), Money.parse(data.amount)
        command = AdjustCommand(UUID(user_id), kind, amount, data.note)
        answer = await adjust_balance(request.user, command, sent_key, request_info(request))
        return sent(PostedTransactionOut, request, answer)

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
        posted = await reverse_transaction(
            request.user, UUID(transaction_id), data.reason, request_info(request)
        )
        answer = wire(ReversalOut, {"transactions": posted.transactions, "shortfall": posted.shortfall})
        answer.status_code = 201 if posted.is_new else 200
        return answer
