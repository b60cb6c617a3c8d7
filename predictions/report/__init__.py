"""The report on one version of a classifier, written from what the database knows.

`facts` reads, `chapters` put into words, `charts` draw, `render` makes one page of HTML and a PDF of the same blocks.
"""
