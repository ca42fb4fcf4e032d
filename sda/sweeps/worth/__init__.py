"""Whether pretraining is worth it on some data: a plan, its runs, what they choose."""
