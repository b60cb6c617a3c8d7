"""What the site stores, how much space it takes, and the removal of what nobody needs any longer."""
