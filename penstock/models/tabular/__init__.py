"""Models of tables: linear, trees, and mixtures of both, in numpy alone."""

from penstock.models.tabular.model import KINDS, Tabular

__all__ = ["KINDS", "Tabular"]
