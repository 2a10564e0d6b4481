"""``/vault/posts``: the moderation queue, and decisions on posts."""

from typing import Any
from uuid import UUID

from dishka import FromDishka
from litestar import Controller, Request, get, post
from litestar.params import FromQuery, JSONBody

from application.vault.ports import Position, PostFilter
from application.vault.read_posts import CountPosts, ReadPost, ReadPosts
from application.vault.validate_post import ValidatePost
from domain.identity import Principal
from domain.posts import PostKind, PostStatus
from web.bodies import strict_json
from web.fields import TextQuery, UuidPath, UuidQuery
from web.headers import IfMatchHeader, origin, seen_version
from web.injection import inject
from web.openapi import problems
from web.pagination import Cursor, Cursors, Limit
from web.vault.schemas import PostCountsOut, PostOut, PostPageOut, ValidationIn

CALLER = ("session_revoked", "banned", "anonymous_session", "mfa_required", "forbidden")


class VaultController(Controller):
    """The protected actions: for moderators and admins."""

    path = "/vault"
    tags = ["vault"]  # noqa: RUF012 - Litestar's form

    @get(
        "/posts",
        responses=problems(*CALLER, "invalid_cursor"),
        operation_id="listPosts",
        summary="The moderation queue",
    )
    @inject
    async def posts(
        self,
        request: Request[Principal, Any, Any],
        read_posts: FromDishka[ReadPosts],
        cursors: FromDishka[Cursors],
        status: FromQuery[PostStatus | None] = None,
        language: TextQuery = None,
        kind: FromQuery[PostKind | None] = None,
        author_id: UuidQuery = None,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> PostPageOut:
        """List posts, oldest first. For moderators."""
        wanted = PostFilter(status, language, kind, UUID(author_id) if author_id else None)
        listed = ("posts", request.user.user_id, wanted)
        page = await read_posts(
            request.user,
            wanted,
            origin(request),
            after=cursors.read(cursor, Position, of=listed),
            limit=limit,
        )
        following = None if page.next_after is None else cursors.write(page.next_after, of=listed)
        return PostPageOut([PostOut.of(found) for found in page.items], following)

    @get(
        "/posts/counts",
        responses=problems(*CALLER),
        operation_id="countPosts",
        summary="How long the queue is",
    )
    @inject
    async def counts(
        self, request: Request[Principal, Any, Any], count_posts: FromDishka[CountPosts]
    ) -> PostCountsOut:
        """Count the posts of each status, up to `limit`: that number means that many or more. For moderators."""
        return PostCountsOut.of(await count_posts(request.user, origin(request)))

    @get(
        "/posts/{post_id:str}",
        responses=problems(*CALLER, "post_not_found"),
        operation_id="readPost",
        summary="One post",
    )
    @inject
    async def one(
        self, request: Request[Principal, Any, Any], read_post: FromDishka[ReadPost], post_id: UuidPath
    ) -> PostOut:
        """Read a post with the version that an approval must name. For moderators."""
        return PostOut.of(await read_post(request.user, UUID(post_id), origin(request)))

    @post(
        "/posts/{post_id:str}/validation",
        status_code=200,
        before_request=strict_json,
        responses=problems(
            *CALLER, "own_post", "post_not_found", "version_mismatch", "precondition_required"
        ),
        operation_id="validatePost",
        summary="Approve or reject a post",
    )
    @inject
    async def validate(
        self,
        request: Request[Principal, Any, Any],
        validate_post: FromDishka[ValidatePost],
        post_id: UuidPath,
        data: JSONBody[ValidationIn],
        if_match: IfMatchHeader = None,  # noqa: ARG002 - for the OpenAPI document
    ) -> PostOut:
        """Decide on a post. The first approval of its life pays the author, in the same transaction."""
        command = data.to_command(post_id, seen_version(request))
        return PostOut.of(await validate_post(request.user, command, origin(request)))
