"""The console: server-rendered pages for a signed-in operator."""

from penstock.console.pages import (
    applying,
    audit,
    books,
    customers,
    erasing,
    feedback,
    invoices,
    jobs,
    operators,
    overview,
    partners,
    playground,
    previews,
    prices,
    products,
    trainings,
)

ROUTES = (
    *overview.ROUTES,
    *products.ROUTES,
    *trainings.ROUTES,
    *playground.ROUTES,
    *customers.ROUTES,
    *erasing.ROUTES,
    *invoices.ROUTES,
    *previews.ROUTES,
    *partners.ROUTES,
    *prices.ROUTES,
    *books.ROUTES,
    *audit.ROUTES,
    *operators.ROUTES,
    *feedback.ROUTES,
    *applying.ROUTES,
    *jobs.ROUTES,
)
