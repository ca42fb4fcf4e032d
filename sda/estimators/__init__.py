"""Stacks as scikit-learn estimators: the training of the command line behind fit and predict."""
