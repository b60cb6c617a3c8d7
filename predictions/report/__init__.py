"""The report on one version of a classifier, with data from the database.

`facts` reads the data, `chapters` write the text, `charts` draw, and `render` makes an HTML page and a PDF.
"""
