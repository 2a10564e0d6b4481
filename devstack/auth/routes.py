"""Auth's URL map under ``/auth/v1``."""

from typing import Annotated, Any

import msgspec
from litestar import Response, Router, delete, get, post, put
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from devstack.auth import admin
from devstack.auth.errors import AnyRequest, AuthError, invalid, render, render_bad_json
from devstack.auth.schemas import AccountChange, AdminAccount, Credentials, Deletion, TokenRequest
from devstack.auth.service import Auth, Caller
from devstack.auth.sessions import Client
from devstack.gateway import bearer

Body = dict[str, Any]

CACHED = {"Cache-Control": "public, max-age=600"}
LARGEST_BODY = 1_000_000


def provide_auth(state: State) -> Auth:
    """The service that the application opened when it started."""
    auth: Auth = state.auth
    return auth


def provide_client(request: AnyRequest) -> Client:
    """Who asks, for the session's row."""
    return Client(request.headers.get("user-agent"), request.client.host if request.client else None)


async def provide_caller(request: AnyRequest, auth: NamedDependency[Auth]) -> Caller:
    """The signed-in user, or the refusal that Auth gives."""
    return await auth.authenticate(bearer(request.headers.get("authorization")))


def provide_admin(request: AnyRequest, auth: NamedDependency[Auth]) -> Auth:
    """The service, for holders of a secret key only."""
    admin.require_admin(auth, bearer(request.headers.get("authorization")))
    return auth


@get("/.well-known/jwks.json")
async def jwks(auth: NamedDependency[Auth]) -> Response[Body]:
    """The public half of the signing key; needs no API key."""
    return Response({"keys": [auth.key.public_jwk()]}, headers=CACHED)


@get("/.well-known/openid-configuration")
async def openid_configuration(auth: NamedDependency[Auth]) -> Response[Body]:
    """Where the keys of this issuer are."""
    issuer = auth.config.issuer
    body = {
        "issuer": issuer,
        "jwks_uri": f"{issuer}/.well-known/jwks.json",
        "userinfo_endpoint": f"{issuer}/user",
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    }
    return Response(body, headers=CACHED)


@get("/health")
async def health() -> Body:
    """The service answers."""
    return {"version": "local", "name": "GoTrue", "description": "Local stand-in for Supabase Auth"}


@get("/settings")
async def settings(auth: NamedDependency[Auth]) -> Body:
    """Which ways to sign in are on: an address with a password, and anonymously."""
    return {
        "external": {"anonymous_users": True, "email": True, "phone": False},
        "disable_signup": False,
        "mailer_autoconfirm": auth.config.email_autoconfirm,
        "phone_autoconfirm": False,
        "sms_provider": "",
        "saml_enabled": False,
    }


@post("/signup", status_code=200)
async def sign_up(
    data: JSONBody[Credentials], auth: NamedDependency[Auth], from_client: NamedDependency[Client]
) -> Body:
    """A new account; without an address an anonymous one."""
    return await auth.sign_up(data, from_client)


@post("/token", status_code=200)
async def token(
    data: JSONBody[TokenRequest],
    auth: NamedDependency[Auth],
    from_client: NamedDependency[Client],
    grant_type: FromQuery[str] = "",
) -> Body:
    """A session, for a password or for a refresh token."""
    if grant_type == "password":
        return await auth.sign_in(data, from_client)
    if grant_type == "refresh_token":
        return await auth.refresh(data.refresh_token)
    raise AuthError(400, "validation_failed", "unsupported_grant_type")


@get("/user")
async def get_user(caller: NamedDependency[Caller]) -> Body:
    """The signed-in user."""
    return caller.user.body()


@put("/user")
async def update_user(
    data: JSONBody[AccountChange], auth: NamedDependency[Auth], caller: NamedDependency[Caller]
) -> Body:
    """Change one's own account."""
    return await auth.update(caller, data)


@post("/logout", status_code=204)
async def sign_out(
    auth: NamedDependency[Auth],
    caller: NamedDependency[Caller],
    ending: Annotated[str, QueryParameter(name="scope")] = "global",
) -> None:
    """End sessions of the signed-in user; their rows are gone afterwards."""
    await auth.sign_out(caller, ending)


@post("/admin/users", status_code=200)
async def create_user(data: JSONBody[AdminAccount], admin_of: NamedDependency[Auth]) -> Body:
    """Create an account."""
    return await admin.create(admin_of, data)


@get("/admin/users")
async def list_users(
    admin_of: NamedDependency[Auth], page: FromQuery[str] = "", per_page: FromQuery[str] = ""
) -> Response[Body]:
    """All accounts, page by page; an empty parameter is an absent one."""
    try:
        number, size = int(page or 1), int(per_page or 50)
    except ValueError:
        raise invalid("Bad Pagination Parameters") from None
    body, total = await admin.page(admin_of, max(number, 1), max(size, 1))
    return Response(body, headers={"x-total-count": str(total)})


@get("/admin/users/{user_id:str}")
async def get_user_by_id(user_id: FromPath[str], admin_of: NamedDependency[Auth]) -> Body:
    """One account."""
    return await admin.get(admin_of, user_id)


@put("/admin/users/{user_id:str}")
async def update_user_by_id(
    user_id: FromPath[str], data: JSONBody[AdminAccount], admin_of: NamedDependency[Auth]
) -> Body:
    """Change an account, ban it, or lift the ban."""
    return await admin.update(admin_of, user_id, data)


@delete("/admin/users/{user_id:str}", status_code=200)
async def delete_user(user_id: FromPath[str], request: AnyRequest, admin_of: NamedDependency[Auth]) -> Body:
    """Remove an account, softly if asked to."""
    asked = msgspec.json.decode(await request.body() or b"{}", type=Deletion)
    await admin.delete(admin_of, user_id, softly=bool(asked.should_soft_delete))
    return {}


def auth_router() -> Router:
    """Every route of Auth, with its errors in Auth's own shapes."""
    return Router(
        path="/auth/v1",
        route_handlers=[
            jwks, openid_configuration, health, settings, sign_up, token, get_user, update_user, sign_out,
            create_user, list_users, get_user_by_id, update_user_by_id, delete_user,
        ],
        dependencies={
            "auth": Provide(provide_auth, sync_to_thread=False),
            "from_client": Provide(provide_client, sync_to_thread=False),
            "caller": Provide(provide_caller),
            "admin_of": Provide(provide_admin, sync_to_thread=False),
        },
        exception_handlers={
            AuthError: render,
            400: render_bad_json,
            msgspec.DecodeError: render_bad_json,
        },
        request_max_body_size=LARGEST_BODY,
    )  # fmt: skip
