"""``/vault/reward-rates``: what approvals pay."""

from datetime import datetime

import msgspec
from dishka import FromDishka
from litestar import Controller, Response, get, put
from litestar.params import FromPath, JSONBody

from application.vault.reading import ReadVault
from application.vault.rewards import ChangeRewardRate
from domain.money import Money
from domain.policies import Action, error_codes
from domain.rewards import RewardedAction
from web.authentication import SessionRequest
from web.bodies import AmountField, MoneyText, wire
from web.endpoints import Currency, inject
from web.headers import request_info
from web.openapi import problems


class RewardRateOut(msgspec.Struct):
    """What an action pays from now on."""

    action: RewardedAction
    amount: MoneyText
    currency: str
    updated_at: datetime


class RewardRatesOut(msgspec.Struct):
    """Every rate that was ever said; an action that is missing pays nothing."""

    items: list[RewardRateOut]


class RewardRateIn(msgspec.Struct, forbid_unknown_fields=True):
    """What an action shall pay; ``"0"`` turns it off."""

    amount: AmountField


class RewardRatesController(Controller):
    """What approvals pay. For admins."""

    path = "/vault/reward-rates"
    tags = ("vault",)

    @get(
        responses=problems(*error_codes(Action.READ_REWARD_RATES)),
        operation_id="listRewardRates",
        summary="What approvals pay",
    )
    @inject
    async def rates(
        self,
        request: SessionRequest,
        read_vault: FromDishka[ReadVault],
        currency: FromDishka[Currency],
    ) -> Response[RewardRatesOut]:
        """List the rates in force. For admins."""
        rates = await read_vault.reward_rates(request.user, request_info(request))
        return wire(RewardRatesOut, {"items": [{**rate, "currency": currency} for rate in rates]})

    @put(
        "/{action:str}",
        responses=problems(*error_codes(Action.CHANGE_REWARD_RATE)),
        operation_id="changeRewardRate",
        summary="Change what an approval pays",
    )
    @inject
    async def change(
        self,
        request: SessionRequest,
        change_reward_rate: FromDishka[ChangeRewardRate],
        currency: FromDishka[Currency],
        action: FromPath[RewardedAction],
        data: JSONBody[RewardRateIn],
    ) -> RewardRateOut:
        """Say what an action pays from now on; zero turns it off. What was paid stays. For admins."""
        amount = Money.parse(data.amount, or_zero=True)
        rate = await change_reward_rate(request.user, action, amount, request_info(request))
        return RewardRateOut(rate.action, str(rate.amount), currency, rate.updated_at)
