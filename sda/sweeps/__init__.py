"""Many runs: sweeps, executors, campaigns."""
