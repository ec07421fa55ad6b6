"""HTTP itself: limits, conditions, pages, refusals as problem documents."""
