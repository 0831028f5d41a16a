"""How it is run: one key → one row, executors, run directories, discrete studies on Optuna."""
