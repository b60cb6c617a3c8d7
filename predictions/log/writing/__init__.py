"""The way of rows into the log: made, put into columns, committed together and confirmed."""
