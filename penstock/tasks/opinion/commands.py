"""Opinion: documents in, series, alerts and the monthly report out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from penstock.cli.output import OPTIONS, note, show, shown_progress, text
from penstock.core.whole import EVERYBODYS, write_whole

Product = Annotated[str, typer.Argument(help="A product of the task opinion-monitoring.")]
Key = Annotated[str, typer.Option(help="The customer's key that pays: sk_live_…", envvar="PENSTOCK_KEY")]
Url = Annotated[str | None, typer.Option(help="The gateway. Default: the one of this workspace.")]
Customer = Annotated[str | None, typer.Option(help="Only this customer's documents: name, e-mail or id.")]


def register(app: typer.Typer) -> None:
    opinion = typer.Typer(help="Opinion monitoring: series, alerts and reports.", no_args_is_help=True)
    for command in (replay, pull, series, alerts, ack, resolve, mute, report, secret, tend):
        opinion.command()(command)
    app.add_typer(opinion, name="opinion")


def replay(product: Product, file: Path, key: Key, url: Url = None) -> None:
    """Send a csv or jsonl file of documents through the gateway, then detect. Again, it bills nothing twice."""
    from penstock.runtime.house import open_house
    from penstock.tasks.opinion.push import replay as push
    from penstock.tasks.opinion.stream import run_product_once

    house = open_house(OPTIONS.workspace)
    with shown_progress() as progress:
        pushed = push(house, product, file, key, url, progress)
    tended = run_product_once(house, product)
    show({"pushed": pushed, "tended": tended}, rows=[{**vars(pushed), "alerts": tended.alerts}])


def pull(product: Product, feed: str, key: Key, url: Url = None) -> None:
    """Fetch an RSS or Atom feed and send what is new in it, then detect."""
    from penstock.runtime.house import open_house
    from penstock.tasks.opinion.push import pull as fetch
    from penstock.tasks.opinion.stream import run_product_once

    house = open_house(OPTIONS.workspace)
    pulled = fetch(house, product, feed, key, url)
    tended = run_product_once(house, product)
    row = {**vars(pulled), "skipped": len(pulled.skipped), "alerts": tended.alerts}
    show({"pulled": pulled, "tended": tended}, rows=[row])
    for line in pulled.skipped:
        note(f"skipped: {line}")
    if pulled.undated:
        note(f"{pulled.undated} entries have no date of their own: they count at the time of fetching")


def series(
    product: Product,
    entity: Annotated[str | None, typer.Option(help="Only this entity.")] = None,
    customer: Customer = None,
    days: Annotated[int, typer.Option(help="The newest so many days; 0: all.", min=0)] = 30,
) -> None:
    """Mentions per entity and day (or hour), with what was expected."""
    from penstock.runtime.house import open_house
    from penstock.tasks.opinion.stream import customer_id, series_rows

    house = open_house(OPTIONS.workspace)
    rows = series_rows(house, product, customer=customer_id(house, customer), entity=entity)
    if days and rows:
        newest = max(row["from"] for row in rows)
        rows = [row for row in rows if row["from"] > newest - timedelta(days=days)]
    show(rows, rows=rows)


def alerts(
    product: Product,
    state: Annotated[str | None, typer.Option(help="open, acknowledged or resolved.")] = None,
    customer: Customer = None,
) -> None:
    """Alerts, the newest first."""
    from penstock.core.errors import BadInput
    from penstock.identity.customers import list_customers
    from penstock.runtime.house import open_house
    from penstock.tasks.opinion.alerts import STATES, list_alerts
    from penstock.tasks.opinion.stream import alert_rows, customer_id, options_of

    house = open_house(OPTIONS.workspace)
    options_of(house, product)
    if state not in (None, *STATES):
        raise BadInput(f"{state!r} is not a state", where="--state", hint=f"one of {', '.join(STATES)}")
    chosen = customer_id(house, customer)
    with house.store.read() as tx:
        found = list_alerts(tx, product, customer=chosen, state=state)
        names = {one.id: one.name for one in list_customers(tx)}
    show([one.to_json() for one in found], rows=alert_rows(found, names))


def ack(
    alert: str, by: Annotated[str | None, typer.Option(help="Who has seen it (default: whoever runs this).")] = None
) -> None:
    """Say that an alert was seen. It is not sent again, and resolves by itself when the series are back."""
    from penstock.core.acts import who_acts
    from penstock.tasks.opinion.alerts import acknowledge

    _change(lambda tx: acknowledge(tx, alert, by or who_acts()))


def resolve(alert: str) -> None:
    """Close an alert now; the next change of the kind is a new one."""
    from penstock.tasks.opinion import alerts

    _change(lambda tx: alerts.resolve(tx, alert))


def mute(
    product: Product,
    entity: str,
    until: Annotated[str, typer.Option(help="A date, 2026-12-31; alerts are still recorded.")],
    customer: Customer = None,
    reason: str = "",
) -> None:
    """Tell nobody of an entity's changes until a date. A date that is past ends it."""
    from penstock.core.errors import BadInput, NotFound
    from penstock.runtime.house import open_house
    from penstock.tasks.opinion import alerts
    from penstock.tasks.opinion.stream import customer_id, live_of, options_of

    house = open_house(OPTIONS.workspace)
    options_of(house, product)
    try:
        moment = datetime.fromisoformat(until)
    except ValueError:
        raise BadInput(f"{until!r} is not a date", where="--until", hint="write it as 2026-12-31") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    whose = customer_id(house, customer) or ""
    with house.store.transaction() as tx:
        live = live_of(tx, house, product)
        if live is not None and entity not in live.watch.entities:
            known = ", ".join(live.watch.entities)
            raise NotFound(f"{product} does not watch {entity!r}", hint=f"it watches: {known}")
        alerts.mute(tx, product=product, entity=entity, until=moment, customer=whose, reason=reason)
    note(f"{product}: nobody is told of {entity} until {moment:%Y-%m-%d %H:%M}Z")


def report(
    product: Product,
    period: Annotated[str, typer.Option(help="The month, 2026-11.")],
    customer: Customer = None,
    html: Annotated[Path | None, typer.Option(help="Write the report as one HTML page.")] = None,
    pdf: Annotated[Path | None, typer.Option(help="Write the report as PDF.")] = None,
    locale: Annotated[str | None, typer.Option(help="en or zh-CN; default: the company's.")] = None,
) -> None:
    """A month's report: mentions, sentiment, what was out of the ordinary, and the words behind it."""
    from penstock.identity.customers import get_customer
    from penstock.runtime.house import open_house
    from penstock.tasks.opinion import report_pages
    from penstock.tasks.opinion.stream import customer_id
    from penstock.tasks.opinion.stream import report as gather

    house = open_house(OPTIONS.workspace)
    whose = customer_id(house, customer)
    month = gather(house, product, period, whose)
    name = ""
    if whose is not None:
        with house.store.read() as tx:
            name = get_customer(tx, whose).name
    language = locale or house.workspace.company.locale
    written = []
    if html is not None:
        write_whole(html, report_pages.html(month, customer=name, locale=language).encode(), mode=EVERYBODYS)
        written.append(html)
    if pdf is not None:
        drawn = report_pages.pdf(month, customer=name, locale=language, now=house.store.clock.now())
        write_whole(pdf, drawn, mode=EVERYBODYS)
        written.append(pdf)
    content = report_pages.content(month, customer=name, locale=language)
    rows = [dict(zip(content["glance"]["header"], row, strict=True)) for row in content["glance"]["rows"]]
    show(month, rows=rows, title=f"{content['heading']}, {content['month']}")
    for path in written:
        note(f"written: {path}")


def secret(product: Product) -> None:
    """The secret with which receivers verify a product's webhooks (Standard Webhooks)."""
    from penstock.runtime.house import open_house
    from penstock.tasks.opinion.stream import options_of, webhook_secret
    from penstock.tasks.opinion.webhooks import signing_secret

    house = open_house(OPTIONS.workspace)
    options_of(house, product)
    text(signing_secret(webhook_secret(house, product)))


def tend(product: Product) -> None:
    """Fold answers, detect and deliver now. `penstock up` does it every minute."""
    from penstock.runtime.house import open_house
    from penstock.tasks.opinion.stream import run_product_once

    done = run_product_once(open_house(OPTIONS.workspace), product)
    show(done, rows=[{"events": done.events, "new alerts": done.alerts, **vars(done.sent)}])


def _change(change: Any) -> None:
    from penstock.runtime.house import open_house
    from penstock.tasks.opinion.stream import alert_rows

    house = open_house(OPTIONS.workspace)
    with house.store.transaction() as tx:
        found = change(tx)
    show(found.to_json(), rows=alert_rows([found], {}))
