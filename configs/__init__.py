"""The configuration: a folder a Hydra group, and `configs.compose`, which turns overrides into plain settings."""
