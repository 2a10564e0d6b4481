"""Read the moderation queue: a page, one post, and how long it is."""

from collections.abc import Mapping
from uuid import UUID

from application.vault.gate import Attempt, Gate
from application.vault.page import Page, page_of
from application.vault.ports import Position, PostFilter
from domain.audit import RequestInfo
from domain.errors import PostNotFound
from domain.identity import Principal
from domain.policies import Action
from domain.posts import Post, PostStatus


class ReadPosts:
    """The queue, for moderators: the caller's right and the page are read in one transaction."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def __call__(
        self,
        session: Principal,
        wanted: PostFilter,
        origin: RequestInfo,
        *,
        after: Position | None,
        limit: int,
    ) -> Page[Post]:
        """At most *limit* posts, oldest first.

        Raises:
            Unauthenticated, Forbidden: the caller may not.
            Unavailable: the database does not answer.
        """
        async with self._gate.reading(session, Attempt(Action.READ_POSTS, origin)) as (reader, _):
            found = await reader.posts(wanted, after=after, limit=limit + 1)
        return page_of(found, limit, lambda post: Position(post.created_at, post.id))


class ReadPost:
    """One post, for moderators."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def __call__(self, session: Principal, post_id: UUID, origin: RequestInfo) -> Post:
        """The post with its version.

        Raises:
            Unauthenticated, Forbidden: the caller may not.
            PostNotFound: there is no such post.
            Unavailable: the database does not answer.
        """
        attempt = Attempt(Action.READ_POSTS, origin, post_id)
        async with self._gate.reading(session, attempt) as (reader, _):
            post = await reader.post(post_id)
        if post is None:
            raise PostNotFound
        return post


class CountPosts:
    """The length of the queue, for moderators; counting stops at ten thousand, so it stays cheap."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    async def __call__(self, session: Principal, origin: RequestInfo) -> Mapping[PostStatus, int]:
        """How many posts each status has; see :data:`application.vault.ports.COUNTED_TO`.

        Raises:
            Unauthenticated, Forbidden: the caller may not.
            Unavailable: the database does not answer.
        """
        async with self._gate.reading(session, Attempt(Action.READ_POSTS, origin)) as (reader, _):
            return await reader.post_counts()
