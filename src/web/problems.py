"""Every error as a problem document (RFC 9457). The only place that knows HTTP statuses."""

from typing import Any, Final

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException

from domain import errors
from domain.errors import DomainError

MEDIA_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "https://lingualink.app/problems/"
UNAVAILABLE_RETRY_S: Final = 1
RATE_LIMITED_RETRY_S: Final = 60
"""Where nothing better is known."""

log = structlog.get_logger(__name__)


class FieldProblem(msgspec.Struct):
    """What is wrong with one part of the input; ``pointer`` is a JSON pointer (RFC 6901) or a parameter's name."""

    pointer: str
    detail: str


class Problem(msgspec.Struct, omit_defaults=True):
    """The body of every answer that is an error; clients program against ``code``."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[FieldProblem] = []

    @classmethod
    def of(
        cls, code: str, detail: str, request_id: str, errors: list[FieldProblem] | None = None
    ) -> "Problem":
        """The problem that *code*, a key of STATUS_OF, stands for."""
        return cls(TYPE_PREFIX + code, TITLES[code], STATUS_OF[code], detail, code, request_id, errors or [])


class HttpProblem(Exception):
    """An error of HTTP itself, before any use-case: ``code`` is a key of STATUS_OF."""

    def __init__(
        self,
        code: str,
        detail: str | None = None,
        problems: list[FieldProblem] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail or TITLES[code])
        self.code = code
        self.problems = problems or []
        self.headers = headers


STATUS_OF: Final = {
    "invalid_request": 400,
    "invalid_amount": 400,
    "invalid_cursor": 400,
    "idempotency_key_missing": 400,
    "idempotency_key_invalid": 400,
    "missing_token": 401,
    "invalid_token": 401,
    "expired_token": 401,
    "session_revoked": 401,
    "forbidden": 403,
    "own_post": 403,
    "banned": 403,
    "anonymous_session": 403,
    "mfa_required": 403,
    "last_admin": 403,
    "client_not_allowed": 403,
    "not_found": 404,
    "post_not_found": 404,
    "user_not_found": 404,
    "withdrawal_not_found": 404,
    "method_not_allowed": 405,
    "insufficient_funds": 409,
    "balance_limit": 409,
    "below_minimum": 409,
    "daily_limit": 409,
    "wallet_frozen": 409,
    "withdrawal_already_settled": 409,
    "idempotency_key_in_progress": 409,
    "version_mismatch": 412,
    "body_too_large": 413,
    "uri_too_long": 414,
    "unsupported_media_type": 415,
    "idempotency_key_reused": 422,
    "precondition_required": 428,
    "rate_limited": 429,
    "headers_too_large": 431,
    "internal_error": 500,
    "unavailable": 503,
}
LONGEST_REASON: Final = 300
TITLES: Final = {code: code.replace("_", " ").capitalize() for code in STATUS_OF}

# What Litestar itself refuses, by status.
_FRAMEWORK_CODES: Final = {
    400: "invalid_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
}
_FRAMEWORK_DETAILS: Final = {
    404: "There is nothing here.",
    405: "This address does not answer that method.",
    413: "The body is too large.",
    415: "Send JSON: Content-Type: application/json.",
}
# RFC 6750, section 3: no error code where no token was sent.
_CHALLENGES: Final = {"missing_token": 'Bearer realm="lingualink"'}


def problem_response(
    request: Request[Any, Any, Any],
    code: str,
    detail: str,
    problems: list[FieldProblem] | None = None,
    headers: dict[str, str] | None = None,
) -> Response[Problem]:
    """A problem document with the headers that its code calls for."""
    status = STATUS_OF[code]
    sent = {**_headers_of(code, status), **(headers or {})}
    request_id = str(request.scope.get("state", {}).get("request_id", ""))
    problem = Problem.of(code, detail, request_id, problems)
    return Response(problem, status_code=status, media_type=MEDIA_TYPE, headers=sent)


def _headers_of(code: str, status: int) -> dict[str, str]:
    if status == 401:
        return {"WWW-Authenticate": _CHALLENGES.get(code, 'Bearer realm="lingualink", error="invalid_token"')}
    if status == 503 or code == "idempotency_key_in_progress":
        return {"Retry-After": str(UNAVAILABLE_RETRY_S)}
    if code == "rate_limited":
        return {"Retry-After": str(RATE_LIMITED_RETRY_S)}
    return {}


def on_domain_error(request: Request[Any, Any, Any], error: DomainError) -> Response[Problem]:
    """What a use-case refuses."""
    headers = None
    if isinstance(error, errors.RateLimited):
        headers = {"Retry-After": str(error.retry_after_s)}
    if isinstance(error, errors.Unavailable):
        why = error.__cause__
        log.warning("request.unavailable", cause=type(why).__name__, error=str(why or "")[:LONGEST_REASON])
    if isinstance(error, errors.Forbidden):
        session = request.scope.get("user")
        log.warning("request.refused", code=error.code, user_id=str(getattr(session, "user_id", "")))
    return problem_response(request, error.code, str(error), headers=headers)


def on_http_problem(request: Request[Any, Any, Any], error: HttpProblem) -> Response[Problem]:
    """What our own reading of HTTP refuses."""
    return problem_response(request, error.code, str(error), error.problems, error.headers)


def on_validation_error(request: Request[Any, Any, Any], error: ValidationException) -> Response[Problem]:
    """A body or a parameter that does not fit its schema."""
    problems = [_field_problem(item) for item in error.extra or []] if isinstance(error.extra, list) else []
    if any(problem.pointer == "/amount" for problem in problems):
        return problem_response(request, errors.InvalidAmount.code, errors.InvalidAmount.detail, problems)
    return problem_response(request, "invalid_request", "The request does not fit its schema.", problems)


def on_http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    """What Litestar refuses before a handler runs; and a client that hung up, who gets no answer any more."""
    code = _FRAMEWORK_CODES.get(error.status_code)
    if code is None:
        if request.scope["state"].get("disconnected"):
            return problem_response(request, "internal_error", "The client hung up.")
        return on_unexpected_error(request, error)
    detail = _FRAMEWORK_DETAILS.get(error.status_code, "The request can't be read.")
    return problem_response(request, code, detail, headers=dict(error.headers or {}))


def on_unexpected_error(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """A mistake of ours: the log has the cause, the caller the request's id."""
    log.error("request.failed", exc_info=error)
    return problem_response(request, "internal_error", "Something went wrong on our side.")


def _field_problem(item: dict[str, Any]) -> FieldProblem:
    message = str(item.get("message", "not valid"))
    if item.get("source") in {"query", "path", "header", "cookie"}:
        return FieldProblem(str(item.get("key", "")), message)
    key = str(item.get("key", "")).removeprefix("$").strip(".")
    pointer = "/" + key.replace(".", "/") if key else ""
    return FieldProblem(pointer, message)


HANDLERS: Final[dict[int | type[Exception], Any]] = {
    DomainError: on_domain_error,
    HttpProblem: on_http_problem,
    ValidationException: on_validation_error,
    HTTPException: on_http_error,
    Exception: on_unexpected_error,
}


def problem_of(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    """What *error* is answered with."""
    handler = next(HANDLERS[kind] for kind in type(error).__mro__ if kind in HANDLERS)
    answer: Response[Problem] = handler(request, error)
    return answer
