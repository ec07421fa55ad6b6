"""Keys with a prefix, one scope and a quota; browser sessions."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

ACTIVE = sa.text("revoked_at IS NULL")


def upgrade() -> None:
    # No program could create a key before this revision, so no row needs a prefix or a scope.
    with op.batch_alter_table("api_keys") as table:
        table.drop_constraint(op.f("uq_api_keys_name"), type_="unique")
        table.drop_column("scopes")
        table.add_column(sa.Column("prefix", sa.String(length=16), nullable=False))
        table.add_column(sa.Column("scope", sa.String(length=16), nullable=False))
        table.add_column(sa.Column("quota", sa.Integer(), nullable=True))
        table.add_column(sa.Column("last_used_at", sa.Double(), nullable=True))
        table.create_check_constraint(op.f("ck_api_keys_known_scope"), "scope IN ('read', 'write', 'admin')")
        table.create_index(op.f("ix_api_keys_prefix"), ["prefix"])
    op.create_index(
        "uq_api_keys_active_name",
        "api_keys",
        ["name"],
        unique=True,
        sqlite_where=ACTIVE,
        postgresql_where=ACTIVE,
    )
    op.create_table(
        "browser_sessions",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("key_id", sa.String(length=32), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["key_id"], ["api_keys.id"], name=op.f("fk_browser_sessions_key_id_api_keys"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_browser_sessions")),
    )
    op.create_index(op.f("ix_browser_sessions_key_id"), "browser_sessions", ["key_id"])


def downgrade() -> None:
    op.drop_table("browser_sessions")
    # The older schema stores a key's permissions in another form and could not read these keys.
    op.execute("DELETE FROM api_keys")
    op.drop_index("uq_api_keys_active_name", "api_keys")
    with op.batch_alter_table("api_keys") as table:
        table.drop_index(op.f("ix_api_keys_prefix"))
        table.drop_constraint(op.f("ck_api_keys_known_scope"), type_="check")
        for column in ("last_used_at", "quota", "scope", "prefix"):
            table.drop_column(column)
        table.add_column(sa.Column("scopes", sa.JSON(), nullable=False))
        table.create_unique_constraint(op.f("uq_api_keys_name"), ["name"])
