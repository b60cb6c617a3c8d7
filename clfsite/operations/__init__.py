"""Operations on a whole site: verify, backup, restore."""
