"""Many runs: jobs, workers, campaigns."""
