"""The rungs of the ladder: recipes that turn labelled rows into a model. torch and scikit-learn live here only."""
