"""The bodies that Auth's clients send.

Null means absent, and fields that the stand-in has no use for are ignored, as Auth does.
"""

from typing import Any

import msgspec


class Credentials(msgspec.Struct):
    """``POST /signup`` and ``POST /token?grant_type=password``; all empty means an anonymous account."""

    email: str | None = None
    phone: str | None = None
    password: str | None = None
    data: dict[str, Any] | None = None


class TokenRequest(Credentials):
    """``POST /token`` of either grant."""

    refresh_token: str | None = None


class AccountChange(msgspec.Struct):
    """``PUT /user``."""

    email: str | None = None
    password: str | None = None
    data: dict[str, Any] | None = None


class AdminAccount(msgspec.Struct):
    """``POST /admin/users`` and ``PUT /admin/users/{id}``; None leaves a field as it is."""

    id: str | None = None
    email: str | None = None
    phone: str | None = None
    password: str | None = None
    email_confirm: bool | None = None
    ban_duration: str | None = None
    role: str | None = None
    user_metadata: dict[str, Any] | None = None
    app_metadata: dict[str, Any] | None = None


class Deletion(msgspec.Struct):
    """``DELETE /admin/users/{id}``."""

    should_soft_delete: bool | None = None
