"""The portal's pages for answers: home, the form, batches and the log."""
