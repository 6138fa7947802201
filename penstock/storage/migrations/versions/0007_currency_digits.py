"""Amounts count ISO 4217's minor units, and grants no longer keep a sum that 64 bits could not hold.

Books in 13 currencies were kept with the digits of display habits (RSD 0 for 2). Their amounts keep their value: each
is multiplied by what one old minor unit is in new ones.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_TWO_DIGITS = ("AFN", "ALL", "IRR", "KPW", "LAK", "LBP", "MGA", "MMK", "RSD", "SOS", "SYP", "YER")
FACTORS = dict.fromkeys(_TWO_DIGITS, 100) | {"IQD": 1000}


def upgrade() -> None:
    op.execute("alter table usage_grant drop column reserved_nano")
    connection = op.get_bind()
    books = connection.execute(sa.text("select organisation, currency from book")).all()
    for organisation, currency in books:
        if currency in FACTORS:
            _rescale(connection, organisation, FACTORS[currency])


def _rescale(connection: sa.Connection, organisation: str, factor: int) -> None:
    inspector = sa.inspect(connection)
    for table in inspector.get_table_names():
        columns = [column["name"] for column in inspector.get_columns(table)]
        amounts = [name for name in columns if name.endswith("_minor")]
        if "organisation" in columns and amounts:
            values = ", ".join(f"{name} = {name} * :factor" for name in amounts)
            statement = sa.text(f"update {table} set {values} where organisation = :organisation")  # noqa: S608
            with _Unguarded(connection, table):
                connection.execute(statement, {"factor": factor, "organisation": organisation})


class _Unguarded:
    """What was booked and issued may not be changed; for this once the table's triggers sleep."""

    def __init__(self, connection: sa.Connection, table: str) -> None:
        self._connection, self._table = connection, table
        self._triggers: list[tuple[str, str]] = []

    def __enter__(self) -> None:
        if self._connection.dialect.name == "postgresql":
            self._connection.execute(sa.text(f"alter table {self._table} disable trigger user"))
            return
        found = sa.text("select name, sql from sqlite_master where type = 'trigger' and tbl_name = :table")
        self._triggers = [(row.name, row.sql) for row in self._connection.execute(found, {"table": self._table})]
        for name, _ in self._triggers:
            self._connection.execute(sa.text(f"drop trigger {name}"))

    def __exit__(self, *error: object) -> None:
        if self._connection.dialect.name == "postgresql":
            self._connection.execute(sa.text(f"alter table {self._table} enable trigger user"))
        for _, sql in self._triggers:
            self._connection.exec_driver_sql(sql)
