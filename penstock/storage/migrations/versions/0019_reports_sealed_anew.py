"""A dataset version stays as it is, but for the seal on its report: a rotation of keys writes it anew."""

from alembic import op

revision = "0019"
down_revision = "0018"

FIXED = "organisation, product, id, number, blob, rows_train, rows_test, parent, source, created_at"


def upgrade() -> None:
    run = op.get_bind().exec_driver_sql
    if op.get_bind().dialect.name == "postgresql":
        run("drop trigger dataset_version_append_only on dataset_version")
        run(
            f"create trigger dataset_version_append_only before update of {FIXED} or delete on dataset_version "
            "for each row execute function penstock_append_only()"
        )
    else:
        run("drop trigger dataset_version_no_update")
        run(
            f"create trigger dataset_version_no_update before update of {FIXED} on dataset_version "
            "begin select raise(abort, 'rows of dataset_version are never changed or deleted'); end"
        )
