"""The networks that represent a task when its distance is measured."""
