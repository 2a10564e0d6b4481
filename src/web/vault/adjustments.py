"""``/vault/users/{user_id}/transactions``: balances that admins correct."""

from enum import StrEnum
from uuid import UUID

import msgspec
from dishka import FromDishka
from litestar import Controller, Response, post
from litestar.params import JSONBody

from application.vault.adjustments import AdjustBalance, AdjustCommand
from domain.money import Money
from domain.policies import Action, error_codes
from domain.wallet import TransactionKind
from web.authentication import SessionRequest
from web.bodies import AmountField, NoteField
from web.endpoints import inject
from web.headers import request_info
from web.idempotency import IdempotencyKeyHeader, keyed, sent
from web.openapi import problems
from web.query import UuidPath
from web.vault.approvals import WAITS
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

    def to_command(self, user_id: str) -> AdjustCommand:
        """The command that this body means for the user *user_id*.

        Raises:
            InvalidAmount: the amount is no plain decimal.
        """
        kind = TransactionKind(self.kind.value)
        return AdjustCommand(UUID(user_id), kind, Money.parse(self.amount), self.note)


class AdjustmentsController(Controller):
    """Balances to correct: for admins, and never their own."""

    path = "/vault/users"
    tags = ["vault"]  # noqa: RUF012 - Litestar's form

    @post(
        "/{user_id:str}/transactions",
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
        command = data.to_command(user_id)
        answer = await adjust_balance(request.user, command, sent_key, request_info(request))
        return sent(PostedTransactionOut, request, answer)
