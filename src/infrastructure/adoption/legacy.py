"""What is known of databases that are older than the service: LinguaLink's own, and Supabase's quickstart."""

import re
from typing import Final

from domain.identity import Role
from domain.posts import PostStatus
from domain.withdrawals import WithdrawalStatus

APP_TABLES: Final = {
    "public.voice_clips": "posts, as voice clips",
    "public.video_clips": "posts, as video clips",
    "public.validations": "votes of users on clips",
    "public.transactions": "the app's own history of money",
    "public.withdrawals": "withdrawals that clients wrote",
    "public.payout_requests": "withdrawals of the app's money service",
    "public.linked_bank_accounts": "bank accounts",
    "public.reward_rates": "the app's own rates of pay",
}
"""Tables of the app that hold what the service keeps in tables of its own."""

PEOPLE: Final = {
    "public.posts": "author_id",
    "public.wallets": "user_id",
    "public.wallet_transactions": "user_id",
    "public.wallet_withdrawals": "user_id",
    "public.voice_clips": "user_id",
    "public.video_clips": "user_id",
    "public.validations": "validator_id",
    "public.transactions": "user_id",
    "public.withdrawals": "user_id",
    "public.payout_requests": "user_id",
    "public.linked_bank_accounts": "user_id",
}
"""Which column of a table names somebody who has a profile."""

IDS: Final = frozenset(PEOPLE.values()) | {
    *("id", "voice_clip_id", "original_clip_id", "parent_clip_id", "root_clip_id", "post_id"),
    *("referred_by_id", "reference_id", "counterparty_id", "validated_by", "settled_by"),
}
"""Columns that the service reads as a UUID where a table has them."""

BALANCES: Final = (
    ("public.profiles", "balance"),
    ("public.profiles", "pending_balance"),
    ("public.profiles", "total_earned"),
    ("public.wallets", "balance"),
    ("public.wallet_withdrawals", "amount"),
    ("public.withdrawals", "amount"),
    ("public.payout_requests", "amount"),
    ("public.reward_rates", "amount"),
)
"""Money that is never below zero."""

MOVEMENTS: Final = (("public.transactions", "amount"), ("public.wallet_transactions", "amount"))
"""Money with a sign."""

ROLES: Final = ("role", "user_role", "is_admin", "admin_roles")
"""Columns of ``public.profiles`` that make somebody more than a user. Clients could write all of them."""
NO_ROLE: Final = ("user", "false", "{}", "[]", "")
OUR_ROLES: Final = frozenset(Role)

_WITHDRAWALS = frozenset(WithdrawalStatus)
_POSTS = frozenset(PostStatus)
STATUSES: Final = {
    ("public.posts", "validation_status"): _POSTS,
    ("public.voice_clips", "status"): _POSTS,
    ("public.video_clips", "status"): _POSTS,
    ("public.wallet_withdrawals", "status"): _WITHDRAWALS,
    ("public.withdrawals", "status"): _WITHDRAWALS,
    ("public.payout_requests", "status"): _WITHDRAWALS,
}
"""The words that the service knows for a status."""

_CREDENTIAL: Final = re.compile(
    r"(^|_)(password|passwd|secret|api_key|otp|pin)(_|$)|_hash$|^(access|refresh)_token"
)
_PRIVATE: Final = re.compile(
    r"^(email|phone.*|balance|pending_balance|total_earned|bank_.*|account_.*|date_of_birth|address|ban_reason"
    r"|referred_by_id|push_.*|expo_.*|device_.*)$"
)


def is_credential(column: str) -> bool:
    """Whether a column of profiles is called like something that opens an account."""
    return _CREDENTIAL.search(column) is not None


def is_private(column: str) -> bool:
    """Whether a column of profiles is called like something that nobody else should know."""
    return _PRIVATE.match(column) is not None
