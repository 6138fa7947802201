"""The admin interface: the verbs of the command line as JSON under /admin/v1, for who has a token."""

from penstock.console.admin import (
    attributions,
    audit,
    books,
    company,
    customer_data,
    customers,
    limits,
    models,
    operators,
    partners,
    plans,
    usage,
)

ROUTES = (
    *company.ROUTES,
    *customers.ROUTES,
    *customer_data.ROUTES,
    *limits.ROUTES,
    *plans.ROUTES,
    *partners.ROUTES,
    *attributions.ROUTES,
    *models.ROUTES,
    *usage.ROUTES,
    *books.ROUTES,
    *audit.ROUTES,
    *operators.ROUTES,
)
