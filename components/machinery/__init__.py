"""What runs a step: its signature and parameters, its transaction and lineage, its revisions, Kubeflow's adapter."""
