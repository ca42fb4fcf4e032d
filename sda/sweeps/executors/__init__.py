"""Where the tasks of a sweep are trained: on this machine, by Dask, by Slurm."""
