"""The composition root: the one place that decides which parts of the house run together in one process."""

from penstock.app.gateway import run_gateway
from penstock.app.office import run_office
from penstock.app.up import run_up

__all__ = ["run_gateway", "run_office", "run_up"]
