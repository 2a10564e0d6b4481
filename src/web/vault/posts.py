"""``/vault/posts``: the moderation queue, and decisions on posts."""

from datetime import datetime
from uuid import UUID

import msgspec
from dishka import FromDishka
from litestar import Controller, Response, get, post
from litestar.params import FromQuery, JSONBody

from application.ports import PageRequest, Position, Row
from application.vault.posts import ValidatePost
from application.vault.reading import COUNTED_TO, PostFilter, ReadVault
from domain.errors import InvalidCursor, PostNotFound
from domain.policies import Action, error_codes
from domain.posts import Decision, PostKind, PostStatus
from web.authentication import SessionRequest
from web.bodies import ReasonField, wire
from web.endpoints import inject
from web.headers import IfMatchHeader, request_info, seen_version
from web.openapi import problems
from web.pagination import Cursor, Cursors, Limit
from web.query import TextQuery, UuidPath, UuidQuery

_READ = error_codes(Action.READ_POSTS)


class PostOut(msgspec.Struct):
    """A post as a moderator sees it; ``version`` is what an approval must name in ``If-Match``."""

    id: UUID
    author_id: UUID
    kind: PostKind
    title: str
    body: str | None
    language: str
    dialect: str | None
    media_url: str | None
    validation_status: PostStatus
    validated_by: UUID | None
    validated_at: datetime | None
    validation_reason: str | None
    version: int
    created_at: datetime


class PostPageOut(msgspec.Struct):
    """Some posts, oldest first; ``next_cursor`` is null on the last page."""

    items: list[PostOut]
    next_cursor: str | None


class PostCountsOut(msgspec.Struct):
    """How many posts each status has. Counting stops at ``limit``: that number means that many or more."""

    pending: int
    approved: int
    rejected: int
    limit: int


class ValidationIn(msgspec.Struct, forbid_unknown_fields=True):
    """A decision on a post."""

    status: PostStatus
    reason: ReasonField | None = None


class PostsController(Controller):
    """The moderation queue. For moderators."""

    path = "/vault/posts"
    tags = ("vault",)

    @get(
        responses=problems(*_READ, InvalidCursor.code),
        operation_id="listPosts",
        summary="The moderation queue",
    )
    @inject
    async def posts(
        self,
        request: SessionRequest,
        read_vault: FromDishka[ReadVault],
        cursors: FromDishka[Cursors],
        status: FromQuery[PostStatus | None] = None,
        language: TextQuery = None,
        kind: FromQuery[PostKind | None] = None,
        author_id: UuidQuery = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Response[PostPageOut]:
        """List posts, oldest first. For moderators."""
        wanted = PostFilter(status, language, kind, UUID(author_id) if author_id else None)
        scope = ("posts", request.user.user_id, wanted)
        after = cursors.read(cursor, Position, of=scope)
        page = await read_vault.posts(request.user, wanted, request_info(request), PageRequest(limit, after))
        return wire(PostPageOut, cursors.page(page, of=scope))

    @get("/counts", responses=problems(*_READ), operation_id="countPosts", summary="How long the queue is")
    @inject
    async def counts(
        self, request: SessionRequest, read_vault: FromDishka[ReadVault]
    ) -> Response[PostCountsOut]:
        """Count the posts of each status, up to `limit`: that number means that many or more. For moderators."""
        counts: Row = {
            "limit": COUNTED_TO,
            **await read_vault.post_counts(request.user, request_info(request)),
        }
        return wire(PostCountsOut, counts)

    @get(
        "/{post_id:str}",
        responses=problems(*_READ, PostNotFound.code),
        operation_id="readPost",
        summary="One post",
    )
    @inject
    async def one(
        self, request: SessionRequest, read_vault: FromDishka[ReadVault], post_id: UuidPath
    ) -> Response[PostOut]:
        """Read a post with the version that an approval must name. For moderators."""
        return wire(PostOut, await read_vault.post(request.user, UUID(post_id), request_info(request)))

    @post(
        "/{post_id:str}/validation",
        status_code=200,
        responses=problems(*error_codes(Action.VALIDATE_POST), *error_codes(Action.REOPEN_POST)),
        operation_id="validatePost",
        summary="Approve or reject a post",
    )
    @inject
    async def validate(
        self,
        request: SessionRequest,
        validate_post: FromDishka[ValidatePost],
        post_id: UuidPath,
        data: JSONBody[ValidationIn],
        if_match: IfMatchHeader = None,  # noqa: ARG002 - for the OpenAPI document
    ) -> Response[PostOut]:
        """Decide on a post. The first approval of its life pays the author, in the same transaction."""
        decision = Decision(data.status, data.reason, seen_version(request))
        post = await validate_post(request.user, UUID(post_id), decision, request_info(request))
        return wire(PostOut, post)
