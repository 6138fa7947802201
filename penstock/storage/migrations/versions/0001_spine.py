"""The spine's tables."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    # development stand-in: replaced by explicit DDL before the first release
    import importlib

    from penstock.storage.schema import metadata

    for room in ("identity", "datasets", "registry", "serving", "billing", "channels", "monitoring"):
        try:
            importlib.import_module(f"penstock.{room}.tables")
        except ModuleNotFoundError:
            continue
    metadata.create_all(op.get_bind())
