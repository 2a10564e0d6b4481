"""The tables that lists are read from, as advanced-alchemy sees them. Migrations are the truth about the schema."""

from datetime import datetime
from uuid import UUID

from advanced_alchemy.base import CommonTableAttributes
from sqlalchemy import DateTime, Text, Uuid
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, registry


class Base(CommonTableAttributes, DeclarativeBase):
    """Plain columns: advanced-alchemy's own bases add columns that other writers of these tables don't fill."""

    registry = registry(type_annotation_map={UUID: Uuid(), datetime: DateTime(timezone=True), str: Text()})


class PostRow(Base):
    """A row of ``public.posts``."""

    __tablename__ = "posts"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    author_id: Mapped[UUID]
    kind: Mapped[str]
    title: Mapped[str]
    body: Mapped[str | None]
    language: Mapped[str]
    dialect: Mapped[str | None]
    media_url: Mapped[str | None]
    validation_status: Mapped[str]
    validated_by: Mapped[UUID | None]
    validated_at: Mapped[datetime | None]
    validation_reason: Mapped[str | None]
    version: Mapped[int]
    created_at: Mapped[datetime]
