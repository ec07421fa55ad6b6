"""The dashboard: pages for people over the same registry that the API answers from.

A page is a Jinja template, rendered with documents from the API's own functions. It is complete without scripts.
Scripts add to it: `static/live.js` updates a page while a job runs, `static/figures.js` draws the figures, and
`static/new.js` and the other form scripts send requests to the API. A page itself changes nothing.
"""
