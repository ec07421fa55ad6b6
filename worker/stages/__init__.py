"""The stages of a job: each computes what is not kept yet, keeps it under a content key, and goes on."""
