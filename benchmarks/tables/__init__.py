"""The tables of README and docs: a module each, named as its block, that exports `TABLE`."""
