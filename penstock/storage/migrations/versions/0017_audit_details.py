"""Details of the audit log may be emptied: an erasure takes personal values out, and a later entry says so."""

from alembic import op

revision = "0017"
down_revision = "0016"

_FIXED = "organisation, number, at, who, role, origin, act, details_sha256, previous, hash"


def upgrade() -> None:
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("drop trigger audit_entry_no_update on audit_entry")
        for name, when in (("update", f"update of {_FIXED}"), ("delete", "delete")):
            connection.exec_driver_sql(
                f"create trigger audit_entry_no_{name} before {when} on audit_entry "
                "for each row execute function penstock_append_only()"
            )
        return
    connection.exec_driver_sql("drop trigger audit_entry_no_update")
    connection.exec_driver_sql(
        f"create trigger audit_entry_no_update before update of {_FIXED} on audit_entry "
        "begin select raise(abort, 'rows of audit_entry are never changed or deleted'); end"
    )
