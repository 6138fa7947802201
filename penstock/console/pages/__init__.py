"""The console: server-rendered pages for a signed-in operator."""

from penstock.console.pages import books, customers, feedback, invoices, overview, partners, products, trainings

ROUTES = (
    *overview.ROUTES,
    *products.ROUTES,
    *trainings.ROUTES,
    *customers.ROUTES,
    *invoices.ROUTES,
    *partners.ROUTES,
    *books.ROUTES,
    *feedback.ROUTES,
)
