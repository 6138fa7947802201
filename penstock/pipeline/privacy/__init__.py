"""Whose data may train and what privacy that keeps; a customer's data, exported and erased."""
