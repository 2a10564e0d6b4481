"""What a deployment allows: how little is paid out, how much a wallet gives in a day, and what two admins decide."""

from dataclasses import dataclass
from decimal import Decimal

from domain.errors import BelowMinimum, DailyLimit
from domain.money import Money, money_text
from domain.wallet import Wallet


@dataclass(frozen=True, slots=True)
class Limits:
    """None is no limit. A day is the last 24 hours, whatever became of what was given in them."""

    withdrawal_minimum: Money | None = None
    withdrawal_daily: Money | None = None
    transfer_daily: Money | None = None
    second_admin_above: Money | None = None

    def check_withdrawal(self, wallet: Wallet, amount: Money) -> None:
        """Return if *wallet* may pay *amount* out.

        Raises:
            BelowMinimum, DailyLimit: it may not.
        """
        if self.withdrawal_minimum is not None and amount < self.withdrawal_minimum:
            raise BelowMinimum(f"A withdrawal is at least {self.withdrawal_minimum}.")
        _check(self.withdrawal_daily, wallet.withdrawn, amount)

    def check_transfer(self, wallet: Wallet, amount: Money) -> None:
        """Return if *wallet* may pay *amount* to somebody.

        Raises:
            DailyLimit: it may not.
        """
        _check(self.transfer_daily, wallet.sent, amount)

    def needs_second_admin(self, amount: Money) -> bool:
        """Whether another admin has to agree."""
        return self.second_admin_above is not None and amount > self.second_admin_above


def _check(limit: Money | None, given: Decimal, amount: Money) -> None:
    if limit is not None and given + amount.amount > limit.amount:
        raise DailyLimit(f"A wallet gives at most {limit} in 24 hours, and has given {money_text(given)}.")
