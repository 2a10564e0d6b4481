"""What approvals pay: read it, and change it."""

from collections.abc import Sequence

from application.unit_of_work import Lock, UnitOfWorkFactory, retry_conflicts
from application.vault.gate import Attempt, Gate, facts
from domain.audit import RequestInfo
from domain.identity import Principal
from domain.money import Money
from domain.policies import Action
from domain.rewards import RewardedAction, RewardRate


class ReadRewardRates:
    """The rates in force, for admins."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def __call__(self, session: Principal, origin: RequestInfo) -> Sequence[RewardRate]:
        """Every rate that was ever said; what is missing pays nothing.

        Raises:
            Unauthenticated, Forbidden: the caller may not.
            Unavailable: the database does not answer.
        """
        async with self._gate.reading(session, Attempt(Action.READ_REWARD_RATES, origin)) as (reader, _):
            return await reader.reward_rates()


class ChangeRewardRate:
    """An admin says what an approval pays from now on; what was paid stays."""

    def __init__(self, units: UnitOfWorkFactory, gate: Gate) -> None:
        self._units = units
        self._gate = gate

    @retry_conflicts
    async def __call__(
        self, session: Principal, action: RewardedAction, amount: Money, origin: RequestInfo
    ) -> RewardRate:
        """The rate in force now; the same rate again changes and records nothing.

        Raises:
            Unauthenticated, Forbidden: the caller may not.
            Unavailable: the database does not answer.
        """
        attempt = Attempt(Action.CHANGE_REWARD_RATE, origin, asked=facts(action=action, amount=amount))
        async with self._units() as uow:
            entry = await uow.enter(session, lock=Lock.CALLER)
            await self._gate.admit(uow, entry, attempt)
            case = await uow.lock_rate(action)
            before, after = case.rate, RewardRate(action, amount, case.now)
            if after.amount == before.amount:
                return before
            uow.save_rate(after)
            self._gate.record(
                uow,
                entry,
                attempt,
                before=facts(action=action, amount=before.amount),
                after=attempt.asked,
                at=case.now,
            )
            await uow.commit()
            return after
