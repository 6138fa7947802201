"""Knowledge: entries of question and answer, read, checked and split. It knows no model."""
