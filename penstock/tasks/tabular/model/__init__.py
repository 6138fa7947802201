"""Models of tables: linear, trees, and mixtures of both, in numpy alone."""

from penstock.tasks.tabular.model.tabular import KINDS, Tabular

__all__ = ["KINDS", "Tabular"]
