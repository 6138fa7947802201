"""One training loop for everything that torch learns: a recipe, a problem, checkpoints, and who shares the work."""

from penstock.training.loop.fit import fit
from penstock.training.loop.records import ALONE, Fitted, Problem, Recipe, World

__all__ = ["ALONE", "Fitted", "Problem", "Recipe", "World", "fit"]
