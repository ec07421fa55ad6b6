"""The networks that stand for a task when its distance is measured."""
