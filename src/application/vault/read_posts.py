"""Read the moderation queue."""

from collections.abc import Sequence
from dataclasses import dataclass

from application.vault.ports import PostFilter, PostPosition, VaultReaderFactory
from domain.identity import Session
from domain.policies import Action, authorise
from domain.posts import Post


@dataclass(frozen=True, slots=True)
class PostPage:
    """Some posts, oldest first, and where the next page goes on (None at the end)."""

    posts: Sequence[Post]
    next_after: PostPosition | None


class ReadPosts:
    """The queue, for moderators: the caller's right and the page are read in one transaction."""

    def __init__(self, readers: VaultReaderFactory) -> None:
        self._readers = readers

    async def __call__(
        self, session: Session, wanted: PostFilter, *, after: PostPosition | None, limit: int
    ) -> PostPage:
        """At most *limit* posts.

        Raises:
            Unauthenticated, Forbidden: the caller may not.
            Unavailable: the database does not answer.
        """
        async with self._readers() as reader:
            authorise(await reader.enter(session), Action.READ_POSTS)
            found = await reader.posts(wanted, after=after, limit=limit + 1)
        page = found[:limit]
        more = len(found) > limit
        return PostPage(page, PostPosition(page[-1].created_at, page[-1].id) if more else None)
