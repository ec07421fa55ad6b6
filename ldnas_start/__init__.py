"""The beginning of every program: it reports another project's module that hides a package of ldnas."""
