"""The dashboard's figures: values in, a `Figure` out: a drawing for the page, a file for a paper, a table."""
