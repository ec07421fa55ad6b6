"""The stages of a job: each computes the missing results and stores them under content keys."""
