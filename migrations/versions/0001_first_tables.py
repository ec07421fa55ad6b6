"""The first tables: the queue, the tasks, the computed results, the answers."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("revoked_at", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("hash", name=op.f("uq_api_keys_hash")),
        sa.UniqueConstraint("name", name=op.f("uq_api_keys_name")),
    )
    op.create_table(
        "artifacts",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("media_type", sa.String(length=255), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_artifacts")),
    )
    op.create_table(
        "datasets",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=True),
        sa.Column("reference", sa.JSON(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("class_names", sa.JSON(), nullable=False),
        sa.Column("images", sa.Integer(), nullable=False),
        sa.Column("left_out", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_datasets")),
        sa.UniqueConstraint("name", name=op.f("uq_datasets_name")),
    )
    op.create_index(op.f("ix_datasets_digest"), "datasets", ["digest"], unique=False)

    op.create_table(
        "distances",
        sa.Column("source_network", sa.String(length=255), nullable=False),
        sa.Column("target_network", sa.String(length=255), nullable=False),
        sa.Column("data_key", sa.String(length=64), nullable=False),
        sa.Column("measure", sa.String(length=64), nullable=False),
        sa.Column("recipe_digest", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("signed", sa.Double(), nullable=False),
        sa.Column("standard_error", sa.Double(), nullable=True),
        sa.Column("contributions", sa.JSON(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint(
            "source_network", "target_network", "data_key", "measure", "recipe_digest", name=op.f("pk_distances")
        ),
    )
    op.create_index(
        "ix_distances_column",
        "distances",
        ["target_network", "measure", "recipe_digest", "source_network", "created_at", "data_key", "value"],
        unique=False,
    )

    op.create_table(
        "fisher_summaries",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("network_key", sa.String(length=255), nullable=False),
        sa.Column("data_key", sa.String(length=64), nullable=False),
        sa.Column("recipe_digest", sa.String(length=64), nullable=False),
        sa.Column("summary", sa.JSON(), nullable=False),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_fisher_summaries")),
    )
    op.create_index(op.f("ix_fisher_summaries_network_key"), "fisher_summaries", ["network_key"], unique=False)

    op.create_table(
        "genotypes",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("search_key", sa.String(length=64), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("genotype", sa.JSON(), nullable=False),
        sa.Column("origin", sa.String(length=16), nullable=False),
        sa.Column("validation_accuracy", sa.Double(), nullable=True),
        sa.Column("validation_balanced_accuracy", sa.Double(), nullable=True),
        sa.Column("epochs", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_genotypes")),
        sa.UniqueConstraint("search_key", "position", name=op.f("uq_genotypes_search_key_position")),
    )
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("idempotency_key", sa.String(length=255), nullable=True),
        sa.Column("request_hash", sa.String(length=64), nullable=True),
        sa.Column(
            "state",
            sa.Enum(
                "queued", "running", "succeeded", "failed", "cancelled", name="jobstate", native_enum=False, length=16
            ),
            nullable=False,
        ),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("run_after", sa.Double(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("lease_owner", sa.String(length=255), nullable=True),
        sa.Column("lease_until", sa.Double(), nullable=True),
        sa.Column("cancel_requested_at", sa.Double(), nullable=True),
        sa.Column("published_at", sa.Double(), nullable=True),
        sa.Column("stage", sa.String(length=32), nullable=True),
        sa.Column("progress", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("progress_seq", sa.Integer(), nullable=False),
        sa.Column("progressed_at", sa.Double(), nullable=True),
        sa.Column("checkpoint", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("result", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("error", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("started_at", sa.Double(), nullable=True),
        sa.Column("finished_at", sa.Double(), nullable=True),
        sa.CheckConstraint("(state = 'running') = (lease_until IS NOT NULL)", name=op.f("ck_jobs_lease_while_running")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        sa.UniqueConstraint("owner", "idempotency_key", name=op.f("uq_jobs_owner_idempotency_key")),
    )
    op.create_index("ix_jobs_due", "jobs", ["state", "run_after"], unique=False)
    op.create_index("ix_jobs_newest", "jobs", ["created_at", "id"], unique=False)

    op.create_table(
        "networks",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("architecture", sa.String(length=64), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("classes", sa.Integer(), nullable=False),
        sa.Column("weights", sa.String(length=64), nullable=False),
        sa.Column("parameters", sa.BigInteger(), nullable=False),
        sa.Column("validation_accuracy", sa.Double(), nullable=False),
        sa.Column("validation_balanced_accuracy", sa.Double(), nullable=False),
        sa.Column("test", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_networks")),
    )
    op.create_table(
        "job_events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("job_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_job_events_job_id_jobs"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_events")),
    )
    op.create_index("ix_job_events_job_id_id", "job_events", ["job_id", "id"], unique=False)

    op.create_table(
        "recommendations",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=True),
        sa.Column("job_id", sa.String(length=32), nullable=False),
        sa.Column("task_id", sa.String(length=32), nullable=False),
        sa.Column("request", sa.JSON(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_recommendations_job_id_jobs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recommendations")),
        sa.UniqueConstraint("job_id", name=op.f("uq_recommendations_job_id")),
    )
    op.create_index("ix_recommendations_newest", "recommendations", ["created_at", "id"], unique=False)
    op.create_index(op.f("ix_recommendations_task_id"), "recommendations", ["task_id"], unique=False)

    op.create_table(
        "tasks",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("job_id", sa.String(length=32), nullable=False),
        sa.Column("dataset", sa.JSON(), nullable=False),
        sa.Column("labels", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("architecture", sa.String(length=64), nullable=True),
        sa.Column("epsilon", sa.Double(), nullable=False),
        sa.Column("repetitions", sa.Integer(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("image_size", sa.Integer(), nullable=True),
        sa.Column("dataset_digest", sa.String(length=64), nullable=True),
        sa.Column("mapping_digest", sa.String(length=64), nullable=True),
        sa.Column("preprocessing_digest", sa.String(length=64), nullable=True),
        sa.Column("class_names", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("counts", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("seen_images", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_tasks_job_id_jobs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
    )
    op.create_index(op.f("ix_tasks_job_id"), "tasks", ["job_id"], unique=False)
    op.create_index(op.f("ix_tasks_name"), "tasks", ["name"], unique=False)
    op.create_index("ix_tasks_newest", "tasks", ["created_at", "id"], unique=False)
    op.create_index(
        "uq_tasks_baseline_name",
        "tasks",
        ["name"],
        unique=True,
        sqlite_where=sa.text("role = 'baseline'"),
        postgresql_where=sa.text("role = 'baseline'"),
    )

    op.create_table(
        "architectures",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("recommendation_id", sa.String(length=32), nullable=True),
        sa.Column("job_id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("genotype", sa.JSON(), nullable=False),
        sa.Column("skeleton", sa.JSON(), nullable=False),
        sa.Column("class_names", sa.JSON(), nullable=False),
        sa.Column("preprocessing", sa.JSON(), nullable=False),
        sa.Column("parameters", sa.BigInteger(), nullable=False),
        sa.Column("macs", sa.BigInteger(), nullable=False),
        sa.Column("validation", sa.JSON(), nullable=False),
        sa.Column("test", sa.JSON(), nullable=False),
        sa.Column("weights", sa.String(length=64), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("program", sa.String(length=64), nullable=False),
        sa.Column("onnx", sa.String(length=64), nullable=False),
        sa.Column("card", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_architectures_job_id_jobs")),
        sa.ForeignKeyConstraint(
            ["recommendation_id"],
            ["recommendations.id"],
            name=op.f("fk_architectures_recommendation_id_recommendations"),
            ondelete="SET NULL",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_architectures")),
        sa.UniqueConstraint("recommendation_id", name=op.f("uq_architectures_recommendation_id")),
    )
    op.create_index("ix_architectures_newest", "architectures", ["created_at", "id"], unique=False)

    op.create_table(
        "task_genotypes",
        sa.Column("task_id", sa.String(length=32), nullable=False),
        sa.Column("genotype_id", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["genotype_id"], ["genotypes.id"], name=op.f("fk_task_genotypes_genotype_id_genotypes")
        ),
        sa.ForeignKeyConstraint(
            ["task_id"], ["tasks.id"], name=op.f("fk_task_genotypes_task_id_tasks"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("task_id", "genotype_id", name=op.f("pk_task_genotypes")),
    )
    op.create_index(op.f("ix_task_genotypes_genotype_id"), "task_genotypes", ["genotype_id"], unique=False)

    op.create_table(
        "task_networks",
        sa.Column("task_id", sa.String(length=32), nullable=False),
        sa.Column("repetition", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("network_key", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["network_key"], ["networks.key"], name=op.f("fk_task_networks_network_key_networks")),
        sa.ForeignKeyConstraint(
            ["task_id"], ["tasks.id"], name=op.f("fk_task_networks_task_id_tasks"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("task_id", "repetition", name=op.f("pk_task_networks")),
    )
    op.create_index("ix_task_networks_network", "task_networks", ["network_key", "repetition", "task_id"], unique=False)

    op.create_table(
        "revisions",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("token", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_revisions")),
    )


def downgrade() -> None:
    op.drop_table("revisions")
    op.drop_index("ix_task_networks_network", "task_networks")

    op.drop_table("task_networks")
    op.drop_index(op.f("ix_task_genotypes_genotype_id"), "task_genotypes")

    op.drop_table("task_genotypes")
    op.drop_index("ix_architectures_newest", "architectures")

    op.drop_table("architectures")
    op.drop_index(
        "uq_tasks_baseline_name",
        "tasks",
        sqlite_where=sa.text("role = 'baseline'"),
        postgresql_where=sa.text("role = 'baseline'"),
    )
    op.drop_index("ix_tasks_newest", "tasks")
    op.drop_index(op.f("ix_tasks_job_id"), "tasks")

    op.drop_table("tasks")
    op.drop_index(op.f("ix_recommendations_task_id"), "recommendations")
    op.drop_index("ix_recommendations_newest", "recommendations")

    op.drop_table("recommendations")
    op.drop_index("ix_job_events_job_id_id", "job_events")

    op.drop_table("job_events")
    op.drop_table("networks")
    op.drop_index("ix_jobs_newest", "jobs")
    op.drop_index("ix_jobs_due", "jobs")

    op.drop_table("jobs")
    op.drop_table("genotypes")
    op.drop_index(op.f("ix_fisher_summaries_network_key"), "fisher_summaries")

    op.drop_table("fisher_summaries")
    op.drop_index("ix_distances_column", "distances")

    op.drop_table("distances")
    op.drop_index(op.f("ix_datasets_digest"), "datasets")

    op.drop_table("datasets")
    op.drop_table("artifacts")
    op.drop_table("api_keys")
