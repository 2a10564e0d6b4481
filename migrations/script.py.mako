"""${message}."""

from alembic import op
${imports if imports else ""}
revision = "${up_revision}"
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("set local lock_timeout = '1s'")
    op.execute("set local statement_timeout = '30s'")
    ${upgrades if upgrades else ""}
    op.execute("update private.schema_level set level = ${int(up_revision)}")


def downgrade() -> None:
    op.execute("set local lock_timeout = '1s'")
    op.execute("set local statement_timeout = '30s'")
    ${downgrades if downgrades else ""}
    op.execute("update private.schema_level set level = ${int(down_revision or 0)}")
