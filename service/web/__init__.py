"""The dashboard: pages for people over the same registry that the API answers from.

A page is a Jinja template over documents that the API's own functions make, complete without any script. Scripts add
what a page cannot be born with: `static/live.js` brings it up to date while something runs, `static/figures.js` draws
the figures, `static/new.js` and its like send what is asked for to the API. No page changes anything itself.
"""
