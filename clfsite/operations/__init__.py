"""What an operator does with a whole site: check its files, back it up, restore it."""
