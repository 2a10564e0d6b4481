"""Auth's errors, in both shapes that its clients know."""

from datetime import date
from typing import Any

from litestar import Request, Response
from litestar.datastructures import State

VERSION_HEADER = "x-supabase-api-version"
CODED_SINCE = date(2024, 1, 1)

AnyRequest = Request[Any, Any, State]


class AuthError(Exception):
    """A refusal with the status, code and message that Supabase Auth answers; *extra* joins the body."""

    def __init__(self, status: int, code: str, message: str, **extra: Any) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.extra = extra


def no_authorization() -> AuthError:
    """No token came along."""
    return AuthError(401, "no_authorization", "This endpoint requires a valid Bearer token")


def bad_jwt(why: str) -> AuthError:
    """The token proves nothing."""
    return AuthError(403, "bad_jwt", why)


def bad_json() -> AuthError:
    """The body is not the JSON that was expected."""
    return AuthError(400, "bad_json", "Could not parse request body as JSON")


def invalid(message: str) -> AuthError:
    """A field of the request is wrong."""
    return AuthError(400, "validation_failed", message)


def weak_password() -> AuthError:
    """The password is shorter than the least that is allowed."""
    reasons = {"weak_password": {"reasons": ["length"]}}
    return AuthError(422, "weak_password", "Password should be at least 6 characters.", **reasons)


def render(request: AnyRequest, error: AuthError) -> Response[dict[str, Any]]:
    """The error's body: with a text code for clients that name an API version, else the older shape."""
    headers = {"x-sb-error-code": error.code}
    version = request.headers.get(VERSION_HEADER)
    body: dict[str, Any]
    if _coded(version):
        body = {"code": error.code, "message": error.message}
        headers[VERSION_HEADER] = CODED_SINCE.isoformat()
    else:
        body = {"code": error.status, "error_code": error.code, "msg": error.message}
    return Response({**body, **error.extra}, status_code=error.status, headers=headers)


def _coded(version: str | None) -> bool:
    try:
        return version is not None and date.fromisoformat(version) >= CODED_SINCE
    except ValueError:
        return False


def render_bad_json(request: AnyRequest, _: Exception) -> Response[dict[str, Any]]:
    """What Auth answers to a body that Litestar could not decode."""
    return render(request, bad_json())
